//! The shared pages tell the truth.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Gate, Server, never_within, proc, wait_until};

fn sum(server: &Server, member: &str) -> u64 {
    server.workers().iter().map(|worker| worker.all[member].as_u64().expect("a count")).sum()
}

#[test]
fn a_thousand_applies_are_a_thousand_more_succeeded() {
    let server = Server::start(&[]);
    let before = (sum(&server, "tasks_succeeded"), sum(&server, "tasks_started"));
    std::thread::scope(|scope| {
        for part in 0..4_u64 {
            let client = server.keeping();
            scope.spawn(move || {
                (0..250).for_each(|i| {
                    assert_eq!(client.apply("square", &json!([i + part])).value(), (i + part).pow(2));
                });
            });
        }
    });
    assert_eq!(sum(&server, "tasks_succeeded"), before.0 + 1_000);
    assert_eq!(sum(&server, "tasks_started"), before.1 + 1_000);
    assert_eq!(sum(&server, "tasks_failed"), 0);
}

#[test]
fn a_chunk_of_a_map_is_a_task() {
    let server = Server::start(&[]);
    let before = sum(&server, "tasks_succeeded");
    let items: Vec<u64> = (0..100).collect();
    let body = json!({"function": "faults.square", "iterable": items, "chunksize": 10});
    server.post("/v1/map", &body).value();
    assert_eq!(sum(&server, "tasks_succeeded"), before + 10);
}

#[test]
fn failures_are_counted_apart() {
    let server = Server::start(&[]);
    let before = sum(&server, "tasks_succeeded");
    for _ in 0..7 {
        server.apply("fail", &json!(["x"])).outcome("function-raised");
    }
    assert_eq!((sum(&server, "tasks_failed"), sum(&server, "tasks_succeeded")), (7, before));
}

#[test]
fn a_sleep_shows_as_the_current_task_of_one_worker() {
    let server = Server::start(&["--workers", "3"]);
    let gate = Gate::shut();
    let before = jiff::Timestamp::now();
    let id = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&id);
    let workers = server.workers();
    let busy: Vec<_> = workers.iter().filter(|worker| worker.state == "busy").collect();
    assert_eq!(busy.len(), 1, "{workers:?}");
    assert_eq!(busy[0].all["current_function"], "faults.hold");
    assert_eq!(busy[0].all["current_job"], id.as_str());
    let since = busy[0].all["current_task_started_at"].as_str().expect("a time");
    let since: jiff::Timestamp = since.parse().expect("RFC 3339");
    let (after, age) = (since.duration_since(before), jiff::Timestamp::now().duration_since(since));
    let is_within = [after, age].iter().all(|span| span.as_secs_f64() > -0.05);
    assert!(is_within, "it started {age:?} ago, {after:?} after it was submitted");
    for other in workers.iter().filter(|worker| worker.state != "busy") {
        assert!(other.state == "idle" && other.all.get("current_function").is_none(), "{other:?}");
    }
    let pid = busy[0].pid;
    std::thread::sleep(Duration::from_millis(500));
    gate.open();
    server.result(&id, 10.0).value();
    let after = server.workers().into_iter().find(|worker| worker.pid == pid).expect("it lives");
    assert_eq!(after.state, "idle", "{after:?}");
    assert!(after.all.get("current_job").is_none(), "{after:?}");
    let seconds = after.all["busy_seconds"].as_f64().expect("seconds");
    let most = jiff::Timestamp::now().duration_since(before).as_secs_f64() + 0.05;
    assert!((0.5..most).contains(&seconds), "busy for {seconds} s");
}

#[test]
fn progress_of_a_map_can_be_watched() {
    let server = Server::start(&["--workers", "1"]);
    let gate = Gate::shut();
    let items: Vec<String> = (0..30).map(|i| if i == 10 { gate.path() } else { String::new() }).collect();
    let body = json!({"function": "faults.hold", "iterable": items, "chunksize": 1});
    let id = server.post("/v1/map_async", &body).accepted();
    let done = || server.job(&id)["progress"]["done"].as_u64().expect("a count");
    wait_until(Duration::from_secs(10), "some items are done and not all", || done() == 10);
    gate.open();
    assert_eq!(server.job(&id)["progress"]["total"], 30);
    server.result(&id, 20.0).value();
    assert_eq!(done(), 30);
}

#[test]
fn a_task_that_no_worker_has_read_is_nobodys_current_task() {
    let server = Server::start(&["--workers", "1"]);
    let stopped = server.workers()[0].pid;
    proc::signal(stopped, Signal::SIGSTOP);
    wait_until(Duration::from_secs(10), "it is stopped", || {
        proc::stat(stopped).is_some_and(|stat| stat.state == 'T')
    });
    let id = server.submit("square", &json!([3]));
    let shows_it = || {
        let workers = server.workers();
        let worker = workers.iter().find(|worker| worker.pid == stopped);
        worker.is_some_and(|worker| worker.state == "busy" || worker.all.get("current_job").is_some())
    };
    never_within(Duration::from_millis(200), "a stopped worker shows a current task", shows_it);
    assert_eq!(server.result(&id, 20.0).value(), 9, "another worker comes and does it");
}
