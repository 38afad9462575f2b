//! Keys are bounded in time, number and bytes; when there are too many, new ones are refused and none is
//! forgotten.

use std::time::Duration;

use serde_json::json;

use super::keyed::{Runs, post, serve};
use crate::support::wait_until;

#[test]
fn a_key_is_free_after_its_time() {
    let server = serve(&["--idempotency-ttl", "1"]);
    let runs = Runs::new();
    let first = post(&server, "/v1/apply_async", "k", &runs.call(0.0)).accepted();
    let mut second = first.clone();
    wait_until(Duration::from_secs(10), "the key is forgotten", || {
        second = post(&server, "/v1/apply_async", "k", &runs.call(0.0)).accepted();
        second != first
    });
    server.result(&second, 10.0).value();
    assert_eq!(runs.count(), 2);
}

#[test]
fn one_key_too_many_is_refused() {
    let server = serve(&["--idempotency-keys", "2"]);
    let runs = Runs::new();
    let jobs = ["a", "b"].map(|key| post(&server, "/v1/apply_async", key, &runs.call(0.0)).accepted());
    let answer = post(&server, "/v1/apply_async", "c", &runs.call(0.0));
    let problem = answer.problem(503, "overloaded");
    assert!(answer.header("retry-after").is_some(), "Retry-After");
    assert_eq!((&problem["limit"], &problem["knob"]), (&json!(2), &json!("--idempotency-keys")), "{problem}");
    assert_eq!(
        post(&server, "/v1/apply_async", "a", &runs.call(0.0)).accepted(),
        jobs[0],
        "none is forgotten"
    );
    assert_eq!(server.apply("square", &json!([3])).value(), 9, "without a key all goes on");
    for job in &jobs {
        server.result(job, 10.0).value();
    }
    assert_eq!(runs.count(), 2);
}

#[test]
fn large_answers_are_let_go_and_never_made_again() {
    let server = serve(&["--idempotency-bytes", "64KiB"]);
    let runs = Runs::new();
    let job = post(&server, "/v1/apply_async", "job", &runs.call(0.0)).accepted();
    let huge = json!({"function": "faults.huge", "args": [25 << 10]});
    for key in ["0", "1", "2"] {
        assert_eq!(post(&server, "/v1/apply", key, &huge).status, 200, "answered, kept or not");
    }
    post(&server, "/v1/apply", "0", &huge).problem(410, "expired");
    assert_eq!(post(&server, "/v1/apply", "1", &huge).status, 200);
    assert_eq!(post(&server, "/v1/apply", "2", &huge).status, 200);
    let larger = json!({"function": "faults.huge", "args": [100 << 10]});
    assert_eq!(post(&server, "/v1/apply", "larger", &larger).status, 200, "larger than all of it");
    post(&server, "/v1/apply", "larger", &larger).problem(410, "expired");
    assert_eq!(
        post(&server, "/v1/apply_async", "job", &runs.call(0.0)).accepted(),
        job,
        "a job is never let go"
    );
}
