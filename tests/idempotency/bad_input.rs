//! Keys that are none, and requests that can't have one.

use std::time::Duration;

use serde_json::json;

use super::keyed::{Runs, post, serve};
use crate::support::Raw;

#[test]
fn a_key_that_is_none() {
    let server = serve(&[]);
    let runs = Runs::new();
    let body = runs.call(0.0).to_string();
    let long = "x".repeat(256);
    for bad in ["", " ", "a b", "a\tb", "é", "\u{7f}", long.as_str()] {
        let mut raw = Raw::connect(server.port());
        raw.request("POST /v1/apply", &format!("Idempotency-Key: {bad}\r\n"), body.as_bytes());
        let answer = raw.answer(Duration::from_secs(10));
        if bad == "\u{7f}" && answer.body.is_empty() {
            assert_eq!(answer.status, 400, "no header value at all");
            continue;
        }
        let problem = answer.problem(400, "invalid-request");
        assert_eq!(problem["member"], "Idempotency-Key", "{bad:?}: {problem}");
    }
    for twice in
        ["Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"]
    {
        let mut raw = Raw::connect(server.port());
        raw.request("POST /v1/apply", twice, body.as_bytes());
        let problem = raw.answer(Duration::from_secs(10)).problem(400, "invalid-request");
        assert_eq!(problem["member"], "Idempotency-Key", "{problem}");
    }
    assert_eq!(runs.count(), 0);
    for good in ["~", "\"8e03978e-40d5\"", &long[..255]] {
        assert_eq!(post(&server, "/v1/apply", good, &runs.call(0.0)).value(), "run");
    }
    assert_eq!(runs.count(), 3);
}

#[test]
fn streams_take_no_key() {
    let server = serve(&[]);
    let body = json!({"function": "faults.square", "iterable": [1, 2]});
    for path in ["/v1/imap", "/v1/imap_unordered", "/v1/imap/stream", "/v1/imap_unordered/stream"] {
        let problem = post(&server, path, "k", &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], "Idempotency-Key", "{problem}");
    }
}

#[test]
fn nothing_is_there() {
    let server = serve(&[]);
    post(&server, "/v1/nothing", "k", &json!({})).problem(404, "not-found");
    post(&server, "/v1/functions", "k", &json!({})).problem(405, "method-not-allowed");
    let foreign = [("host", "evil.example"), ("idempotency-key", "k")];
    server.send("POST", "/v1/apply", &foreign, Some(b"")).problem(421, "wrong-host");
    assert_eq!(
        post(&server, "/v1/apply", "k", &json!({"function": "faults.square", "args": [3]})).value(),
        9
    );
}
