//! The same key a hundred times at once is one job.

use std::time::Duration;

use serde_json::{Value, json};

use super::keyed::{Runs, assert_same, serve};
use crate::support::{Answer, Raw, Server};

const MANY: usize = 100;

/// Opens a hundred connections, then sends the same on all of them, then reads all answers.
fn at_once(server: &Server, path: &str, body: &Value) -> Vec<Answer> {
    let mut all: Vec<Raw> = (0..MANY).map(|_| Raw::connect(server.port())).collect();
    let body = body.to_string();
    for raw in &mut all {
        raw.request(&format!("POST {path}"), "Idempotency-Key: 7c1d\r\n", body.as_bytes());
    }
    all.iter_mut().map(|raw| raw.answer(Duration::from_secs(30))).collect()
}

fn jobs(server: &Server) -> usize {
    server.get("/v1/jobs").value()["items"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_hundred_apply_async() {
    let server = serve(&[]);
    let runs = Runs::new();
    let answers = at_once(&server, "/v1/apply_async", &runs.call(0.0));
    let id = answers[0].accepted();
    answers.iter().for_each(|answer| assert_same(answer, &answers[0]));
    assert_eq!(jobs(&server), 1);
    assert_eq!(server.result(&id, 10.0).value(), "run");
    assert_eq!(runs.count(), 1);
}

#[test]
fn a_hundred_apply_while_the_first_runs() {
    let server = serve(&[]);
    let runs = Runs::new();
    let answers = at_once(&server, "/v1/apply", &runs.call(1.0));
    assert_eq!(answers[0].value(), "run");
    assert!(answers[0].header("forkpool-job").is_some());
    answers.iter().for_each(|answer| assert_same(answer, &answers[0]));
    assert_eq!(runs.count(), 1);
    assert!(answers.iter().all(|answer| answer.took >= Duration::from_millis(900)), "they waited for it");
}

#[test]
fn a_hundred_maps() {
    let server = serve(&[]);
    let runs = Runs::new();
    let item = json!([runs.path(), "run", 0.1]);
    let map = json!({"function": "verbs.write_each", "iterable": [item, item, item]});
    let answers = at_once(&server, "/v1/map", &map);
    assert_eq!(answers[0].value(), json!(["run", "run", "run"]));
    answers.iter().for_each(|answer| assert_same(answer, &answers[0]));
    assert_eq!(runs.count(), 3);
}

#[test]
fn a_hundred_failures() {
    let server = serve(&[]);
    let runs = Runs::new();
    let body = json!({"function": "verbs.raise_until", "args": [runs.path(), 1000]});
    let answers = at_once(&server, "/v1/apply", &body);
    answers[0].outcome("function-raised");
    answers.iter().for_each(|answer| assert_same(answer, &answers[0]));
    assert_eq!(runs.count(), 1);
}

#[test]
fn a_hundred_that_run_nothing_are_all_told_so() {
    let server = serve(&[]);
    for answer in at_once(&server, "/v1/apply", &json!({"function": "faults.no_such"})) {
        answer.problem(404, "unknown-function");
    }
}

#[test]
fn a_hundred_pools() {
    let server = serve(&["--builtin"]);
    let body = json!({"name": "one", "runtime": "native", "processes": 1});
    let answers = at_once(&server, "/v1/pools", &body);
    assert_eq!(answers[0].status, 201, "{}", answers[0].text());
    answers.iter().for_each(|answer| assert_same(answer, &answers[0]));
}
