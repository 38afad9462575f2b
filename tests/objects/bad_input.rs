//! What is refused, each with its status and code; nothing of it changes anything.

use serde_json::{Value, json};

use super::{call, make, put, server};

#[test]
fn names_and_constructors() {
    let server = server(&[]);
    let long = "x".repeat(129);
    for name in ["a%20b", "%C3%A9", "%2E%2E", long.as_str(), "a%2Fb", "a:b"] {
        let answer = put(&server, &format!("queues/{name}"), &json!({}));
        assert_eq!(answer.problem(400, "invalid-request")["member"], "name", "{name}");
    }
    for (path, arguments, member) in [
        ("queues/q", json!({"kind": "lifo"}), "kind"),
        ("queues/q", json!({"maxsize": 1.5}), "maxsize"),
        ("queues/q", json!({"maxsize": "1"}), "maxsize"),
        ("queues/q", json!({"kind": "simple", "maxsize": 1}), "maxsize"),
        ("queues/q", json!({"size": 1}), "size"),
        ("locks/l", json!({"value": 1}), "value"),
        ("semaphores/s", json!({"value": -1}), "value"),
        ("semaphores/s", json!({"value": 2_147_483_648_i64}), "value"),
        ("barriers/b", json!({}), "parties"),
        ("barriers/b", json!({"parties": 0}), "parties"),
        ("barriers/b", json!({"parties": 2, "timeout": -1}), "timeout"),
        ("barriers/b", json!({"parties": 2, "action": "f"}), "action"),
        ("pipes/p", json!({"duplex": 1}), "duplex"),
        ("values/v", json!({}), "typecode"),
        ("values/v", json!({"typecode": "ii"}), "typecode"),
        ("values/v", json!({"typecode": "i", "value": "1"}), "value"),
        ("dicts/d", json!({"items": [[1]]}), "items"),
        ("dicts/d", json!({"items": [1]}), "items"),
        ("dicts/d", json!({"items": [[[], 1]]}), "items"),
        ("dicts/d", json!({"items": "x"}), "items"),
        ("lists/l", json!({"values": {"a": 1}}), "values"),
        ("namespaces/n", json!({"items": [[1, 2]]}), "items"),
    ] {
        let problem = put(&server, path, &arguments).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{path} {arguments}");
        server.get(&format!("/v1/{path}")).problem(404, "unknown-object");
    }
    put(&server, "values/v", &json!({"typecode": "f", "value": 1e300})).problem(422, "result-not-json");
    server.get("/v1/values/v").problem(404, "unknown-object");
    make(&server, "values/v", &json!({"typecode": "i", "value": 2.0}));
    let typed = server.send("PUT", "/v1/queues/q", &[("content-type", "text/plain")], Some(b"{}"));
    typed.problem(415, "unsupported-media-type");
    let json = [("content-type", "application/json")];
    server.send("PUT", "/v1/queues/q", &json, Some(b"{")).problem(400, "invalid-json");
    server.send("PUT", "/v1/queues/q", &json, Some(b"[]")).problem(400, "invalid-request");
    assert_eq!(server.send("PUT", "/v1/queues/q", &[], Some(b"")).status, 200, "no body is no arguments");
}

#[test]
fn made_again_it_is_the_same_or_refused() {
    let server = server(&[]);
    for (path, first, other) in [
        ("queues/q", json!({"maxsize": 2}), json!({"maxsize": 3})),
        ("semaphores/s", json!({"value": 2}), json!({})),
        ("values/v", json!({"typecode": "i", "value": 3}), json!({"typecode": "i"})),
        ("dicts/d", json!({"items": [[1, 2]]}), json!({"items": []})),
    ] {
        make(&server, path, &first);
        make(&server, path, &first);
        put(&server, path, &other).problem(409, "already-exists");
    }
    make(&server, "queues/defaults", &json!({}));
    make(&server, "queues/defaults", &json!({"kind": "queue", "maxsize": 0}));
    make(&server, "queues/defaults", &json!({"maxsize": null}));
    call(&server, "queues/defaults/put", &json!({"obj": 1})).value();
    assert_eq!(make(&server, "queues/defaults", &json!({}))["size"], 1, "its content stays");
    assert_eq!(server.delete("/v1/queues/q").status, 204);
    make(&server, "queues/q", &json!({"maxsize": 3}));
}

#[test]
fn arguments_of_methods() {
    let server = server(&[]);
    for (path, arguments) in [
        ("queues/q", json!({})),
        ("locks/l", json!({})),
        ("rlocks/r", json!({})),
        ("conditions/c", json!({})),
        ("pipes/p", json!({})),
        ("values/v", json!({"typecode": "i"})),
        ("lists/l", json!({})),
        ("events/e", json!({})),
    ] {
        make(&server, path, &arguments);
    }
    let mut cases: Vec<(&str, Value, &str)> = vec![
        ("queues/q/put", json!({}), "obj"),
        ("queues/q/put", json!({"obj": 1, "item": 2}), "item"),
        ("queues/q/get", json!({"block": 1}), "block"),
        ("queues/q/qsize", json!({"x": 1}), "x"),
        ("pipes/p/0/send", json!({}), "obj"),
        ("locks/l/acquire", json!({"owner": 5}), "owner"),
        ("locks/l/acquire", json!({"lease": -1}), "lease"),
        ("locks/l/acquire", json!({"lease": 0}), "lease"),
        ("locks/l/release", json!({"token": "1"}), "token"),
        ("locks/l/renew", json!({}), "token"),
        ("rlocks/r/acquire", json!({}), "owner"),
        ("conditions/c/wait", json!({}), "owner"),
        ("conditions/c/notify", json!({}), "owner"),
        ("values/v/set", json!({}), "value"),
        ("values/v/acquire", json!({}), "owner"),
        ("lists/l/__getitem__", json!({}), "index"),
        ("lists/l/__getitem__", json!({"index": 0, "start": 0}), "index"),
        ("lists/l/append", json!({}), "object"),
        ("lists/l/extend", json!({"iterable": 3}), "iterable"),
        ("lists/l/sort", json!({"key": "f"}), "key"),
    ];
    let timeouts =
        [json!(-1), json!(-0.001), json!(86_401), json!(1e300), json!("1"), json!([]), json!(true)];
    for timeout in &timeouts {
        for path in ["queues/q/get", "locks/l/acquire", "events/e/wait", "pipes/p/0/recv", "pipes/p/0/poll"] {
            cases.push((path, json!({"timeout": timeout}), "timeout"));
        }
    }
    for (path, arguments, member) in cases {
        let problem = call(&server, path, &arguments).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{path} {arguments}: {problem}");
    }
    for text in [r#"{"timeout":NaN}"#, r#"{"timeout":Infinity}"#, "{", "[1", r#"{"timeout":1e999}"#] {
        server.post_text("/v1/queues/q/get", text).problem(400, "invalid-json");
    }
    let twice = server.post_text("/v1/queues/q/put", r#"{"obj":1,"obj":2}"#);
    assert_eq!(twice.problem(400, "invalid-request")["member"], "obj");
    server.post_text("/v1/queues/q/put", "[1]").problem(400, "invalid-request");
}

#[test]
fn unknown_objects_methods_and_paths() {
    let server = server(&[]);
    for kind in [
        "queues",
        "pipes",
        "locks",
        "rlocks",
        "semaphores",
        "bounded_semaphores",
        "conditions",
        "events",
        "barriers",
        "values",
        "arrays",
        "dicts",
        "lists",
        "namespaces",
    ] {
        assert_eq!(server.get(&format!("/v1/{kind}")).value(), json!({"items": []}));
        server.get(&format!("/v1/{kind}/nowhere")).problem(404, "unknown-object");
        server.delete(&format!("/v1/{kind}/nowhere")).problem(404, "unknown-object");
        let end = if kind == "pipes" { "/0" } else { "" };
        call(&server, &format!("{kind}/nowhere{end}/close"), &json!({})).problem(404, "unknown-object");
        server.get(&format!("/v1/{kind}/nowhere{end}/close")).problem(405, "method-not-allowed");
        server.post(&format!("/v1/{kind}/nowhere"), &json!({})).problem(405, "method-not-allowed");
    }
    make(&server, "queues/q", &json!({}));
    make(&server, "pipes/p", &json!({}));
    for path in ["queues/q/Put", "queues/q/get_nowait", "queues/q/__class__", "pipes/p/0/fileno"] {
        call(&server, path, &json!({})).problem(404, "unknown-method");
    }
    for path in ["queues/q/put/x", "pipes/p/2/recv", "pipes/p/recv", "sets/s/add"] {
        call(&server, path, &json!({})).problem(404, "not-found");
    }
    server.get("/v1/queues?limit=0").problem(400, "invalid-request");
    server.get("/v1/queues/q?x=1").problem(400, "invalid-request");
}

#[test]
fn lists_come_in_pages() {
    let server = server(&[]);
    for number in 0..25 {
        make(&server, &format!("lists/l{number:02}"), &json!({"values": [number]}));
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/lists?limit=10{cursor}")).value();
        for item in page["items"].as_array().expect("items") {
            assert_eq!((&item["length"], &item["values"]), (&json!(1), &Value::Null), "without the content");
            names.push(item["name"].as_str().expect("a name").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let wanted: Vec<String> = (0..25).map(|number| format!("l{number:02}")).collect();
    assert_eq!(names, wanted);
}

#[test]
fn a_path_that_is_no_text_is_no_object() {
    let server = server(&[]);
    put(&server, "queues/%ff", &json!({})).problem(400, "invalid-request");
    for (method, path) in [("GET", "queues/%ff"), ("DELETE", "locks/%c3"), ("GET", "pipes/a%ffb")] {
        let answer = server.send(method, &format!("/v1/{path}"), &[], None);
        answer.problem(404, "unknown-object");
    }
    make(&server, "pipes/p", &json!({}));
    for path in ["queues/%ff/put", "pipes/%ff/0/recv", "pipes/p/%ff/recv", "pipes/p/0/%ff"] {
        call(&server, path, &json!({})).problem_of(404);
    }
}
