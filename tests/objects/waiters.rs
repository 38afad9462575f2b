//! Very many who wait.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::{asked, make, server, shown, value};
use crate::support::{Raw, proc, wait_until};

const BOUND: Duration = Duration::from_secs(60);
const WAITERS: usize = 10_000;
const MEMORY_MAX: u64 = 100 << 20;

#[test]
fn ten_thousand_waiters_on_one_queue_cost_at_most_100_mib() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("it can be raised");
    assert!(most > 11_000, "this test needs 11,000 descriptors");
    let server = server(&[]);
    make(&server, "events/e", &json!({}));
    make(&server, "queues/q", &json!({}));
    let before = proc::peak_memory(server.pid());
    let mut waiting: Vec<Raw> = Vec::with_capacity(WAITERS);
    while waiting.len() < WAITERS {
        waiting.extend((0..100).map(|_| asked(&server, "queues/q/get", &json!({"timeout": 600}))));
        let count = waiting.len();
        wait_until(BOUND, "they wait", || shown(&server, "queues/q", "getters") == count);
    }
    let cost = proc::peak_memory(server.pid()) - before;
    println!("10,000 waiters: {:.1} MiB", cost as f64 / f64::from(1 << 20));
    assert!(cost <= MEMORY_MAX, "{cost} bytes");
    for (item, waiter) in waiting.iter_mut().enumerate().take(100) {
        value(&server, "queues/q/put", &json!({"obj": item}));
        assert_eq!(waiter.answer(BOUND).value(), item, "first come, first served");
    }
}
