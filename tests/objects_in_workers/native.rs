//! Native functions over shared objects: `examples/functions.rs`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{call, make, reference};
use crate::support::{Answer, Server};

fn start() -> Server {
    let test = std::env::current_exe().expect("this test has a path");
    let program: PathBuf = test.ancestors().nth(2).expect("a target folder").join("examples/functions");
    assert!(program.is_file(), "{} is missing: `cargo build --example functions`", program.display());
    Server::of(&program, &["--workers", "4"])
}

#[track_caller]
fn apply(server: &Server, function: &str, args: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "args": args}))
}

#[test]
fn queues_and_locks_are_typed_arguments() {
    let server = start();
    make(&server, "queues/q", &json!({}));
    let q = reference("queues/q");
    assert_eq!(apply(&server, "enqueue", &json!([q, [1, 2, 3]])).value(), 3);
    assert_eq!(call(&server, "queues/q/get", &json!({})).value(), 1);
    assert_eq!(apply(&server, "dequeue", &json!([q, 0.01])).value(), 2);
    assert_eq!(apply(&server, "dequeue", &json!([q, 0.01])).value(), 3);
    assert_eq!(apply(&server, "dequeue", &json!([q, 0.01])).value(), Value::Null);
    call(&server, "queues/q/put", &json!({"obj": "no number"})).value();
    apply(&server, "dequeue", &json!([q, 0.01])).outcome("function-raised");
    make(&server, "dicts/d", &json!({}));
    let counted = apply(&server, "tally", &json!([reference("dicts/d"), ["a", "b", "a"]])).value();
    assert_eq!(counted, json!([["a", 2], ["b", 1]]));
}

#[test]
fn shared_memory_is_shared_between_native_workers() {
    let server = start();
    make(&server, "values/v", &json!({"typecode": "q"}));
    let items: Vec<_> = (0..20).map(|_| json!([reference("values/v"), 100])).collect();
    server.post("/v1/starmap", &json!({"function": "count_up", "iterable": items, "chunksize": 1})).value();
    assert_eq!(call(&server, "values/v/get", &json!({})).value(), 2_000);
    make(&server, "arrays/a", &json!({"typecode": "d", "values": [1, 2, 3]}));
    assert_eq!(
        apply(&server, "scale_all", &json!([reference("arrays/a"), 2.5])).value(),
        json!([2.5, 5.0, 7.5])
    );
    assert_eq!(call(&server, "arrays/a/get", &json!({})).value(), json!([2.5, 5.0, 7.5]));
}

#[test]
fn a_reference_of_the_wrong_kind_is_told() {
    let server = start();
    make(&server, "dicts/d", &json!({}));
    make(&server, "values/v", &json!({"typecode": "d"}));
    for (function, wrong) in [("dequeue", "dicts/d"), ("dequeue", "queues/nope"), ("count_up", "values/v")] {
        let problem = apply(&server, function, &json!([reference(wrong), 1])).outcome("unknown-ref");
        assert_eq!(problem["path"], "$.args[0]", "{problem}");
    }
    apply(&server, "dequeue", &json!(["queues/q", 1])).outcome("invalid-arguments");
}
