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
    server.worker_of(&id);
    // 2,000 answers would be 2 GB.
    let most = before + (64 << 20);
    never_within(Duration::from_millis(800), "the server grows", || proc::peak_memory(server.pid()) > most);
    let sent = server.result(&id, 20.0).value();
    assert!(sent.as_u64().is_some_and(|sent| sent > 100), "{sent} requests were sent");
    wait_until(Duration::from_secs(5), "the server goes on", || {
        call(&server, "lists/large/__len__", &json!({})).value() == 100
    });
}
