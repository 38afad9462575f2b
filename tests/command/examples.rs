//! The examples that the package brings are served and answer, the README's first one word by word.

use serde_json::{Value, json};

use crate::support::Server;

const README: &str = include_str!("../../README.md");

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_readmes_first_example_answers_as_it_says() {
    // Its file is the first Python block, its request and answer the first curl line and the next.
    let code = README.split_once("```python\n").and_then(|(_, rest)| rest.split_once("```"));
    let (code, _) = code.expect("a Python block");
    let curl = README.split_once("$ curl ").map(|(_, rest)| rest).expect("a curl line");
    let mut lines = curl.lines();
    let line = lines.next().expect("a curl line");
    let body = line.split('\'').nth(1).expect("a quoted body");
    let path = line.rsplit_once(":8080").expect("a path").1;
    let answer: Value = serde_json::from_str(lines.next().expect("an answer")).expect("a JSON answer");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tasks.py");
    std::fs::write(&file, code).expect("the file can be written");
    let server = Server::bare(&[&file.to_string_lossy()]);
    assert_eq!(server.post_text(path, body).value(), answer, "{line}");
}

#[test]
fn the_examples_tasks_answer() {
    let server = Server::bare(&[&example("tasks.py")]);
    let call = |body: Value| server.post("/v1/apply", &body).value();
    assert_eq!(call(json!({"function": "tasks.square", "args": [12]})), 144);
    let greet = json!({"function": "tasks.greet", "args": ["you"], "kwargs": {"greeting": "Hi"}});
    assert_eq!(call(greet), "Hi, you!");
    assert_eq!(call(json!({"function": "tasks.primes_below", "args": [100]})), 25);
    let count = json!({"function": "tasks.word_count", "args": ["a b a"], "kwargs": {"top": 1}});
    assert_eq!(call(count), json!({"a": 2}));
    let names = server.get("/v1/functions").value();
    let names: Vec<_> = names["items"].as_array().into_iter().flatten().map(|item| &item["name"]).collect();
    assert_eq!(names, ["tasks.greet", "tasks.primes_below", "tasks.square", "tasks.word_count"]);
}

#[test]
fn the_examples_reports_say_how_far_they_are() {
    let server = Server::bare(&[&example("reports.py")]);
    let body = json!({"function": "reports.yearly", "args": [2026], "kwargs": {"months": 2}});
    let id = server.post("/v1/apply_async", &body).accepted();
    assert_eq!(server.result(&id, 10.0).value(), json!([2026, 4052]));
    let progress = json!({"done": 2, "total": 2, "message": "2026-02"});
    assert_eq!(server.job(&id)["progress"], progress);
    let log = server.get(&format!("/v1/jobs/{id}/logs")).text();
    assert!(log.contains(&format!("INFO reports: report for 2026, attempt 1 of job {id}")), "{log}");
    let squares = json!({"function": "reports.squares", "args": [3]});
    assert_eq!(server.post("/v1/apply", &squares).value(), json!([0, 1, 4]));
}

#[test]
fn the_seeds_pool_answers() {
    let functions = ["--function", "os.getpid", "--function", "time.sleep", "--workers", "5"];
    let server = Server::bare(&[&[example("seed/pool.py").as_str()], &functions[..]].concat());
    let map = json!({"function": "pool.f", "iterable": [1, 2, 3]});
    assert_eq!(server.post("/v1/map", &map).value(), json!([1, 4, 9]));
    let id = server.post("/v1/apply_async", &json!({"function": "pool.f", "args": [20]})).accepted();
    assert_eq!(server.result(&id, 10.0).value(), 400);
    let pid = server.post("/v1/apply", &json!({"function": "os.getpid"})).value();
    assert!(server.workers().iter().any(|worker| pid == worker.pid), "{pid} is a worker's");
    let id = server.post("/v1/apply_async", &json!({"function": "time.sleep", "args": [60]})).accepted();
    let late = server.result(&id, 0.2).problem(408, "result-timeout");
    assert_eq!(late["title"], "TimeoutError");
    server.cancel(&id).value();
    let g = server.post("/v1/map", &json!({"function": "pool.g", "iterable": [1]}));
    let near = g.problem(404, "unknown-function");
    assert!(near.to_string().contains("pool.f"), "{near}");
}

#[test]
fn the_example_configuration_is_served() {
    let server = Server::bare(&["--config", &example("forkpool.toml")]);
    assert_eq!(server.post("/v1/apply", &json!({"function": "tasks.square", "args": [5]})).value(), 25);
    let echo = json!({"function": "builtin.echo", "args": [[1]]});
    assert_eq!(server.post("/v1/apply", &echo).value(), json!([1]));
}
