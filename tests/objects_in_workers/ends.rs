//! Blocked calls end with whatever ends their worker, and give back what they were handed.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::{call, make, reference, start, submit, told};
use crate::support::{Server, proc, wait_until};

/// A job that waits for an item, and its worker.
#[track_caller]
fn blocked(server: &Server) -> (String, i32) {
    make(server, "queues/q", &json!({}));
    make(server, "queues/told", &json!({}));
    let id = submit(server, "get", &json!([reference("queues/q"), reference("queues/told")]));
    let pid = told(server);
    wait_until(Duration::from_secs(10), "it waits for an item", || {
        server.get("/v1/queues/q").value()["getters"] == 1
    });
    (id, pid)
}

#[test]
fn a_cancel_ends_a_blocked_get() {
    let server = start(&[]);
    let (id, _) = blocked(&server);
    assert_eq!(server.cancel(&id).value()["state"], "cancelled");
    call(&server, "queues/q/put", &json!({"obj": 1})).value();
    // The worker may have been handed it while it was dying: then it comes back.
    assert_eq!(call(&server, "queues/q/get", &json!({"timeout": 5})).value(), 1);
}

#[test]
fn a_run_timeout_ends_a_blocked_get() {
    let server = start(&[]);
    make(&server, "queues/q", &json!({}));
    let body = json!({"function": "sharing.get", "args": [reference("queues/q")], "run_timeout": 0.2});
    server.post("/v1/apply", &body).outcome("run-timeout");
    call(&server, "queues/q/put", &json!({"obj": 1})).value();
    assert_eq!(call(&server, "queues/q/get", &json!({"timeout": 5})).value(), 1);
}

#[test]
fn an_item_that_a_dead_worker_did_not_read_goes_back_to_its_place() {
    let server = start(&[]);
    let (id, pid) = blocked(&server);
    proc::signal(pid, Signal::SIGSTOP);
    wait_until(Duration::from_secs(2), "it is stopped", || {
        proc::stat(pid).is_some_and(|stat| stat.state == 'T')
    });
    for item in ["first", "second"] {
        call(&server, "queues/q/put", &json!({"obj": item})).value();
    }
    wait_until(Duration::from_secs(5), "the first is handed over", || {
        call(&server, "queues/q/qsize", &json!({})).value() == 1
    });
    proc::signal(pid, Signal::SIGKILL);
    server.result(&id, 10.0).outcome("worker-died");
    wait_until(Duration::from_secs(5), "the first is back", || {
        call(&server, "queues/q/qsize", &json!({})).value() == 2
    });
    for item in ["first", "second"] {
        assert_eq!(call(&server, "queues/q/get", &json!({"block": false})).value(), item);
    }
}

#[test]
fn a_stop_ends_blocked_workers() {
    let mut server = start(&["--drain-limit", "500ms"]);
    blocked(&server);
    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    assert!(server.ended(Duration::from_secs(10)).success());
    assert!(begun.elapsed() < Duration::from_secs(5));
}
