//! `run_timeout` and a worker that doesn't read: the task waits for another worker, however short the limit.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::verbs::Verbs;
use crate::support::{proc, wait_until};

#[test]
fn a_short_limit_does_not_keep_a_task_at_a_stopped_worker() {
    let server = Verbs::start(1);
    assert_eq!(server.apply("square", &json!([2])).value(), 4);
    let stopped = server.workers()[0].pid;
    proc::signal(stopped, Signal::SIGSTOP);
    wait_until(Duration::from_secs(10), "it is stopped", || {
        proc::stat(stopped).is_some_and(|stat| stat.state == 'T')
    });
    let id = server.job_of("apply_async", "nap_echo", &json!([[0, "x"]]), &json!({"run_timeout": 0.5}));
    // The worker has 5 s for a sign of life; then another is started.
    assert_eq!(server.result(&id, 15.0).value(), "x");
    wait_until(Duration::from_secs(10), "the one that read nothing is given up", || proc::is_gone(stopped));
    assert_eq!(server.job(&id)["attempts"], 1, "it was run once");
}
