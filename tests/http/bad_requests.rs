//! Members, content types and methods that are wrong.

use serde_json::json;

use crate::support::Server;

#[test]
fn unknown_members_are_named() {
    let server = Server::start(&[]);
    for member in ["arguments", "Args", "timeout", "", "function ", "__class__"] {
        let body = json!({"function": "faults.square", "args": [1], member: 1});
        for path in ["/v1/apply", "/v1/apply_async"] {
            let problem = server.post(path, &body).problem(400, "invalid-request");
            assert_eq!(problem["member"], member, "{problem}");
        }
        let body = json!({"function": "faults.square", "iterable": [1], member: 1});
        for path in ["/v1/map", "/v1/map_async"] {
            let problem = server.post(path, &body).problem(400, "invalid-request");
            assert_eq!(problem["member"], member, "{problem}");
        }
    }
}

#[test]
fn wrong_members_are_named() {
    let server = Server::start(&[]);
    for (body, member) in [
        (json!({"function": 3}), "function"),
        (json!({"function": null}), "function"),
        (json!({"function": ["faults.square"]}), "function"),
        (json!({"function": "faults.square", "args": {"x": 1}}), "args"),
        (json!({"function": "faults.square", "args": "abc"}), "args"),
        (json!({"function": "faults.square", "args": 3}), "args"),
        (json!({"function": "faults.square", "kwargs": [1]}), "kwargs"),
        (json!({"function": "faults.square", "kwargs": "x"}), "kwargs"),
    ] {
        let problem = server.post("/v1/apply", &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{body}: {problem}");
    }
}

#[test]
fn a_missing_function_is_named() {
    let server = Server::start(&[]);
    for path in ["/v1/apply", "/v1/apply_async"] {
        for body in [json!({}), json!({"args": [1]})] {
            assert_eq!(server.post(path, &body).problem(400, "invalid-request")["member"], "function");
        }
    }
    for path in ["/v1/map", "/v1/map_async"] {
        let problem = server.post(path, &json!({"iterable": [1]})).problem(400, "invalid-request");
        assert_eq!(problem["member"], "function");
    }
}

#[test]
fn a_body_of_another_type_is_415() {
    let server = Server::start(&[]);
    let body = br#"{"function":"faults.square","args":[2]}"#;
    for path in ["/v1/apply", "/v1/apply_async", "/v1/map", "/v1/map_async"] {
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", "*/*", ""]
        {
            let answer = server.send("POST", path, &[("content-type", kind)], Some(body));
            assert_eq!(answer.status, 415, "{path} {kind:?}: {}", answer.text());
            answer.problem(415, "unsupported-media-type");
        }
        server.send("POST", path, &[], Some(body)).problem(415, "unsupported-media-type");
    }
    for kind in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;x=y"]
    {
        let answer = server.send("POST", "/v1/apply", &[("content-type", kind)], Some(body));
        assert_eq!((answer.status, answer.text().as_str()), (200, "4"), "{kind}");
    }
}

#[test]
fn durable_has_its_own_code_wherever_it_is_asked_for() {
    let server = Server::start(&[]);
    server
        .post("/v1/apply_async", &json!({"function": "faults.square", "args": [2], "durable": true}))
        .problem(400, "not-durable");
    for path in ["/v1/functions/faults.square/call", "/v1/functions/faults.square/call_async"] {
        let ask = |value: &str| server.post(&format!("{path}?durable={value}"), &json!({"x": 2}));
        let problem = ask("true").problem(400, "not-durable");
        assert_eq!(problem["member"], "durable", "{problem}");
        assert_eq!(ask("yes").problem(400, "invalid-request")["member"], "durable");
        assert!(ask("false").status < 300);
    }
    let lines = [("content-type", "application/x-ndjson")];
    let answer =
        server.send("POST", "/v1/imap/stream?function=faults.square&durable=true", &lines, Some(b"1\n"));
    answer.problem(400, "not-durable");
}

#[test]
fn a_body_that_no_knob_makes_room_for_names_none() {
    let server = Server::start(&[]);
    let large = json!({"tag": "x".repeat(70 << 10)});
    for path in ["/v1/jobs/cancel", "/v1/pools", "/v1/pools/python/close"] {
        let problem = server.post(path, &large).problem(413, "body-too-large");
        assert_eq!(problem["limit"], 64 << 10, "{problem}");
        assert!(problem.get("knob").is_none() && !problem.to_string().contains("--body-limit"), "{problem}");
    }
}

#[test]
fn another_method_is_405_and_told_the_right_one() {
    let server = Server::start(&[]);
    for (method, path, allowed) in [
        ("GET", "/v1/apply", "POST"),
        ("PUT", "/v1/apply", "POST"),
        ("DELETE", "/v1/map", "POST"),
        ("GET", "/v1/map_async", "POST"),
        ("POST", "/v1/jobs", "GET"),
        ("PUT", "/v1/jobs/x", "GET"),
        ("POST", "/v1/jobs/x/result", "GET"),
        ("GET", "/v1/jobs/x/cancel", "POST"),
        ("DELETE", "/v1/functions", "GET"),
        ("POST", "/livez", "GET"),
        ("DELETE", "/openapi.json", "GET"),
    ] {
        let answer = server.send(method, path, &[], None);
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
        answer.problem(405, "method-not-allowed");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{method} {path}: Allow is {allow:?}");
    }
}

#[test]
fn problems_tell_nothing_of_the_inside() {
    let server = Server::start(&[]);
    for answer in [
        server.get("/v1/jobs/x"),
        server.post_text("/v1/apply", "{"),
        server.post("/v1/apply", &json!({"function": "nothing.here"})),
        server.post("/v1/apply", &json!({"function": 1})),
    ] {
        for inside in ["src/", ".rs", "panicked", "serde", "/fixtures", "RUST_BACKTRACE"] {
            assert!(!answer.says(inside), "{inside} in {}", answer.text());
        }
    }
}
