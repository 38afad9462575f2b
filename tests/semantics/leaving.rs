//! A client that leaves ends its imap: what waits never runs, nothing of it is left.

use std::time::Duration;

use serde_json::{Value, json};

use super::exchange::{begin, post, serve};
use crate::support::{Gate, Server, wait_until};

const QUIET: Duration = Duration::from_secs(1);

fn size(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Lets what runs end once the client's leaving is known, and checks that nothing else begins.
fn ends(server: &Server, gate: Option<&Gate>, path: &std::path::Path, most: u64, before: usize) {
    wait_until(Duration::from_secs(10), "its client is known to have left", || server.is_left_alone());
    gate.into_iter().for_each(Gate::open);
    wait_until(Duration::from_secs(10), "the worker is idle", || server.workers()[0].state == "idle");
    wait_until(Duration::from_secs(10), "no job is left", || {
        server.get("/v1/jobs").value()["items"] == json!([])
    });
    let then = size(path);
    std::thread::sleep(QUIET);
    assert_eq!(size(path), then, "nothing runs any more");
    assert!(then <= most, "{then} items ran, at most {most} had to");
    assert_eq!(server.apply("square", &json!([5])).value(), 25);
    server.nothing_left(before);
}

#[test]
fn of_imap_what_waits_never_runs() {
    for path in ["/v1/imap", "/v1/imap_unordered"] {
        for (chunksize, most) in [(1, 2), (20, 20)] {
            let server = serve(1);
            server.apply("square", &json!([2])).value();
            let before = server.fds();
            let folder = tempfile::tempdir().expect("a folder can be made");
            let trace = folder.path().join("trace");
            let gate = Gate::shut();
            // Only the first passes at once.
            let items: Vec<Value> =
                (0..200).map(|i| json!([trace, if i == 0 { String::new() } else { gate.path() }])).collect();
            let body = json!({"function": "faults.mark_and_hold", "iterable": items, "chunksize": chunksize});
            let mut receiver = post(&server, path, &body);
            if chunksize == 1 {
                receiver.record();
            } else {
                wait_until(Duration::from_secs(10), "it has begun", || size(&trace) > 0);
            }
            receiver.leave();
            ends(&server, Some(&gate), &trace, most, before);
        }
    }
}

#[test]
fn of_a_stream_neither() {
    for path in ["/v1/imap/stream", "/v1/imap_unordered/stream"] {
        for ended in [false, true] {
            let server = serve(1);
            server.apply("square", &json!([2])).value();
            let before = server.fds();
            let folder = tempfile::tempdir().expect("a folder can be made");
            let trace = folder.path().join("trace");
            let (mut sender, mut receiver) = begin(&server, &format!("{path}?function=faults.slow_mark"));
            sender.send(&format!("{}\n", json!(trace)).repeat(200));
            if ended {
                sender.finish();
            }
            receiver.record();
            sender.leave();
            drop(receiver);
            // It may be seen only when a value can't be written: items of 50 ms go on until then.
            ends(&server, None, &trace, 150, before);
        }
    }
}

#[test]
fn a_hundred_that_leave_at_any_moment_leave_nothing() {
    let server = serve(2);
    server.apply("square", &json!([2])).value();
    let before = server.fds();
    for i in 0..100_u64 {
        let (mut sender, mut receiver) = begin(&server, "/v1/imap_unordered/stream?function=faults.square");
        sender.send(&"7\n".repeat(usize::try_from(i).unwrap_or(0) * 10));
        if i % 3 == 0 && i > 0 {
            receiver.record();
        }
        if i % 4 == 0 {
            sender.send("12");
        }
        sender.leave();
    }
    wait_until(Duration::from_secs(10), "no job is left", || {
        server.get("/v1/jobs").value()["items"] == json!([])
    });
    assert_eq!(server.workers().len(), 2);
    assert_eq!(server.apply("square", &json!([5])).value(), 25);
    server.nothing_left(before);
}

#[test]
fn a_client_that_sends_nothing_holds_nobody_up() {
    let server = serve(1);
    let (_sender, _receiver) = begin(&server, "/v1/imap/stream?function=faults.square");
    for i in 0..20 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i);
    }
}
