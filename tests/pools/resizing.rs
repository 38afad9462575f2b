//! Live changes of size.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{make, server, submit};
use crate::support::{Answer, Client, Gate, wait_until};

const BOUND: Duration = Duration::from_secs(20);

fn resize(client: &Client, pool: &str, processes: usize) -> Answer {
    let body = json!({"processes": processes}).to_string();
    let headers = [("content-type", "application/json")];
    client.send("PATCH", &format!("/v1/pools/{pool}"), &headers, Some(body.as_bytes()))
}

fn has(client: &Client, pool: &str, processes: usize) {
    wait_until(BOUND, "the pool has its new size", || {
        let shown = client.get(&format!("/v1/pools/{pool}")).value();
        shown["ready"] == processes && client.workers_of(pool).len() == processes
    });
}

#[test]
fn two_eight_one_under_load_loses_nothing() {
    let server = server(&[]);
    make(&server, "elastic", &json!({"processes": 2})).json();
    let client = server.keeping();
    let maps: Vec<String> = (0..4)
        .map(|_| {
            let items: Vec<u32> = (0..20_000).collect();
            let mut body = json!({"function": "life.sometimes_die", "iterable": items, "chunksize": 50});
            body["pool"] = json!("elastic");
            client.post("/v1/map_async", &body).accepted()
        })
        .collect();
    let naps: Vec<String> = (0..60).map(|_| submit(&client, "elastic", "nap_pid", &json!([0.05]))).collect();
    for processes in [8, 1, 5, 2, 8, 1] {
        assert_eq!(resize(&server, "elastic", processes).value()["processes"], processes);
        thread::sleep(Duration::from_millis(60));
    }
    let want: Value = (0..20_000).collect();
    for id in maps {
        assert_eq!(client.result(&id, 50.0).value(), want);
    }
    for id in naps {
        assert!(client.result(&id, 50.0).value().is_u64());
    }
    has(&server, "elastic", 1);
}

#[test]
fn a_worker_that_leaves_ends_its_task_first() {
    let server = server(&[]);
    make(&server, "polite", &json!({"processes": 4})).json();
    let gate = Gate::shut();
    let naps: Vec<String> =
        (0..4).map(|_| submit(&server, "polite", "hold_at", &json!([gate.path()]))).collect();
    wait_until(BOUND, "all four run", || {
        server.workers_of("polite").iter().filter(|worker| worker.state == "busy").count() == 4
    });
    let before: BTreeSet<i32> = server.workers_of("polite").iter().map(|worker| worker.pid).collect();
    resize(&server, "polite", 1).value();
    let stopping = server.workers_of("polite").iter().filter(|worker| worker.state == "stopping").count();
    assert_eq!(stopping, 3, "three end what they run");
    gate.open();
    let ran: BTreeSet<i32> = naps
        .iter()
        .filter_map(|id| server.result(id, 20.0).value().as_i64().and_then(|pid| i32::try_from(pid).ok()))
        .collect();
    assert_eq!(ran, before, "each ended its own task");
    has(&server, "polite", 1);
}

#[test]
fn permanent_pools_can_be_resized() {
    let server = server(&["--builtin"]);
    for (pool, processes) in [("python", 4), ("native", 3), ("python", 1)] {
        let shown = resize(&server, pool, processes).value();
        assert_eq!((&shown["processes"], &shown["permanent"]), (&json!(processes), &json!(true)));
        has(&server, pool, processes);
    }
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.map("square", &json!([1, 2, 3])).value(), json!([1, 4, 9]));
}

#[test]
fn chunks_follow_the_new_size() {
    let server = server(&[]);
    resize(&server, "python", 5).value();
    let body = json!({"function": "faults.square", "iterable": (0..100).collect::<Vec<_>>()});
    let job = server.post("/v1/map_async", &body);
    job.accepted();
    assert_eq!(job.json()["chunksize"], 5, "ceil(100 / (4 * 5))");
}
