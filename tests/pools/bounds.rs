//! `--pool-workers`: the workers of all pools together, made or resized.

use serde_json::{Value, json};

use super::{make, server};
use crate::support::Server;

/// Refused with the knob, and nothing changed.
#[track_caller]
fn refused(answer: &crate::support::Answer) {
    let problem = answer.problem(503, "overloaded");
    assert_eq!((&problem["knob"], &problem["limit"]), (&json!("--pool-workers"), &json!(6)), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("--pool-workers")), "{problem}");
}

fn resize(server: &Server, name: &str, processes: usize) -> crate::support::Answer {
    let body = json!({"processes": processes}).to_string();
    let headers = [("content-type", "application/json")];
    server.send("PATCH", &format!("/v1/pools/{name}"), &headers, Some(body.as_bytes()))
}

fn processes(server: &Server, name: &str) -> Value {
    server.get(&format!("/v1/pools/{name}")).value()["processes"].clone()
}

#[test]
fn all_pools_together_have_so_many_workers_at_most() {
    let server = server(&["--pool-workers", "6"]);
    refused(&make(&server, "large", &json!({"processes": 5})));
    server.get("/v1/pools/large").problem(404, "unknown-pool");
    assert_eq!(make(&server, "a", &json!({"processes": 3})).status, 201);
    assert_eq!(make(&server, "b", &json!({"processes": 1})).status, 201);
    refused(&make(&server, "c", &json!({"processes": 1})));
    make(&server, "a", &json!({"processes": 1})).problem(409, "already-exists");
    refused(&resize(&server, "b", 2));
    refused(&resize(&server, "python", 3));
    assert_eq!((processes(&server, "b"), processes(&server, "python")), (json!(1), json!(2)));
    // Room comes back from one that is made smaller, and from one that goes.
    assert_eq!(resize(&server, "a", 2).status, 200);
    assert_eq!(resize(&server, "b", 2).status, 200);
    refused(&make(&server, "c", &json!({"processes": 1})));
    assert_eq!(server.delete("/v1/pools/a").status, 204);
    assert_eq!(make(&server, "c", &json!({"processes": 2})).status, 201);
}

#[test]
fn the_pools_made_at_start_are_made_and_may_shrink() {
    let server = server(&["--pool-workers", "1"]);
    assert_eq!(processes(&server, "python"), 2);
    make(&server, "a", &json!({"processes": 1})).problem(503, "overloaded");
    assert_eq!(resize(&server, "python", 1).status, 200);
    resize(&server, "python", 2).problem(503, "overloaded");
}
