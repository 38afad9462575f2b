//! A task that is to be run again and finds no worker: its job has started, and stays so.

use std::time::Duration;

use serde_json::json;

use super::verbs::Verbs;
use crate::support::wait_until;

#[test]
fn a_job_whose_retry_waits_for_a_worker_has_started() {
    let server = Verbs::start(1);
    let options = json!({"retries": 1, "retry_delay": 2.5, "queue_timeout": 3});
    let id = server.job_of("apply_async", "raise_until", &json!([server.path("count"), 2]), &options);
    wait_until(Duration::from_secs(5), "it has run once", || server.words("count").len() == 1);
    // The only worker is held beyond the pause, until it is told to stop.
    let holder = server.submit("nap", &json!([600]));
    server.worker_of(&holder);
    assert_eq!(server.words("count").len(), 1, "it waits in its pause");
    // Its queue_timeout was for its first start.
    server.result(&id, 3.5).problem(408, "result-timeout");
    let job = server.job(&id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("running"), &json!(1)), "{job}");
    assert!(job["started_at"].is_string(), "{job}");
    server.cancel(&holder).value();
    assert_eq!(server.result(&id, 10.0).value(), 2);
    assert_eq!(server.job(&id)["attempts"], 2);
}
