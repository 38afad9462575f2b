//! `max_rss`: workers that grow too large leave between two tasks, and are killed within one.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{apply, make, server, submit};
use crate::support::{late, on_time};

const MIB: u64 = 1 << 20;

#[test]
fn a_task_that_takes_too_much_is_killed_while_it_runs() {
    let server = server(&[]);
    let pool = make(&server, "lean", &json!({"processes": 2, "max_rss": 100 * MIB})).json();
    assert_eq!(pool["max_rss"], 100 * MIB);
    let neighbour = submit(&server, "lean", "nap_pid", &json!([1]));
    // More than ten: kills by the server count for no brake.
    for _ in 0..12 {
        let start = Instant::now();
        let problem = apply(&server, "lean", "hold", &json!([200, 30])).outcome("worker-died");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!((&problem["oom"], &problem["signal"]), (&json!(true), &json!("SIGKILL")), "{problem}");
        assert!(problem["detail"].as_str().unwrap_or_default().contains("max_rss"), "{problem}");
    }
    assert_eq!(apply(&server, "lean", "hold", &json!([20, 0.3])).value(), 20 * MIB);
    assert!(server.result(&neighbour, 20.0).value().is_u64(), "its neighbour went on");
    assert!(apply(&server, "python", "hold", &json!([200, 0.3])).value().is_u64(), "other pools may");
}

#[test]
fn a_worker_that_kept_too_much_leaves_between_two_tasks() {
    on_time(|| {
        let server = server(&[]);
        make(&server, "leaky", &json!({"processes": 1, "max_rss": 100 * MIB})).json();
        let client = server.keeping();
        let mut pids = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let answer = apply(&client, "leaky", "leak", &json!([10]));
            if answer.status == 422 && answer.json()["oom"] == true {
                late("a task that ran long beyond the limit was killed");
            }
            pids.insert(answer.value().as_u64());
        }
        assert!(pids.len() >= 3, "replaced, and no task was lost: {pids:?}");
        assert!(!server.errors().contains("a worker died"), "{}", server.errors());
    });
}

#[test]
fn less_than_a_worker_needs_is_refused() {
    let server = server(&[]);
    let problem = make(&server, "tiny", &json!({"processes": 1, "max_rss": 4096}));
    let problem = problem.problem(400, "invalid-request");
    assert_eq!(problem["member"], "max_rss", "{problem}");
    server.get("/v1/pools/tiny").problem(404, "unknown-pool");
}
