//! Pools that come and go: made, resized, closed, joined, terminated; their options; quarantine. The real
//! binary, from outside.

mod bad_requests;
mod bounds;
mod configured;
mod initializers;
mod large_values;
mod late;
mod life;
mod long_rest;
mod made_again;
mod max_running;
mod memory;
mod preload;
mod quarantine;
mod recycling;
mod resizing;
mod rules;
mod shares;
mod spares;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, fixture};

/// A server with the fixture of these tests beside the other.
#[track_caller]
pub fn server(args: &[&str]) -> Server {
    let life = fixture("life.py");
    Server::start(&[&[life.as_str()], args].concat())
}

/// Makes a Python pool with these members more.
#[track_caller]
pub fn make(client: &Client, name: &str, more: &Value) -> Answer {
    let mut body = json!({"name": name, "runtime": "python"});
    for (member, value) in more.as_object().into_iter().flatten() {
        body[member] = value.clone();
    }
    client.post("/v1/pools", &body)
}

/// A job of `life.py` in this pool.
#[track_caller]
pub fn submit(client: &Client, pool: &str, function: &str, args: &Value) -> String {
    let body = json!({"function": format!("life.{function}"), "args": args, "pool": pool});
    client.post("/v1/apply_async", &body).accepted()
}

/// A call of `life.py` in this pool.
#[track_caller]
pub fn apply(client: &Client, pool: &str, function: &str, args: &Value) -> Answer {
    client.post("/v1/apply", &json!({"function": format!("life.{function}"), "args": args, "pool": pool}))
}
