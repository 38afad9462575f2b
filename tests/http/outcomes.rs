//! What a function's end without a value answers: always 422, with the words of the function alone.

use serde_json::json;

use crate::support::Server;

#[test]
fn an_exception_is_told_in_full() {
    let server = Server::start(&[]);
    let answer = server.apply("fail", &json!(["nothing works"]));
    let problem = answer.outcome("function-raised");
    let exception = &problem["exception"];
    assert_eq!((&exception["type"], &exception["message"]), (&json!("ValueError"), &json!("nothing works")));
    assert_eq!(exception["args"], json!(["nothing works"]));
    let traceback = exception["traceback"].as_str().unwrap_or_default();
    assert!(traceback.contains("raise ValueError(message)"), "the function's own frames: {traceback}");
    assert!(traceback.lines().count() < 10, "and no frame of the worker: {traceback}");
    assert!(problem.get("index").is_none(), "an index is a map's: {problem}");
}

#[test]
fn tracebacks_can_be_hidden() {
    let server = Server::start(&["--tracebacks", "off"]);
    let problem = server.apply("fail", &json!(["secret place"])).outcome("function-raised");
    assert_eq!(problem["exception"]["message"], "secret place");
    assert!(problem["exception"].get("traceback").is_none(), "{problem}");
}

#[test]
fn arguments_that_do_not_fit_are_told_before_the_call() {
    let server = Server::start(&[]);
    server.apply("square", &json!([])).outcome("invalid-arguments");
    server.apply("square", &json!([1, 2])).outcome("invalid-arguments");
    let named = json!({"function": "faults.square", "args": [1], "kwargs": {"y": 2}});
    server.post("/v1/apply", &named).outcome("invalid-arguments");
    let twice = json!({"function": "faults.square", "args": [1], "kwargs": {"x": 2}});
    server.post("/v1/apply", &twice).outcome("invalid-arguments");
    // A TypeError of the function's own is no matter of its arguments.
    let own = server.apply("square", &json!(["text"])).outcome("function-raised");
    assert_eq!(own["exception"]["type"], "TypeError");
}

#[test]
fn a_worker_lives_on_after_errors_and_counts_them() {
    let server = Server::start(&["--workers", "1"]);
    let before = server.apply("pid", &json!([])).value();
    for _ in 0..20 {
        server.apply("fail", &json!(["again"])).outcome("function-raised");
        server.apply("a_set", &json!([])).outcome("result-not-json");
    }
    assert_eq!(server.apply("pid", &json!([])).value(), before);
    let worker = &server.workers()[0].all;
    assert_eq!((&worker["tasks_failed"], &worker["tasks_succeeded"]), (&json!(40), &json!(2)), "{worker}");
}

#[test]
fn a_native_value_far_over_the_limit_is_too_large() {
    let server = Server::bare(&["--builtin", "--result-limit", "100000", "--workers", "1"]);
    let worker = server.workers_of("native")[0].pid;
    let call = json!({"function": "builtin.echo", "args": ["x".repeat(1_000_000)]});
    assert_eq!(server.post("/v1/apply", &call).outcome("result-too-large")["limit"], 100_000);
    assert_eq!(server.workers_of("native")[0].pid, worker, "its worker lives on");
}
