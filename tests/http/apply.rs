//! `POST /v1/apply` and `POST /v1/apply_async`: what a good submission answers.

use serde_json::json;

use crate::support::{Server, fixture};

#[test]
fn apply_answers_the_bare_value() {
    let server = Server::start(&[]);
    let answer = server.apply("square", &json!([7]));
    assert_eq!(answer.value(), 49);
    assert_eq!(answer.text(), "49", "the bare value, nothing around it");
    assert!(
        answer.header("forkpool-job").is_some_and(|id| id.len() == 36),
        "Forkpool-Job on every submission"
    );
}

#[test]
fn args_and_kwargs_may_be_left_out() {
    let server = Server::start(&[]);
    let pid = server.post("/v1/apply", &json!({"function": "faults.pid"})).value();
    assert!(server.workers().iter().any(|worker| pid == worker.pid), "{pid} is no worker's pid");
    let sum = json!({"function": "faults.add", "args": [2], "kwargs": {"b": 3}});
    assert_eq!(server.post("/v1/apply", &sum).value(), 5);
    let by_name = json!({"function": "faults.add", "kwargs": {"a": 2}});
    assert_eq!(server.post("/v1/apply", &by_name).value(), 3);
    let empty = json!({"function": "faults.add", "args": [4], "kwargs": {}});
    assert_eq!(server.post("/v1/apply", &empty).value(), 5);
    let keywords = json!({"function": "faults.keywords", "kwargs": {"b": 1, "a": [null]}});
    assert_eq!(server.post("/v1/apply", &keywords).value(), json!({"b": 1, "a": [null]}));
}

#[test]
fn none_is_null() {
    let server = Server::start(&[]);
    let answer = server.apply("echo", &json!([null]));
    assert_eq!((answer.status, answer.text().as_str()), (200, "null"));
}

#[test]
fn a_coroutine_function_is_awaited() {
    let server = Server::start(&[]);
    assert_eq!(server.apply("awaited", &json!([41])).value(), 42);
}

#[test]
fn functions_named_one_by_one_are_offered() {
    let server = Server::start(&["--function", "os.getpid", "--function", "time.sleep"]);
    let pid = server.post("/v1/apply", &json!({"function": "os.getpid"})).value();
    assert!(server.workers().iter().any(|worker| pid == worker.pid));
    let slept = server.post("/v1/apply", &json!({"function": "time.sleep", "args": [0.01]}));
    assert_eq!((slept.status, slept.text().as_str()), (200, "null"));
}

#[test]
fn builtin_functions_run_in_a_native_pool() {
    let server = Server::bare(&["--builtin"]);
    let call = |name: &str, args| server.post("/v1/apply", &json!({"function": name, "args": args}));
    assert_eq!(call("builtin.square", json!([9])).value(), 81);
    assert_eq!(call("builtin.echo", json!([{"a": [1, "ä"]}])).value(), json!({"a": [1, "ä"]}));
    let pid = call("builtin.getpid", json!([])).value();
    assert!(server.workers_of("native").iter().any(|worker| pid == worker.pid), "{pid} is no native worker");
    call("builtin.fail", json!(["on purpose"])).outcome("function-raised");
    assert_eq!(call("builtin.square", json!([3])).value(), 9);
}

#[test]
fn two_runtimes_have_a_pool_each() {
    let server = Server::start(&["--builtin"]);
    assert_eq!(server.apply("square", &json!([5])).value(), 25);
    assert_eq!(server.post("/v1/apply", &json!({"function": "builtin.square", "args": [6]})).value(), 36);
    assert_eq!((server.workers_of("python").len(), server.workers_of("native").len()), (2, 2));
}

#[test]
fn apply_async_answers_a_job_and_its_place() {
    let server = Server::start(&[]);
    let answer = server.post("/v1/apply_async", &json!({"function": "faults.square", "args": [20]}));
    let id = answer.accepted();
    assert_eq!(answer.json()["function"], "faults.square");
    assert_eq!(server.result(&id, 5.0).value(), 400);
}

#[test]
fn a_module_is_served_by_its_name() {
    let folder = fixture("");
    let server = Server::bare(&["offered", "--python-path", &folder]);
    let call = json!({"function": "offered.public", "args": [2], "kwargs": {"scale": 1.5}});
    assert_eq!(server.post("/v1/apply", &call).value(), 3.0);
}

#[test]
fn a_hundred_at_once_get_their_own_answers() {
    let server = Server::start(&[]);
    std::thread::scope(|scope| {
        let ask = |i: u64| (i, server.apply("square", &json!([i])).value());
        let asked: Vec<_> = (0..100).map(|i| scope.spawn(move || ask(i))).collect();
        for answer in asked {
            let (i, value) = answer.join().expect("the client thread ends well");
            assert_eq!(value, i * i);
        }
    });
}
