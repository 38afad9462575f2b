//! Rules 8 to 10 of the library's pool: closing and terminating, tasks a worker, initializers.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{apply, make, server, submit};

#[test]
fn rule_08_closing_joining_and_terminating() {
    let server = server(&[]);
    make(&server, "life", &json!({"processes": 1})).json();
    let join = |timeout: f64| server.post("/v1/pools/life/join", &json!({"timeout": timeout}));
    join(1.0).problem(409, "pool-running");
    let pending = submit(&server, "life", "nap_pid", &json!([60]));
    for _ in 0..2 {
        assert_eq!(server.post_empty("/v1/pools/life/close").status, 200, "closing is idempotent");
    }
    apply(&server, "life", "pid", &json!([])).problem(409, "pool-closed");
    join(0.1).problem(408, "join-timeout");
    let start = Instant::now();
    assert_eq!(server.delete("/v1/pools/life").status, 204);
    server.result(&pending, 5.0).problem(422, "pool-terminated");
    assert!(start.elapsed() < Duration::from_secs(5), "no handle is left that never completes");
    apply(&server, "life", "pid", &json!([])).problem(404, "unknown-pool");
}

#[test]
fn rule_09_tasks_of_a_worker_are_counted_in_chunks() {
    let server = server(&[]);
    for wrong in [json!(0), json!(-1), json!(1.5), json!("1"), json!(true)] {
        let answer = make(&server, "wrong", &json!({"maxtasksperchild": wrong}));
        assert_eq!(answer.problem(400, "invalid-request")["member"], "maxtasksperchild");
    }
    for (chunksize, workers) in [(1, 12), (3, 4), (12, 1)] {
        let name = format!("by-{chunksize}");
        make(&server, &name, &json!({"processes": 1, "maxtasksperchild": 1})).json();
        let body = json!({
            "function": "life.nap_pid", "iterable": vec![0; 12], "chunksize": chunksize, "pool": name
        });
        let pids = server.post("/v1/map", &body).value();
        let mut pids: Vec<u64> = pids.as_array().into_iter().flatten().filter_map(|p| p.as_u64()).collect();
        assert_eq!(pids.len(), 12);
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), workers, "chunks of {chunksize}");
    }
}

#[test]
fn rule_10_an_initializer_that_fails_is_told_and_never_tried_for_ever() {
    let server = server(&[]);
    for (initializer, initargs, said) in
        [("life.refuse", json!([]), "RuntimeError"), ("life.told", json!([1, 2, 3]), "life.told")]
    {
        let start = Instant::now();
        let answer = make(&server, "p", &json!({"initializer": initializer, "initargs": initargs}));
        let problem = answer.problem(422, "initializer-failed");
        assert!(problem.to_string().contains(said), "{problem}");
        assert!(start.elapsed() < Duration::from_secs(10), "told at once");
        server.get("/v1/pools/p").problem(404, "unknown-pool");
    }
    let missing = make(&server, "p", &json!({"initializer": "life.nothing"}));
    missing.problem(404, "unknown-function");
    make(&server, "p", &json!({"processes": 1})).json();
    apply(&server, "p", "pid", &json!([])).value();
}
