//! Everything is bounded: those that live, those that are remembered, what they cost.

use std::time::Duration;

use serde_json::{Value, json};

use super::{id, join, pid, post, server, start};
use crate::support::{proc, scaled, wait_until};

#[test]
fn so_many_may_live_and_no_more() {
    let server = server(&["--processes", "3"]);
    let lives: Vec<Value> = (0..3).map(|_| start(&server, "nap", &json!([60]))).collect();
    let body = json!({"target": "processes.nothing"});
    let answer = server.post("/v1/processes", &body);
    let problem = answer.problem(503, "overloaded");
    assert_eq!((&problem["knob"], &problem["limit"]), (&json!("--processes"), &json!(3)), "{problem}");
    assert!(answer.header("retry-after").is_some(), "Retry-After");
    assert_eq!(server.get("/readyz").status, 200, "full is ready");
    post(&server, &lives[0], "kill");
    join(&server, &lives[0]);
    wait_until(Duration::from_secs(5), "there is room again", || {
        server.post("/v1/processes", &body).status == 201
    });
    for process in &lives {
        post(&server, process, "kill");
    }
}

#[test]
fn the_oldest_ends_are_forgotten() {
    let server = server(&["--ended-processes", "2"]);
    let long = start(&server, "nap", &json!([60]));
    let ended: Vec<Value> = (0..4)
        .map(|_| {
            let process = start(&server, "nothing", &json!([]));
            join(&server, &process)
        })
        .collect();
    wait_until(Duration::from_secs(5), "three are left", || {
        server.get("/v1/processes").value()["items"].as_array().is_some_and(|items| items.len() == 3)
    });
    let path = |process: &Value| format!("/v1/processes/{}", id(process));
    server.get(&path(&ended[0])).problem(404, "unknown-process");
    server.get(&path(&ended[1])).problem(404, "unknown-process");
    assert_eq!(server.get(&path(&ended[3])).value()["exitcode"], 0);
    assert_eq!(server.get(&path(&long)).value()["alive"], true, "what lives is never forgotten");
    post(&server, &long, "kill");
}

#[test]
fn an_end_is_remembered_for_its_time() {
    let server = server(&["--process-ttl", "0.5"]);
    let process = start(&server, "nothing", &json!([]));
    let path = format!("/v1/processes/{}", id(&process));
    wait_until(Duration::from_secs(10), "it is forgotten", || server.get(&path).status == 404);
}

#[test]
fn a_thousand_starts_leave_nothing() {
    let server = server(&["--builtin", "--ended-processes", "10"]);
    for target in ["processes.nothing", "builtin.getpid"] {
        let body = json!({"target": target});
        join(&server, &server.post("/v1/processes", &body).json());
    }
    let before = server.fds();
    let children = || proc::children(server.pid()).len();
    let family = children();
    let client = server.keeping();
    for round in 0..scaled(1_000) {
        let target = if round % 2 == 0 { "processes.nothing" } else { "builtin.getpid" };
        let answer = client.post("/v1/processes", &json!({"target": target}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        join(&client, &answer.json());
    }
    drop(client);
    server.nothing_left(before);
    wait_until(Duration::from_secs(5), "as many children as before", || children() == family);
}

#[test]
fn many_live_at_once() {
    let server = server(&[]);
    let count = scaled(200);
    let lives: Vec<Value> = (0..count).map(|_| start(&server, "nap", &json!([60]))).collect();
    assert!(lives.iter().all(|process| !proc::is_gone(pid(process))));
    let list = server.get("/v1/processes?limit=1000").value();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(count));
    for process in &lives {
        post(&server, process, "terminate");
    }
    for process in &lives {
        assert_eq!(join(&server, process)["exitcode"], -15);
    }
}
