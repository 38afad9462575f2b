//! A value that was answered is nobody's any more: an idle worker holds none.

use std::time::Duration;

use serde_json::json;

use super::server;
use crate::support::{proc, wait_until};

const MIB: u64 = 1 << 20;

#[test]
fn an_idle_worker_keeps_no_value_that_was_answered() {
    let server = server(&["--workers", "1"]);
    assert_eq!(server.apply("huge", &json!([3])).value(), "xxx");
    let before = proc::memory(server.pid());
    let answer = server.apply("huge", &json!([48 * MIB]));
    assert_eq!((answer.status, answer.body.len() as u64), (200, 48 * MIB + 2));
    // The memory that it is read into may be twice as large; nothing of it stays.
    wait_until(Duration::from_secs(5), "the value is freed", || {
        proc::memory(server.pid()) < before + 24 * MIB
    });
}
