//! A program of a user's own with typed functions: `examples/functions.rs`, from outside.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::semantics::exchange::post_with;
use crate::support::{Answer, Server, fixture, on_time, output, proc, promised, wait_from, wait_until};

/// The compiled example, beside the tests' own folder.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let built = test.ancestors().nth(2).expect("a target folder").join("examples/functions");
    assert!(built.is_file(), "{} is missing: `cargo build --example functions`", built.display());
    built
}

fn start(args: &[&str]) -> Server {
    Server::of(&program(), args)
}

/// Runs the program to its end.
fn run(args: &[&str]) -> Output {
    output(Command::new(program()).args(args))
}

fn apply(server: &Server, function: &str, args: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "args": args}))
}

fn keywords(server: &Server, function: &str, kwargs: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "kwargs": kwargs}))
}

#[test]
fn values_of_many_types_go_in_and_come_out() {
    let server = start(&[]);
    assert_eq!(apply(&server, "square", &json!([12])).value(), json!(144.0));
    assert_eq!(apply(&server, "add", &json!([-(1_i64 << 62), 1])).text(), "-4611686018427387903");
    assert_eq!(apply(&server, "word_count", &json!(["a B b"])).text(), r#"{"a":1,"b":2}"#);
    assert_eq!(apply(&server, "nth", &json!([["a", "ä\n"], 1])).value(), "ä\n");
    assert_eq!(apply(&server, "parse", &json!(["12"])).value(), 12);
    assert_eq!(apply(&server, "sqrt", &json!([16])).value(), 4.0);
    assert_eq!(apply(&server, "sleep", &json!([0])).value(), Value::Null);
    let squares = server.post("/v1/map", &json!({"function": "square", "iterable": [1, 2, 3]}));
    assert_eq!(squares.text(), "[1.0,4.0,9.0]");
}

#[test]
fn arguments_come_by_position_and_by_name() {
    let server = start(&[]);
    let point = json!({"x": 1.0, "y": 2.0});
    let double = json!({"x": 2.0, "y": 4.0});
    assert_eq!(apply(&server, "scale", &json!([point])).value(), double);
    assert_eq!(apply(&server, "scale", &json!([point, 2])).value(), double);
    assert_eq!(keywords(&server, "scale", &json!({"factor": 2, "point": point})).value(), double);
    let both = json!({"function": "scale", "args": [point], "kwargs": {"factor": 2}});
    assert_eq!(server.post("/v1/apply", &both).value(), double);
}

#[test]
fn arguments_that_do_not_fit_are_told_by_their_place() {
    let server = start(&[]);
    let path = |answer: Answer| answer.outcome("invalid-arguments")["path"].clone();
    assert_eq!(path(apply(&server, "add", &json!([1, "two"]))), "$.args[1]");
    assert_eq!(path(apply(&server, "add", &json!([1.5, 2]))), "$.args[0]");
    assert_eq!(path(apply(&server, "add", &json!([1]))), "$.args");
    assert_eq!(path(apply(&server, "add", &json!([1, 2, 3]))), "$.args");
    assert_eq!(path(keywords(&server, "add", &json!({"a": 1}))), "$.kwargs.a");
    assert_eq!(path(keywords(&server, "scale", &json!({"factor": 1}))), "$.args");
    assert_eq!(path(keywords(&server, "scale", &json!({"point": 1}))), "$.kwargs.point");
    assert_eq!(path(keywords(&server, "scale", &json!({"size": 1}))), "$.kwargs.size");
    let detail = apply(&server, "add", &json!([1, "two"])).json()["detail"].clone();
    assert_eq!(detail, "invalid type: string \"two\", expected i64");
    let map = server.post("/v1/map", &json!({"function": "square", "iterable": [1, 2, "x", 4]}));
    let problem = map.outcome("invalid-arguments");
    assert_eq!((&problem["index"], &problem["path"]), (&json!(2), &json!("$.args[0]")), "{problem}");
}

#[test]
fn errors_and_panics_are_the_jobs() {
    let server = start(&["--workers", "1"]);
    let raised = |answer: Answer| {
        let problem = answer.outcome("function-raised");
        let member = |name: &str| problem["exception"][name].as_str().unwrap_or_default().to_owned();
        (member("type"), member("message"))
    };
    let pid = server.workers_of("native")[0].pid;
    assert_eq!(
        raised(apply(&server, "parse", &json!(["x"]))),
        ("ParseIntError".into(), "invalid digit found in string".into())
    );
    assert_eq!(raised(apply(&server, "sqrt", &json!([-1]))), ("String".into(), "-1 is negative".into()));
    let (kind, message) = raised(apply(&server, "nth", &json!([["a"], 3])));
    assert_eq!(kind, "panic");
    assert!(message.contains("index is 3"), "{message}");
    let map = server.post("/v1/map", &json!({"function": "parse", "iterable": ["1", "x"]}));
    assert_eq!(map.outcome("function-raised")["index"], 1);
    assert_eq!(server.workers_of("native")[0].pid, pid, "an error ends no worker");
    apply(&server, "cube", &json!([1])).problem(404, "unknown-function");
}

#[test]
fn a_number_that_json_has_not_is_no_null() {
    let server = start(&[]);
    let problem = apply(&server, "divide", &json!([0, 0])).outcome("result-not-json");
    assert_eq!(problem["path"], "$", "{problem}");
    assert_eq!(problem["detail"], "the number NaN cannot be said in JSON");
    let problem = keywords(&server, "scale", &json!({"point": {"x": 1, "y": 1e308}, "factor": 10}))
        .outcome("result-not-json");
    assert_eq!(problem["path"], "$.y", "{problem}");
    let problem = server.post("/v1/map", &json!({"function": "square", "iterable": [1, 1e308]}));
    assert_eq!(problem.outcome("result-not-json")["index"], 1);
}

#[test]
fn bytes_travel_both_ways() {
    let server = start(&[]);
    let body = json!({"function": "reverse", "args": [{"$bytes": "AAEC/w=="}]});
    assert_eq!(server.post("/v1/apply", &body).text(), r#"{"$bytes":"/wIBAA=="}"#);
    let headers = [("content-type", "application/json"), ("accept", "application/octet-stream")];
    let raw = server.send("POST", "/v1/apply", &headers, Some(body.to_string().as_bytes()));
    assert_eq!((raw.status, raw.body.as_slice()), (200, [255, 2, 1, 0].as_slice()));
    let problem = apply(&server, "reverse", &json!(["AAEC"])).outcome("invalid-arguments");
    assert_eq!(problem["path"], "$.args[0]", "{problem}");
}

#[test]
fn functions_tell_their_types_and_words() {
    let server = start(&[]);
    let page = server.get("/v1/functions").value();
    let names: Vec<&str> =
        page["items"].as_array().expect("items").iter().filter_map(|f| f["name"].as_str()).collect();
    assert!(names.contains(&"square") && names.iter().all(|name| !name.starts_with("builtin.")), "{names:?}");
    let scale = server.get("/v1/functions/scale").value();
    assert_eq!(scale["signature"], "(point: Point, factor: Option<f64>) -> Point");
    assert_eq!(scale["doc"], "Moves a point away from the origin.");
    assert_eq!((&scale["runtime"], &scale["pool"]), (&json!("native"), &json!("native")));
    let add = server.get("/v1/functions/add").value();
    assert_eq!((&add["signature"], add.get("doc")), (&json!("(i64, i64) -> i64"), None));
}

#[test]
fn flags_add_the_builtin_functions_and_python() {
    let server = start(&["--builtin", &fixture("faults.py")]);
    assert_eq!(apply(&server, "square", &json!([3])).text(), "9.0");
    assert_eq!(apply(&server, "builtin.square", &json!([3])).text(), "9");
    assert_eq!(server.apply("square", &json!([3])).text(), "9");
}

#[test]
fn a_worker_killed_in_a_task_is_replaced() {
    let server = start(&[]);
    let body = json!({"function": "sleep", "args": [60]});
    let id = server.post("/v1/apply_async", &body).accepted();
    let mut victim = 0;
    wait_until(Duration::from_secs(10), "a worker runs the job", || {
        let of_job = server.workers_of("native").into_iter().find(|w| w.all["current_job"] == id.as_str());
        victim = of_job.map_or(0, |worker| worker.pid);
        victim != 0
    });
    let killed = Instant::now();
    proc::signal(victim, Signal::SIGKILL);
    assert_eq!(server.result(&id, 10.0).outcome("worker-died")["signal"], "SIGKILL");
    wait_from(killed, Duration::from_secs(10), "the pool is whole again", || {
        let workers = server.workers_of("native");
        workers.len() == 2 && workers.iter().all(|worker| worker.pid != victim && worker.state == "idle")
    });
    assert_eq!(apply(&server, "add", &json!([1, 2])).value(), 3);
}

#[test]
fn sigterm_ends_it_well() {
    let mut server = start(&["--drain-limit", "200ms"]);
    apply(&server, "add", &json!([1, 2])).value();
    let id = server.post("/v1/apply_async", &json!({"function": "sleep", "args": [60]})).accepted();
    wait_until(Duration::from_secs(10), "the job runs", || server.job(&id)["state"] == "running");
    let processes = server.processes();
    assert!(processes.len() > 3, "server, zygote, two workers: {processes:?}");
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended(Duration::from_secs(10)).code(), Some(0));
    server.all_gone(start, Duration::from_secs(10), &processes);
}

#[test]
fn the_command_line_is_that_of_serve() {
    let help = run(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success() && text.contains("Usage: functions [OPTIONS]"), "{text}");
    assert!(text.contains("--bind") && text.contains("--drain-limit"), "{text}");
    let wrong = run(&["--workers", "0"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--workers"));
}

#[test]
fn a_function_knows_its_job_and_says_how_far_it_is() {
    let server = start(&[]);
    let submit = |body: &Value| server.post("/v1/apply_async", body).accepted();
    let id = submit(&json!({"function": "whose", "args": [], "tags": ["a", "ä"]}));
    assert_eq!(server.result(&id, 10.0).value(), json!([id, 1, "whose", ["a", "ä"]]));
    let id = submit(&json!({"function": "slow_sum", "args": [[1, 2.5, 3]]}));
    assert_eq!(server.result(&id, 10.0).value(), 6.5);
    assert_eq!(server.job(&id)["progress"], json!({"done": 3, "total": 3, "message": "adding"}));
    let many = json!({"function": "whose", "args": [], "tags": vec!["x".repeat(64); 32]});
    assert_eq!(server.post("/v1/apply", &many).value()[3], many["tags"]);
}

#[test]
fn what_is_yielded_is_a_list() {
    let server = start(&["--result-limit", "1MiB"]);
    assert_eq!(apply(&server, "countdown", &json!([3])).value(), json!([2, 1, 0]));
    let lists = server.post("/v1/map", &json!({"function": "countdown", "iterable": [2, 0, 1]})).value();
    assert_eq!(lists, json!([[1, 0], [], [0]]));
    assert_eq!(apply(&server, "parse_all", &json!([["1", "-2"]])).value(), json!([1, -2]));
    let failed = apply(&server, "parse_all", &json!([["1", "x"]])).outcome("function-raised");
    assert_eq!(failed["exception"]["type"], "ParseIntError", "{failed}");
    apply(&server, "countdown", &json!([1_000_000])).outcome("result-too-large");
}

#[test]
fn what_is_yielded_is_a_stream() {
    const LINES: &str = "Accept: application/x-ndjson\r\n";
    let server = start(&["--result-limit", "1MiB", "--workers", "1"]);
    let post = |function: &str, args: Value| {
        post_with(&server, "/v1/apply", LINES, &json!({"function": function, "args": args}))
    };
    let (told, _) = post("countdown", json!([300_000])).rest();
    assert_eq!((told.len(), &*told[0]), (300_001, "{\"index\":0,\"value\":299999}"));
    assert_eq!(told[300_000], "{\"end\":true,\"done\":300000,\"failed\":0}");
    let mut receiver = post("parse_all", json!([["1", "x", "3"]]));
    assert_eq!(receiver.record(), json!({"index": 0, "value": 1}));
    assert_eq!(receiver.record()["error"]["exception"]["type"], "ParseIntError");
    assert_eq!(receiver.record(), json!({"end": true, "done": 2, "failed": 1}));
    let typed = "/v1/functions/countdown/call";
    assert_eq!(
        post_with(&server, typed, LINES, &json!({"arg0": 1})).record(),
        json!({"index": 0, "value": 0})
    );
    assert_eq!(post("add", json!([1, 2])).record(), json!({"index": 0, "value": 3}));
    // Dropped as soon as nobody reads.
    on_time(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("beats");
        let mut receiver = post("heartbeat", json!([file]));
        assert_eq!(receiver.record(), json!({"index": 0, "value": 1}));
        assert!(file.exists());
        let left = Instant::now();
        receiver.leave();
        wait_until(Duration::from_secs(10), "it is dropped", || !file.exists());
        promised(left.elapsed(), Duration::from_millis(100), "it is dropped");
    });
    assert_eq!(apply(&server, "countdown", &json!([1])).value(), json!([0]));
}
