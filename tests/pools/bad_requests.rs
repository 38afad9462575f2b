//! What is refused, and the member that it is refused for.

use serde_json::{Value, json};

use super::{make, server};
use crate::support::Server;

fn patch(server: &Server, path: &str, body: &Value) -> crate::support::Answer {
    let body = body.to_string();
    server.send("PATCH", path, &[("content-type", "application/json")], Some(body.as_bytes()))
}

#[test]
fn each_member_of_a_new_pool_is_checked() {
    let server = server(&["--builtin"]);
    let long = "x".repeat(129);
    let large = json!([long.repeat(300)]);
    let cases = [
        ("name", json!("")),
        ("name", json!(".")),
        ("name", json!("..")),
        ("name", json!("a/b")),
        ("name", json!("a b")),
        ("name", json!("é")),
        ("name", json!(long)),
        ("name", json!(5)),
        ("name", Value::Null),
        ("runtime", json!("perl")),
        ("runtime", json!("Python")),
        ("runtime", json!(1)),
        ("processes", json!(0)),
        ("processes", json!(-1)),
        ("processes", json!(1025)),
        ("processes", json!(1.5)),
        ("processes", json!("2")),
        ("initializer", json!(7)),
        ("initargs", json!([1])),
        ("maxtasksperchild", json!(0)),
        ("maxtasksperchild", json!(-3)),
        ("maxtasksperchild", json!(2.5)),
        ("maxtasksperchild", json!("1")),
        ("maxtasksperchild_jitter", json!(1)),
        ("max_rss", json!(0)),
        ("max_rss", json!("64MiB")),
        ("color", json!("red")),
    ];
    for (member, value) in cases {
        let problem = make(&server, "fine", &json!({member: value})).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{problem}");
    }
    for (member, more) in [
        ("initargs", json!({"initializer": "life.remember", "initargs": {}})),
        ("initargs", json!({"initializer": "life.remember", "initargs": large})),
        ("maxtasksperchild_jitter", json!({"maxtasksperchild": 1, "maxtasksperchild_jitter": -1})),
        ("initializer", json!({"initializer": "builtin.echo", "initargs": [1]})),
        ("runtime", json!({"runtime": "", "processes": 1})),
    ] {
        let problem = make(&server, "fine", &more).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{problem}");
    }
    let unnamed = server.post("/v1/pools", &json!({"runtime": "python"})).problem(400, "invalid-request");
    assert_eq!(unnamed["member"], "name");
    let ambiguous = server.post("/v1/pools", &json!({"name": "a"})).problem(400, "invalid-request");
    assert_eq!(ambiguous["member"], "runtime", "two runtimes are served");
    let unknown = make(&server, "fine", &json!({"initializer": "life.remembr"}));
    assert_eq!(unknown.problem(404, "unknown-function")["near"][0], "life.remember");
    server.post_text("/v1/pools", "{").problem(400, "invalid-json");
    server.post_text("/v1/pools", "[]").problem(400, "invalid-request");
    let typed = server.send("POST", "/v1/pools", &[("content-type", "text/plain")], Some(b"{}"));
    typed.problem(415, "unsupported-media-type");
    assert_eq!(server.get("/v1/pools").value()["items"].as_array().map(Vec::len), Some(2), "none was made");
}

#[test]
fn changes_joins_and_closes_are_checked() {
    let server = server(&[]);
    make(&server, "p", &json!({"processes": 1})).json();
    for body in [json!({}), json!({"processes": 0}), json!({"processes": 1025}), json!({"processes": "2"})] {
        let problem = patch(&server, "/v1/pools/p", &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], "processes", "{problem}");
    }
    let problem = patch(&server, "/v1/pools/p", &json!({"processes": 1, "name": "q"}));
    assert_eq!(problem.problem(400, "invalid-request")["member"], "name");
    for timeout in [json!(-1), json!(86_401), json!("1")] {
        let problem = server.post("/v1/pools/p/join", &json!({"timeout": timeout}));
        assert_eq!(problem.problem(400, "invalid-request")["member"], "timeout", "{timeout}");
    }
    let problem = server.post("/v1/pools/p/close", &json!({"now": true})).problem(400, "invalid-request");
    assert_eq!(problem["member"], "now");
    for path in ["/v1/pools/nowhere/close", "/v1/pools/nowhere/join"] {
        server.post_empty(path).problem(404, "unknown-pool");
    }
    patch(&server, "/v1/pools/nowhere", &json!({"processes": 1})).problem(404, "unknown-pool");
    server.delete("/v1/pools/nowhere").problem(404, "unknown-pool");
    assert_eq!(server.get("/v1/pools/p").value()["state"], "running", "nothing of this changed it");
}
