//! Which failures are the key's answer, and which leave it free.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::keyed::{Runs, assert_same, post, serve};
use crate::support::{Gate, Raw, wait_until};

#[test]
fn an_outcome_is_an_answer() {
    let server = serve(&[]);
    let runs = Runs::new();
    let raises = json!({"function": "verbs.raise_until", "args": [runs.path(), 2]});
    let first = post(&server, "/v1/apply", "raises", &raises);
    first.outcome("function-raised");
    assert_same(&post(&server, "/v1/apply", "raises", &raises), &first);
    assert_eq!(runs.count(), 1, "the second run would have brought a value");

    let dies = Runs::new();
    let body = json!({"function": "verbs.exit_until", "args": [dies.path(), 2]});
    let first = post(&server, "/v1/apply", "dies", &body);
    first.outcome("worker-died");
    assert_same(&post(&server, "/v1/apply", "dies", &body), &first);
    assert_eq!(dies.count(), 1);
}

#[test]
fn what_ran_nothing_leaves_the_key_free() {
    let server = serve(&[]);
    let runs = Runs::new();
    let good = runs.call(0.0);
    let mut unknown = good.clone();
    unknown["function"] = json!("verbs.no_such");
    let mut wrong = good.clone();
    wrong["priority"] = json!("high");
    let send = |headers: &[(&str, &str)], body: &str| {
        let headers = [&[("idempotency-key", "k")], headers].concat();
        server.send("POST", "/v1/apply", &headers, Some(body.as_bytes()))
    };
    let as_json = ("content-type", "application/json");
    post(&server, "/v1/apply", "k", &unknown).problem(404, "unknown-function");
    post(&server, "/v1/apply", "k", &wrong).problem(400, "invalid-request");
    send(&[as_json], "{").problem(400, "invalid-json");
    send(&[("content-type", "text/plain")], &good.to_string()).problem(415, "unsupported-media-type");
    send(&[as_json, ("accept", "image/png")], &good.to_string()).problem(406, "not-acceptable");
    assert_eq!(runs.count(), 0);
    assert_eq!(post(&server, "/v1/apply", "k", &good).value(), "run");
    post(&server, "/v1/apply", "k", &unknown).problem(422, "idempotency-mismatch");
    assert_eq!(runs.count(), 1);
}

/// Of a call it says that nothing was run; of a map, or of a call that was retried, it doesn't.
#[test]
fn an_unknown_reference_leaves_the_key_free_unless_something_ran() {
    let server = serve(&["--workers", "1"]);
    let nothing = json!({"$forkpool": "/v1/queues/none"});
    let runs = Runs::new();
    let call = json!({"function": "faults.echo", "args": [nothing]});
    post(&server, "/v1/apply", "call", &call).outcome("unknown-ref");
    assert_eq!(post(&server, "/v1/apply", "call", &runs.call(0.0)).value(), "run");

    let process = json!({"target": "faults.echo", "args": [nothing]});
    post(&server, "/v1/processes", "process", &process).problem(422, "unknown-ref");
    assert_eq!(post(&server, "/v1/apply", "process", &runs.call(0.0)).value(), "run");

    let runs = Runs::new();
    let items = json!([[runs.path(), "one", 0], nothing]);
    let map = json!({"function": "verbs.write_each", "iterable": items, "chunksize": 1});
    let first = post(&server, "/v1/map", "map", &map);
    first.outcome("unknown-ref");
    assert_eq!(runs.count(), 1);
    assert_same(&post(&server, "/v1/map", "map", &map), &first);
    assert_eq!(runs.count(), 1, "the first item ran once");

    // The first attempt dies; the second doesn't find the object any more.
    let lost = Runs::new();
    server.send("PUT", "/v1/lists/there", &[], Some(b"")).value();
    let reference = json!({"$forkpool": "/v1/lists/there"});
    let retried = json!({"function": "verbs.exit_until", "args": [lost.path(), 9, reference],
                         "retries": 1, "retry_delay": 5});
    let first = std::thread::scope(|scope| {
        let call = scope.spawn(|| post(&server, "/v1/apply", "retried", &retried));
        wait_until(Duration::from_secs(10), "it ran once", || lost.count() == 1);
        assert_eq!(server.delete("/v1/lists/there").status, 204);
        call.join().expect("the client thread ends well")
    });
    first.outcome("unknown-ref");
    assert_same(&post(&server, "/v1/apply", "retried", &retried), &first);
    assert_eq!(lost.count(), 1);
}

#[test]
fn too_large_and_too_many_leave_the_key_free() {
    let server = serve(&["--queue-jobs", "1", "--body-limit", "4KiB"]);
    let runs = Runs::new();
    let job = server.submit("nap", &json!([600]));
    server.worker_of(&job);
    let large = json!({"function": "faults.echo", "args": ["x".repeat(5_000)]});
    post(&server, "/v1/apply_async", "k", &large).problem(413, "body-too-large");
    let answer = post(&server, "/v1/apply_async", "k", &runs.call(0.0));
    answer.problem(503, "overloaded");
    assert!(answer.header("retry-after").is_some(), "Retry-After");
    server.cancel(&job).value();
    let job = post(&server, "/v1/apply_async", "k", &runs.call(0.0)).accepted();
    assert_eq!(server.result(&job, 10.0).value(), "run");
    assert_eq!(runs.count(), 1);
}

#[test]
fn a_body_that_never_ends_leaves_the_key_free() {
    let server = serve(&["--body-stall", "3"]);
    let runs = Runs::new();
    let body = runs.call(0.0);
    let mut raw = Raw::connect(server.port());
    raw.write(
        b"POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: k\r\n\
          Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    assert_eq!(post(&server, "/v1/apply", "k", &body).value(), "run", "it waits for nobody's body");
    raw.answer(Duration::from_secs(20)).problem(400, "invalid-request");
    assert_eq!(runs.count(), 1);
}

#[test]
fn at_a_drain_nothing_that_waits_burns_its_key() {
    let mut server = serve(&["--workers", "1"]);
    let runs = Runs::new();
    let gate = Gate::shut();
    let running = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&running);
    std::thread::scope(|scope| {
        let server = &server;
        let call = scope.spawn(|| post(server, "/v1/apply", "k", &runs.call(0.0)));
        wait_until(Duration::from_secs(5), "the call is queued", || {
            server.get("/v1/jobs").value()["items"].as_array().is_some_and(|items| items.len() == 2)
        });
        server.signal(Signal::SIGTERM);
        call.join().expect("the client thread ends well").problem(503, "draining");
        post(server, "/v1/apply", "k", &runs.call(0.0)).problem(503, "draining");
        gate.open();
    });
    assert!(server.ended(Duration::from_secs(10)).success(), "exit 0");
    assert_eq!(runs.count(), 0);
}
