//! What all objects together may take.

use serde_json::{Value, json};

use super::{call, make, put, server, value};
use crate::support::proc::{memory, peak_memory};

#[test]
fn their_number_is_bounded() {
    let server = server(&["--objects", "3"]);
    for number in 0..3 {
        make(&server, &format!("locks/l{number}"), &json!({}));
    }
    let problem = put(&server, "queues/q", &json!({})).problem(503, "overloaded");
    assert_eq!((&problem["knob"], &problem["limit"]), (&json!("--objects"), &json!(3)));
    make(&server, "locks/l0", &json!({}));
    server.delete("/v1/locks/l0");
    make(&server, "queues/q", &json!({}));
}

#[test]
fn their_bytes_are_bounded_and_come_back() {
    let server = server(&["--object-bytes", "64KiB"]);
    make(&server, "queues/q", &json!({}));
    make(&server, "lists/l", &json!({}));
    make(&server, "dicts/d", &json!({}));
    let item = "x".repeat(10_000);
    for _ in 0..2 {
        let mut put_in = 0;
        loop {
            let answer = call(&server, "queues/q/put", &json!({"obj": item}));
            if answer.status != 200 {
                assert_eq!(answer.problem(503, "overloaded")["knob"], "--object-bytes");
                break;
            }
            put_in += 1;
        }
        assert!((4..=6).contains(&put_in), "{put_in}");
        call(&server, "dicts/d/__setitem__", &json!({"key": 1, "value": item})).problem(503, "overloaded");
        for _ in 0..put_in {
            assert_eq!(
                value(&server, "queues/q/get", &json!({})),
                item.as_str(),
                "taking out is always possible"
            );
        }
    }
    let many: Vec<i32> = vec![0; 1_000];
    call(&server, "lists/l/extend", &json!({"iterable": many})).problem(503, "overloaded");
    value(&server, "lists/l/extend", &json!({"iterable": vec![0; 100]}));
    for method in ["__mul__", "__imul__"] {
        call(&server, &format!("lists/l/{method}"), &json!({"value": 1_000_000_000_000_i64}))
            .problem(503, "overloaded");
    }
    put(&server, "arrays/a", &json!({"typecode": "d", "length": 100_000})).problem(503, "overloaded");
    server.get("/v1/arrays/a").problem(404, "unknown-object");
    assert_eq!(value(&server, "lists/l/clear", &json!({})), Value::Null);
}

#[test]
fn what_is_compared_is_not_built() {
    const MIB: u64 = 1 << 20;
    let server = server(&[]);
    make(&server, "dicts/d", &json!({}));
    make(&server, "lists/l", &json!({}));
    make(&server, "values/v", &json!({"typecode": "i"}));
    // A million parts.
    let parts = format!("[{}1]", "1,".repeat(1 << 20));
    let post = |path: &str, body: &str| {
        let json = [("content-type", "application/json")];
        server.send("POST", &format!("/v1/{path}"), &json, Some(body.as_bytes()))
    };
    let before = peak_memory(server.pid());
    post("dicts/d/get", &format!("{{\"key\":{parts}}}")).problem(409, "method-raised");
    post("values/v/set", &format!("{{\"value\":{parts}}}")).problem(409, "method-raised");
    post("lists/l/append", &format!("{{\"object\":{parts}}}")).value();
    for method in ["count", "remove"] {
        post(&format!("lists/l/{method}"), &format!("{{\"value\":{parts}}}")).value();
    }
    let grown = (peak_memory(server.pid()) - before) / MIB;
    assert!(grown < 40, "{grown} MiB more");
}

/// An entry takes some hundred bytes besides a short key and value: those are counted, too.
#[test]
fn a_dict_of_small_entries_takes_what_is_counted() {
    const MIB: u64 = 1 << 20;
    const PAIRS: usize = 50_000;
    let server = server(&["--object-bytes", "256MiB"]);
    make(&server, "dicts/d", &json!({}));
    let before = memory(server.pid());
    let mut entries = 0;
    loop {
        let pairs: Vec<(String, usize)> =
            (entries..entries + PAIRS).map(|at| (format!("key-{at}"), at)).collect();
        let answer = call(&server, "dicts/d/update", &json!({"items": pairs}));
        if answer.status != 200 {
            answer.problem(503, "overloaded");
            break;
        }
        entries += PAIRS;
    }
    let grown = (memory(server.pid()) - before) / MIB;
    assert!(entries > 400_000, "{entries}");
    assert!(grown < 280, "{grown} MiB for {entries} entries");
    assert_eq!(value(&server, "dicts/d/__len__", &json!({})), entries);
}
