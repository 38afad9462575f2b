//! Made, closed, joined, terminated.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{apply, make, server, submit};
use crate::support::{Gate, late, on_time, proc, promised, wait_until};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_pool_is_there_once_all_its_workers_are() {
    let server = server(&[]);
    let answer = make(&server, "reports.2", &json!({"processes": 3}));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("location"), Some("/v1/pools/reports.2"));
    let pool = answer.json();
    assert_eq!(
        (&pool["name"], &pool["runtime"], &pool["state"], &pool["permanent"]),
        (&json!("reports.2"), &json!("python"), &json!("running"), &json!(false))
    );
    assert_eq!((&pool["processes"], &pool["ready"]), (&json!(3), &json!(3)), "{pool}");
    let workers = server.workers_of("reports.2");
    assert!(workers.len() == 3 && workers.iter().all(|worker| worker.state == "idle"), "{workers:?}");
    assert_eq!(server.get("/v1/pools/reports.2").value(), pool);
    let names: Vec<_> = server.get("/v1/pools").value()["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|pool| pool["name"].clone())
        .collect();
    assert_eq!(names, ["python", "reports.2"]);
    let pid = apply(&server, "reports.2", "pid", &json!([])).value();
    assert!(workers.iter().any(|worker| pid == worker.pid), "it runs in the pool that was asked for");
    let id = submit(&server, "reports.2", "pid", &json!([]));
    assert_eq!(server.job(&id)["pool"], "reports.2");
}

#[test]
fn without_options_a_pool_is_as_those_made_at_start() {
    let server = server(&["--workers", "3"]);
    let answer = server.post("/v1/pools", &json!({"name": "plain"}));
    assert_eq!(answer.status, 201, "the only runtime need not be named: {}", answer.text());
    let pool = answer.json();
    assert_eq!((&pool["runtime"], &pool["processes"]), (&json!("python"), &json!(3)));
    for member in ["initializer", "initargs", "maxtasksperchild", "maxtasksperchild_jitter", "max_rss"] {
        assert!(pool.get(member).is_none(), "{member} is left out: {pool}");
    }
}

#[test]
fn a_name_is_taken_once() {
    let server = server(&[]);
    make(&server, "python", &json!({})).problem(409, "already-exists");
    assert_eq!(make(&server, "twice", &json!({"processes": 1})).status, 201);
    make(&server, "twice", &json!({"processes": 1})).problem(409, "already-exists");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let making = (0..4).map(|_| scope.spawn(|| make(&server, "raced", &json!({"processes": 1})).status));
        let making: Vec<_> = making.collect();
        making.into_iter().map(|one| one.join().expect("the client ends well")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
}

#[test]
fn closed_it_takes_no_work_and_ends_what_it_has() {
    let server = server(&[]);
    make(&server, "closing", &json!({"processes": 1})).json();
    let gate = Gate::shut();
    let jobs: Vec<String> =
        (0..3).map(|_| submit(&server, "closing", "hold_at", &json!([gate.path()]))).collect();
    server.post_empty("/v1/pools/closing/join").problem(409, "pool-running");
    let pool = server.post_empty("/v1/pools/closing/close").value();
    assert_eq!((&pool["state"], &pool["name"]), (&json!("closed"), &json!("closing")));
    server.post_empty("/v1/pools/closing/close").value();
    apply(&server, "closing", "pid", &json!([])).problem(409, "pool-closed");
    let resized = server.send(
        "PATCH",
        "/v1/pools/closing",
        &[("content-type", "application/json")],
        Some(b"{\"processes\":2}"),
    );
    resized.problem(409, "pool-closed");
    let problem =
        server.post("/v1/pools/closing/join", &json!({"timeout": 0.05})).problem(408, "join-timeout");
    assert_eq!(problem["title"], "TimeoutError");
    gate.open();
    let joined = server.post("/v1/pools/closing/join", &json!({"timeout": 20})).value();
    assert_eq!((&joined["state"], &joined["ready"]), (&json!("closed"), &json!(0)));
    for id in jobs {
        assert!(server.result(&id, 0.0).value().is_u64(), "what was submitted before has run");
    }
    assert!(server.workers_of("closing").is_empty(), "its workers are gone");
    assert_eq!(server.get("/readyz").status, 200, "a closed pool is no trouble");
    server.post_empty("/v1/pools/closing/join").value();
    assert_eq!(server.delete("/v1/pools/closing").status, 204);
    server.get("/v1/pools/closing").problem(404, "unknown-pool");
}

#[test]
fn a_closed_pool_still_replaces_workers_that_die() {
    let server = server(&[]);
    make(&server, "brave", &json!({"processes": 1})).json();
    let dying = submit(&server, "brave", "die", &json!([]));
    let waiting = submit(&server, "brave", "pid", &json!([]));
    server.post_empty("/v1/pools/brave/close").value();
    server.post("/v1/pools/brave/join", &json!({"timeout": 20})).value();
    server.result(&dying, 0.0).outcome("worker-died");
    assert!(server.result(&waiting, 0.0).value().is_u64());
}

#[test]
fn terminate_ends_every_job_and_wakes_who_waits() {
    on_time(|| {
        let server = server(&[]);
        make(&server, "doomed", &json!({"processes": 2})).json();
        let pids: Vec<i32> = server.workers_of("doomed").iter().map(|worker| worker.pid).collect();
        let jobs: Vec<String> = (0..10).map(|_| submit(&server, "doomed", "nap_pid", &json!([60]))).collect();
        let finished = submit(&server, "python", "pid", &json!([]));
        thread::scope(|scope| {
            let waiting: Vec<_> = [&jobs[0], &jobs[9]]
                .map(|id| {
                    scope.spawn(|| {
                        let answer = server.result(id, 50.0);
                        (answer, Instant::now())
                    })
                })
                .into_iter()
                .collect();
            let calling = scope.spawn(|| {
                let answer = apply(&server, "doomed", "nap_pid", &json!([60]));
                (answer, Instant::now())
            });
            wait_until(SOON, "all eleven jobs are there", || {
                let pool = server.get("/v1/pools/doomed").value();
                pool["queued"].as_u64().unwrap_or(0) + pool["running"].as_u64().unwrap_or(0) == 11
            });
            // The two that wait have asked by then; one that hasn't is told the same.
            thread::sleep(Duration::from_millis(50));
            let start = Instant::now();
            assert_eq!(server.delete("/v1/pools/doomed").status, 204);
            promised(start.elapsed(), Duration::from_secs(1), "the end of a pool");
            for waiter in waiting.into_iter().chain([calling]) {
                let (answer, woken) = waiter.join().expect("the client ends well");
                answer.outcome("pool-terminated");
                promised(
                    woken.saturating_duration_since(start),
                    Duration::from_millis(500),
                    "who waits is woken",
                );
            }
        });
        for id in &jobs {
            server.result(id, 0.0).outcome("pool-terminated");
            let job = server.job(id);
            assert_eq!((&job["state"], &job["pool"]), (&json!("failed"), &json!("doomed")));
            server.cancel(id).value();
        }
        assert!(server.result(&finished, 5.0).value().is_u64(), "other pools' jobs go on");
        assert!(pids.iter().all(|pid| proc::is_gone(*pid)), "its workers are gone when it says so");
        server.delete("/v1/pools/doomed").problem(404, "unknown-pool");
        apply(&server, "doomed", "pid", &json!([])).problem(404, "unknown-pool");
        assert_eq!(make(&server, "doomed", &json!({"processes": 1})).status, 201, "the name is free");
    });
}

#[test]
fn a_join_ends_when_its_pool_is_terminated() {
    on_time(|| {
        let server = server(&[]);
        make(&server, "joined", &json!({"processes": 1})).json();
        submit(&server, "joined", "nap_pid", &json!([60]));
        server.post_empty("/v1/pools/joined/close").value();
        thread::scope(|scope| {
            let joining = scope.spawn(|| server.post("/v1/pools/joined/join", &json!({"timeout": 50})));
            thread::sleep(Duration::from_millis(100));
            assert_eq!(server.delete("/v1/pools/joined").status, 204);
            let answer = joining.join().expect("the client ends well");
            if answer.status == 404 {
                late("the join came after the end");
            }
            assert_eq!(answer.status, 200, "{}", answer.text());
            promised(answer.took, SOON, "the end of a join");
        });
    });
}

#[test]
fn pools_made_at_start_stay() {
    let server = server(&[]);
    assert_eq!(server.get("/v1/pools/python").value()["permanent"], true);
    server.delete("/v1/pools/python").problem(409, "pool-permanent");
    server.post_empty("/v1/pools/python/close").problem(409, "pool-permanent");
    server.post_empty("/v1/pools/python/join").problem(409, "pool-running");
    assert!(apply(&server, "python", "pid", &json!([])).value().is_u64());
}

#[test]
fn a_native_pool_can_be_made_too() {
    let server = server(&["--builtin"]);
    let made = server.post("/v1/pools", &json!({"name": "quick", "runtime": "native", "processes": 2}));
    assert_eq!(made.status, 201, "{}", made.text());
    let body = json!({"function": "builtin.square", "args": [12], "pool": "quick"});
    assert_eq!(server.post("/v1/apply", &body).value(), 144);
    let foreign = json!({"function": "life.pid", "pool": "quick"});
    assert_eq!(server.post("/v1/apply", &foreign).problem(400, "wrong-pool")["member"], "pool");
    assert_eq!(server.delete("/v1/pools/quick").status, 204);
}

#[test]
fn a_stop_ends_pools_that_were_made() {
    let server = server(&[]);
    make(&server, "left", &json!({"processes": 2})).json();
    submit(&server, "left", "nap_pid", &json!([0.2]));
    // The server's end checks that it leaves no process behind.
}
