//! Clients that leave in the middle of a call and come back with its key.

use std::time::Duration;

use serde_json::json;

use super::keyed::{Runs, post, serve};
use crate::support::{Raw, Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);

/// Begins a call and returns without an answer.
fn begin(server: &Server, runs: &Runs, seconds: f64) -> Raw {
    let mut raw = Raw::connect(server.port());
    let body = runs.call(seconds).to_string();
    raw.request("POST /v1/apply", "Idempotency-Key: k\r\n", body.as_bytes());
    raw
}

#[test]
fn a_call_whose_client_left_goes_on_and_is_answered_later() {
    let server = serve(&[]);
    let runs = Runs::new();
    let raw = begin(&server, &runs, 1.0);
    wait_until(BOUND, "it runs", || runs.count() == 1);
    raw.leave();
    // Once while it runs, once when it has ended.
    for _ in 0..2 {
        assert_eq!(post(&server, "/v1/apply", "k", &runs.call(1.0)).value(), "run");
    }
    assert_eq!(runs.count(), 1);
}

#[test]
fn a_call_that_waited_when_its_client_left_is_run_once() {
    let server = serve(&["--workers", "1"]);
    let runs = Runs::new();
    let busy = server.submit("nap", &json!([600]));
    server.worker_of(&busy);
    let raw = begin(&server, &runs, 0.0);
    wait_until(BOUND, "it is queued", || {
        server.get("/v1/jobs").value()["items"].as_array().is_some_and(|items| items.len() == 2)
    });
    raw.leave();
    server.cancel(&busy).value();
    wait_until(BOUND, "it runs although nobody waits", || runs.count() == 1);
    assert_eq!(post(&server, "/v1/apply", "k", &runs.call(0.0)).value(), "run");
    assert_eq!(runs.count(), 1);
}

#[test]
fn without_a_key_a_call_is_dropped_as_ever() {
    let server = serve(&["--workers", "1"]);
    let runs = Runs::new();
    let busy = server.submit("nap", &json!([600]));
    server.worker_of(&busy);
    let mut raw = Raw::connect(server.port());
    raw.request("POST /v1/apply", "", runs.call(0.0).to_string().as_bytes());
    let listed = || server.get("/v1/jobs").value()["items"].as_array().map_or(0, Vec::len);
    wait_until(BOUND, "it is queued", || listed() == 2);
    raw.leave();
    wait_until(BOUND, "it is dropped", || listed() == 1);
    server.cancel(&busy).value();
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
    assert_eq!(runs.count(), 0);
}
