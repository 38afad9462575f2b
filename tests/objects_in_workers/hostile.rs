//! A worker that misuses its call socket harms itself alone.

use std::time::Duration;

use serde_json::json;

use super::{apply, call, make, start, submit};
use crate::support::{never_within, proc, wait_until};

#[test]
fn garbage_on_the_call_socket_ends_nobody_else() {
    let server = start(&["--workers", "2"]);
    make(&server, "queues/q", &json!({}));
    for text in ["x", "\u{0}".repeat(24).as_str(), "y".repeat(100_000).as_str()] {
        let id = submit(&server, "scribble", &json!([text]));
        server.worker_of(&id);
        assert_eq!(apply(&server, "descriptors", &json!([])).status, 200);
        assert_eq!(call(&server, "queues/q/empty", &json!({})).value(), true);
        server.cancel(&id).value();
    }
}

#[test]
fn answers_that_nobody_reads_take_a_bounded_memory() {
    let server = start(&["--workers", "1"]);
    let large: Vec<String> = (0..100).map(|_| "z".repeat(10_000)).collect();
    make(&server, "lists/large", &json!({"values": large}));
    let before = proc::peak_memory(server.pid());
    let id = submit(&server, "greedy", &json!(["/v1/lists/large", 2_000]));
    let sent = server.result(&id, 20.0).value();
    // 2,000 answers would be 2 GB.
    let grown = proc::peak_memory(server.pid()) - before;
    assert!(grown <= 64 << 20, "the server grew by {} KiB", grown / 1024);
    assert!(sent.as_u64().is_some_and(|sent| sent > 100), "{sent} requests were sent");
    wait_until(Duration::from_secs(5), "the server goes on", || {
        call(&server, "lists/large/__len__", &json!({})).value() == 100
    });
}

#[test]
fn a_broken_call_socket_neither_holds_the_server_nor_takes_an_item() {
    let server = start(&["--workers", "3"]);
    make(&server, "queues/q", &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let queue = || server.get("/v1/queues/q").value();
    for how in ["garbage", "shut"] {
        let signal = folder.path().join(how);
        let id = submit(&server, "break_off", &json!(["/v1/queues/q", how, signal]));
        wait_until(Duration::from_secs(20), "the worker waits", || queue()["getters"] == 1);
        std::fs::write(&signal, "").unwrap();
        wait_until(Duration::from_secs(20), "the socket is broken", || !signal.exists());
        if how == "garbage" {
            wait_until(Duration::from_secs(20), "the wait is withdrawn", || queue()["getters"] == 0);
        }
        for item in 0..3 {
            call(&server, "queues/q/put", &json!({"obj": item})).value();
        }
        // What could not be written goes back.
        wait_until(Duration::from_secs(20), "all are there", || queue()["size"] == 3);
        for item in 0..3 {
            assert_eq!(call(&server, "queues/q/get", &json!({"timeout": 5})).value(), item, "{how}");
        }
        assert_eq!(server.get("/livez").status, 200);
        server.cancel(&id).value();
    }
}

#[test]
fn descriptors_that_nobody_takes_are_few() {
    let server = start(&["--workers", "1"]);
    make(&server, "values/v", &json!({"typecode": "d"}));
    let before = server.fds();
    let id = submit(&server, "hoard", &json!(["/v1/values/v", 3_000]));
    server.worker_of(&id);
    never_within(Duration::from_millis(800), "the server hoards", || server.fds() > before + 30);
    server.cancel(&id).value();
    wait_until(Duration::from_secs(5), "they are gone", || server.fds() <= before);
}
