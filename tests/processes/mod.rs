//! `/v1/processes`: a function in a process of its own. The library's rules, life and end, bounds, faults; the
//! real binary, from outside.

mod bad_requests;
mod bounds;
mod ends;
mod faults;
mod life;
mod output;
mod programs;
mod rules;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Server, fixture, wait_until};

/// A server of the fixture of these tests.
#[track_caller]
pub fn server(args: &[&str]) -> Server {
    let file = fixture("processes.py");
    Server::bare(&[&[file.as_str(), "--workers", "1"], args].concat())
}

/// Starts a function of the fixture.
#[track_caller]
pub fn start(client: &Client, function: &str, args: &Value) -> Value {
    start_with(client, &json!({"target": format!("processes.{function}"), "args": args}))
}

/// Starts what this body says.
#[track_caller]
pub fn start_with(client: &Client, body: &Value) -> Value {
    let answer = client.post("/v1/processes", body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let process = answer.json();
    let location = answer.header("location").unwrap_or_default().to_owned();
    assert_eq!(location, format!("/v1/processes/{}", id(&process)), "Location");
    process
}

/// Its id.
#[track_caller]
pub fn id(process: &Value) -> &str {
    process["id"].as_str().unwrap_or_else(|| panic!("a process without an id: {process}"))
}

/// Its process id.
#[track_caller]
pub fn pid(process: &Value) -> i32 {
    let pid = process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.unwrap_or_else(|| panic!("a process without a pid: {process}"))
}

/// Joined, with a bound that no test needs.
#[track_caller]
pub fn join(client: &Client, process: &Value) -> Value {
    let path = format!("/v1/processes/{}/join", id(process));
    let joined = client.post(&path, &json!({"timeout": 30})).value();
    assert_eq!(joined["alive"], false, "it has ended: {joined}");
    joined
}

/// What it wrote.
#[track_caller]
pub fn output(client: &Client, process: &Value) -> String {
    let answer = client.get(&format!("/v1/processes/{}/output", id(process)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Waits until it wrote this.
#[track_caller]
pub fn says(client: &Client, process: &Value, word: &str) {
    wait_until(Duration::from_secs(10), "the process says so", || output(client, process).contains(word));
}

/// Posts an operation without arguments; the process as it is then.
#[track_caller]
pub fn post(client: &Client, process: &Value, operation: &str) -> Value {
    client.send("POST", &format!("/v1/processes/{}/{operation}", id(process)), &[], None).value()
}

/// Starts, joins: the exit code and the output.
#[track_caller]
pub fn run(client: &Client, function: &str, args: &Value) -> (Value, String) {
    let process = start(client, function, args);
    let ended = join(client, &process);
    (ended["exitcode"].clone(), output(client, &process))
}
