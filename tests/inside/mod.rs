//! What a function has inside: its job, its progress, what it yields, as a list and as a stream.

mod jobs;
mod progress;
mod streams;
mod yields;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, fixture};

const BOUND: Duration = Duration::from_secs(10);

/// Serves `inside.py`.
#[track_caller]
fn serve(more: &[&str]) -> Server {
    Server::bare(&[&[&*fixture("inside.py")], more].concat())
}

/// `{"function":"inside.NAME","args":[…]}`.
fn call(function: &str, args: &Value) -> Value {
    json!({"function": format!("inside.{function}"), "args": args})
}
