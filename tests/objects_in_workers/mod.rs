//! Shared objects inside of workers: Python's and native ones, over real call sockets.

mod ends;
mod holders;
mod hostile;
mod kinds;
mod native;
mod queue;
mod references;
mod seed;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, fixture};

/// Serves `sharing.py`.
fn start(args: &[&str]) -> Server {
    Server::bare(&[&[fixture("sharing.py").as_str()], args].concat())
}

/// `PUT /v1/{path}`.
#[track_caller]
fn make(client: &Client, path: &str, arguments: &Value) {
    let body = arguments.to_string();
    let headers = [("content-type", "application/json")];
    client.send("PUT", &format!("/v1/{path}"), &headers, Some(body.as_bytes())).value();
}

/// A method, as `queues/q/get`.
#[track_caller]
fn call(client: &Client, method: &str, arguments: &Value) -> Answer {
    client.post(&format!("/v1/{method}"), arguments)
}

/// A reference to `queues/q`.
fn reference(path: &str) -> Value {
    json!({"$forkpool": format!("/v1/{path}")})
}

#[track_caller]
fn apply(client: &Client, function: &str, args: &Value) -> Answer {
    client.post("/v1/apply", &json!({"function": format!("sharing.{function}"), "args": args}))
}

#[track_caller]
fn submit(client: &Client, function: &str, args: &Value) -> String {
    client
        .post("/v1/apply_async", &json!({"function": format!("sharing.{function}"), "args": args}))
        .accepted()
}

/// The process that a function has put into `queues/told`.
#[track_caller]
fn told(client: &Client) -> i32 {
    let pid = call(client, "queues/told/get", &json!({"timeout": 20})).value();
    i32::try_from(pid.as_i64().expect("a pid")).expect("a pid fits")
}
