//! A generator's value is the list of what it yields.

use serde_json::{Value, json};

use super::{call, serve};

#[test]
fn what_yields_gives_a_list() {
    let server = serve(&[]);
    let bytes = json!([{"$bytes": "MA=="}, {"$bytes": "MQ=="}]);
    for (function, value) in [("count", json!([0, 1])), ("words", bytes), ("ticks", json!([0, 1]))] {
        assert_eq!(server.post("/v1/apply", &call(function, &json!([2]))).value(), value);
        let typed = format!("/v1/functions/inside.{function}/call");
        assert_eq!(server.post(&typed, &json!({"n": 2})).value(), value);
        let body = json!({"function": format!("inside.{function}"), "iterable": [2, 0, 2]});
        assert_eq!(server.post("/v1/map", &body).value(), json!([value, [], value]));
        let lines = server.post("/v1/imap", &body).text_whole();
        let first: Value = serde_json::from_str(lines.lines().next().unwrap_or_default()).expect("a record");
        assert_eq!(first, json!({"index": 0, "value": value}));
    }
}

#[test]
fn what_fails_while_it_yields_has_failed() {
    let server = serve(&[]);
    let problem = server.post("/v1/apply", &call("breaks", &json!([2]))).outcome("function-raised");
    assert_eq!(problem["exception"]["message"], "after 2", "{problem}");
    let problem = server.post("/v1/apply", &call("odd", &json!([2]))).outcome("result-not-json");
    assert_eq!(problem["path"], "$[2]", "{problem}");
    let body = json!({"function": "inside.breaks", "iterable": [1]});
    assert_eq!(server.post("/v1/map", &body).outcome("function-raised")["index"], 0);
}

#[test]
fn what_is_yielded_is_bounded() {
    let server = serve(&["--result-limit", "1MiB"]);
    for function in ["/v1/apply", "/v1/map"] {
        let body = match function {
            "/v1/apply" => call("large", &json!([1_000_000, 1_000])),
            _ => json!({"function": "inside.count", "iterable": [1_000_000]}),
        };
        let problem = server.post(function, &body).outcome("result-too-large");
        assert_eq!(problem["limit"], 1 << 20, "{problem}");
    }
}

#[test]
fn its_type_is_an_array_of_what_it_yields() {
    let server = serve(&[]);
    let document = server.get("/openapi.json").value();
    for (function, items) in [("ticks", "integer"), ("words", "object")] {
        let path = format!("/v1/functions/inside.{function}/call");
        let operation = &document["paths"][&path]["post"];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!((&schema["type"], &schema["items"]["type"]), (&json!("array"), &json!(items)), "{schema}");
    }
}
