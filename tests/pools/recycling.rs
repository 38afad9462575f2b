//! `maxtasksperchild`: workers that have run their tasks make room for new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{apply, make, server, submit};
use crate::support::{proc, wait_until};

#[test]
fn one_task_each_makes_twenty_workers_of_twenty_tasks() {
    let server = server(&["--builtin"]);
    make(&server, "fresh", &json!({"processes": 2, "maxtasksperchild": 1})).json();
    let jobs: Vec<String> = (0..20).map(|_| submit(&server, "fresh", "pid", &json!([]))).collect();
    let pids: BTreeSet<u64> = jobs.iter().filter_map(|id| server.result(id, 20.0).value().as_u64()).collect();
    assert_eq!(pids.len(), 20, "{pids:?}");
    let pool = server.get("/v1/pools/fresh").value();
    assert_eq!((&pool["maxtasksperchild"], &pool["maxtasksperchild_jitter"]), (&json!(1), &json!(0)));

    let native = json!({"name": "quick", "runtime": "native", "processes": 2, "maxtasksperchild": 1});
    assert_eq!(server.post("/v1/pools", &native).status, 201);
    // Known to be quick, so that they would be pipelined.
    let body = |pool: &str| json!({"function": "builtin.getpid", "pool": pool});
    (0..50).for_each(|_| drop(server.post("/v1/apply", &body("native")).value()));
    let jobs: Vec<String> =
        (0..20).map(|_| server.post("/v1/apply_async", &body("quick")).accepted()).collect();
    let pids: BTreeSet<u64> = jobs.iter().filter_map(|id| server.result(id, 20.0).value().as_u64()).collect();
    assert_eq!(pids.len(), 20, "{pids:?}");
}

#[test]
fn a_chunk_is_a_task() {
    let server = server(&[]);
    make(&server, "chunks", &json!({"processes": 1, "maxtasksperchild": 2})).json();
    let items: Vec<Value> = (0..40).map(|_| json!(0)).collect();
    let body = json!({"function": "life.nap_pid", "iterable": items, "chunksize": 5, "pool": "chunks"});
    let pids = server.post("/v1/map", &body).value();
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    pids.as_array().into_iter().flatten().for_each(|pid| *runs.entry(pid.to_string()).or_default() += 1);
    assert_eq!(runs.len(), 4, "8 chunks, 2 a worker: {runs:?}");
    assert!(runs.values().all(|items| *items == 10), "{runs:?}");
}

#[test]
fn jitter_spreads_the_ends() {
    let server = server(&[]);
    let options = json!({"processes": 1, "maxtasksperchild": 2, "maxtasksperchild_jitter": 3});
    let pool = make(&server, "spread", &options).json();
    assert_eq!(pool["maxtasksperchild_jitter"], 3);
    let client = server.keeping();
    let mut runs: Vec<(Value, usize)> = Vec::new();
    for _ in 0..150 {
        let pid = apply(&client, "spread", "pid", &json!([])).value();
        match runs.last_mut() {
            Some((last, count)) if *last == pid => *count += 1,
            Some(_) | None => runs.push((pid, 1)),
        }
    }
    runs.pop();
    let lengths: BTreeSet<usize> = runs.iter().map(|(_, count)| *count).collect();
    assert!(lengths.iter().all(|count| (2..=5).contains(count)), "{lengths:?}");
    assert!(lengths.len() > 1, "they are not all alike: {lengths:?}");
}

#[test]
fn recycling_is_no_death_and_no_trouble() {
    let server = server(&["--workers", "1"]);
    make(&server, "busy", &json!({"processes": 2, "maxtasksperchild": 1})).json();
    let items: Vec<u32> = (0..200).collect();
    let body = json!({"function": "life.sometimes_die", "iterable": items, "chunksize": 1, "pool": "busy"});
    let job = server.post("/v1/map_async", &body).accepted();
    while server.job(&job)["ready"] != true {
        assert_eq!(server.get("/readyz").status, 200);
    }
    assert_eq!(server.result(&job, 5.0).value(), (0..200).collect::<Value>());
    assert!(!server.errors().contains("a worker died"), "{}", server.errors());
    wait_until(Duration::from_secs(10), "no zombie", || proc::zombies(server.pid()).is_empty());
}
