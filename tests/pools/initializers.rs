//! `initializer` and `initargs`: run in each worker before its first task; a clear error when they fail.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{apply, make, server, submit};
use crate::support::{on_time, proc, promised, wait_until};

#[test]
fn it_runs_in_each_worker_before_its_first_task() {
    let server = server(&[]);
    let huge = "123456789012345678901234567890";
    let body = format!(
        "{{\"name\":\"told\",\"processes\":2,\"initializer\":\"life.remember\",\
          \"initargs\":[\"é\\\"\\n\",{huge},{{\"a\":[1.5,null]}}]}}"
    );
    let answer = server.post_text("/v1/pools", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let pool = answer.json();
    assert_eq!(pool["initializer"], "life.remember");
    assert_eq!(pool["initargs"][0], "é\"\n");
    assert!(answer.says(huge), "integers keep every digit: {}", answer.text());
    for worker in server.workers_of("told") {
        assert_eq!(worker.all["tasks_started"], 0, "an initializer is no task: {}", worker.all);
    }
    let told = apply(&server, "told", "told", &json!([]));
    assert!(told.says(huge), "{}", told.text());
    assert_eq!(told.value()[2], json!({"a": [1.5, null]}));

    for _ in 0..3 {
        apply(&server, "told", "die", &json!([])).outcome("worker-died");
        assert!(apply(&server, "told", "told", &json!([])).says("1.5"), "in the new ones too");
    }
    assert_eq!(apply(&server, "python", "told", &json!([])).value(), json!([]), "in no other pool");
}

#[test]
fn one_that_raises_is_told_with_its_traceback() {
    on_time(|| {
        let server = server(&[]);
        let before = server.fds();
        let processes = server.processes().len();
        for _ in 0..3 {
            let answer = make(&server, "broken", &json!({"processes": 2, "initializer": "life.refuse"}));
            let problem = answer.problem(422, "initializer-failed");
            promised(answer.took, Duration::from_secs(2), "the refusal of a pool");
            let exception = &problem["exception"];
            assert_eq!(
                (&exception["type"], &exception["message"]),
                (&json!("RuntimeError"), &json!("no licence"))
            );
            let traceback = exception["traceback"].as_str().unwrap_or_default();
            assert!(traceback.contains("in refuse") && traceback.contains("life.py"), "{problem}");
            server.get("/v1/pools/broken").problem(404, "unknown-pool");
        }
        server.nothing_left(before);
        wait_until(Duration::from_secs(10), "no process of it is left", || {
            server.processes().len() == processes
        });
        assert_eq!(make(&server, "broken", &json!({"processes": 1})).status, 201, "the name is free");
    });
}

#[test]
fn other_failures_and_other_runtimes_are_told_too() {
    let server = server(&["--builtin", "--command", "check=ls {0}"]);
    let violation = json!({"initializer": "life.hang", "initargs": [1]});
    assert_eq!(
        make(&server, "a", &violation).problem(422, "initializer-failed")["exception"]["type"],
        "TypeError"
    );
    let problem = make(&server, "a", &json!({"initializer": "life.leave", "initargs": [7]}))
        .problem(422, "initializer-failed");
    assert!(problem["detail"].as_str().unwrap_or_default().contains("exit status 7"), "{problem}");
    let native = json!({"name": "a", "runtime": "native", "initializer": "builtin.fail", "initargs": ["no"]});
    let problem = server.post("/v1/pools", &native).problem(422, "initializer-failed");
    assert_eq!(
        (&problem["exception"]["type"], &problem["exception"]["message"]),
        (&json!("Failure"), &json!("no"))
    );
    let program =
        json!({"name": "a", "runtime": "command", "initializer": "check", "initargs": ["/nowhere"]});
    let problem = server.post("/v1/pools", &program).problem(422, "initializer-failed");
    assert_eq!(problem["exception"]["type"], "CommandFailed", "{problem}");
    let native = json!({"name": "a", "runtime": "native", "initializer": "builtin.echo", "initargs": [1]});
    assert_eq!(server.post("/v1/pools", &native).status, 201);
}

#[test]
fn one_that_never_ends_is_given_up() {
    on_time(|| {
        let server = server(&["--start-timeout", "5"]);
        let answer = make(&server, "stuck", &json!({"processes": 1, "initializer": "life.hang"}));
        let problem = answer.problem(422, "initializer-failed");
        assert!(problem["detail"].as_str().unwrap_or_default().contains("--start-timeout"), "{problem}");
        promised(answer.took, Duration::from_secs(10), "giving up after 5 s");
        server.get("/v1/pools/stuck").problem(404, "unknown-pool");
    });
}

#[test]
fn one_that_fails_later_is_tried_more_and_more_slowly() {
    let server = server(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let licence = folder.path().join("licence");
    fs::write(&licence, "").expect("written");
    let options = json!({"processes": 1, "initializer": "life.fail_once_gone", "initargs": [licence]});
    assert_eq!(make(&server, "later", &options).status, 201);
    fs::remove_file(&licence).expect("removed");
    let starts = || server.errors().matches("a worker did not become ready").count();
    apply(&server, "later", "die", &json!([])).outcome("worker-died");
    let start = Instant::now();
    wait_until(Duration::from_secs(10), "some tries have failed", || starts() >= 4);
    while start.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(starts() <= 12, "{} tries in {:?}", starts(), start.elapsed());
    assert_eq!(server.get("/readyz").status, 200, "only pools made at start count");
    let waiting = submit(&server, "later", "pid", &json!([]));
    fs::write(&licence, "").expect("written");
    assert!(server.result(&waiting, 20.0).value().is_u64(), "it comes back by itself");
    wait_until(Duration::from_secs(10), "no zombie", || proc::zombies(server.pid()).is_empty());
}
