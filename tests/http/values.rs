//! What comes back as JSON, and how; bytes both ways.

use serde_json::json;

use crate::support::Server;

#[test]
fn rich_values_are_said_in_json() {
    let server = Server::start(&[]);
    let value = server.apply("rich_values", &json!([])).value();
    assert_eq!(value["tuple"], json!([1, 2]));
    assert_eq!(value["point"], json!({"x": 1, "y": 2}));
    assert!(value["when"].as_str().is_some_and(|when| when.starts_with("2024-02-29T12:30:00")), "{value}");
    assert_eq!(value["id"], "00000000-0000-0000-0000-000000000005");
    assert_eq!(value["price"], "1.10");
    assert_eq!(
        (&value["3"], &value["true"], &value["null"]),
        (&json!("int"), &json!("bool"), &json!("none"))
    );
}

#[test]
fn bytes_travel_both_ways() {
    let server = Server::start(&[]);
    assert_eq!(server.apply("bytes_of", &json!(["abc"])).value(), json!({"$bytes": "YWJj"}));
    assert_eq!(server.apply("length_of", &json!([{"$bytes": "YWJjZA=="}])).value(), json!(["bytes", 4]));
    assert_eq!(server.apply("echo", &json!([[{"$bytes": ""}]])).value(), json!([{"$bytes": ""}]));
}

#[test]
fn bytes_are_raw_for_those_who_accept_them() {
    let server = Server::start(&[]);
    let ask = |function: &str, args| {
        let body = json!({"function": format!("faults.{function}"), "args": args}).to_string();
        let headers = [("content-type", "application/json"), ("accept", "application/octet-stream")];
        server.send("POST", "/v1/apply", &headers, Some(body.as_bytes()))
    };
    let answer = ask("bytes_of", json!(["abc"]));
    assert_eq!((answer.status, &answer.body[..]), (200, &b"abc"[..]));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    // A value that isn't bytes is JSON, whatever Accept says.
    assert_eq!(ask("square", json!([3])).value(), 9);
}

#[test]
fn nested_values_come_back_as_they_went() {
    let server = Server::start(&[]);
    let value = json!({"a": [1, 2.5, -3, true, false, null, "x", {"b": {}}, [], ""], "ü": {"€": "😀"}});
    assert_eq!(server.apply("echo", &json!([value])).value(), value);
    assert_eq!(server.map("echo", &json!([value, [], null])).value(), json!([value, [], null]));
}
