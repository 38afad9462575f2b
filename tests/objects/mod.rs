//! Shared objects over HTTP: the library's rules one by one, the introduction's examples, what is refused, who leaves,
//! leases, the drain. The real binary, from outside.

#![allow(clippy::approx_constant, reason = "the introduction's number is no attempt at pi")]

mod bad_input;
mod counting;
mod drain;
mod leases;
mod leaving;
mod limits;
mod long;
mod rules;
mod rules_of_collections;
mod rules_of_memory;
mod seed;
mod waiters;

use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::support::{Answer, Client, Raw, Server};

/// A server without Python: objects need no workers.
#[track_caller]
pub fn server(args: &[&str]) -> Server {
    Server::bare(&[&["--builtin", "--workers", "1"], args].concat())
}

/// Makes an object.
#[track_caller]
pub fn make(client: &Client, path: &str, arguments: &Value) -> Value {
    put(client, path, arguments).value()
}

/// PUT, whatever comes of it.
#[track_caller]
pub fn put(client: &Client, path: &str, arguments: &Value) -> Answer {
    let body = arguments.to_string();
    let json = [("content-type", "application/json")];
    client.send("PUT", &format!("/v1/{path}"), &json, Some(body.as_bytes()))
}

/// A method, by its path: `queues/q/put`.
#[track_caller]
pub fn call(client: &Client, path: &str, arguments: &Value) -> Answer {
    client.post(&format!("/v1/{path}"), arguments)
}

/// What a method returns.
#[track_caller]
pub fn value(client: &Client, path: &str, arguments: &Value) -> Value {
    call(client, path, arguments).value()
}

/// A method that raises what has no code of its own: the exception's type and message.
#[track_caller]
pub fn raised(client: &Client, path: &str, arguments: &Value) -> String {
    let problem = call(client, path, arguments).problem(409, "method-raised");
    let text = |member: &str| problem["exception"][member].as_str().unwrap_or_default().to_owned();
    format!("{}: {}", text("type"), text("message"))
}

/// A method that raises what has a code: the exception's type.
#[track_caller]
pub fn refused(client: &Client, path: &str, arguments: &Value, code: &str) -> String {
    let problem = call(client, path, arguments).problem(409, code);
    problem["exception"]["type"].as_str().unwrap_or_default().to_owned()
}

/// A method called beside the test.
pub fn meanwhile(client: &Client, path: &str, arguments: Value) -> JoinHandle<Answer> {
    let (client, path) = (client.clone(), path.to_owned());
    thread::spawn(move || call(&client, &path, &arguments))
}

/// A method called on a connection of its own, which may be left.
#[track_caller]
pub fn asked(server: &Server, path: &str, arguments: &Value) -> Raw {
    let mut raw = Raw::connect(server.port());
    raw.request(&format!("POST /v1/{path}"), "", arguments.to_string().as_bytes());
    raw
}

/// A member of an object as GET shows it.
#[track_caller]
pub fn shown(client: &Client, path: &str, member: &str) -> Value {
    client.get(&format!("/v1/{path}")).value()[member].clone()
}

/// Acquires, and answers the token.
#[track_caller]
pub fn acquire(client: &Client, path: &str, owner: &str) -> i64 {
    let answer = value(client, &format!("{path}/acquire"), &json!({"owner": owner, "timeout": 10}));
    assert_eq!(answer["acquired"], true, "{answer}");
    answer["token"].as_i64().expect("a token")
}
