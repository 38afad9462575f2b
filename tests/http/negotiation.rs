//! What a client takes (Accept), HEAD, and bodies where none is needed.

use std::time::Duration;

use serde_json::json;

use crate::support::{Server, never_within};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn what_cannot_be_answered_is_406_and_nothing_runs() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ran");
    let apply = json!({"function": "faults.mark", "args": [file]}).to_string();
    let map = json!({"function": "faults.mark", "iterable": [file]}).to_string();
    let refused = ["text/html", "application/json;q=0", "application/json; q=0.000", "image/*, text/plain"];
    for accept in refused {
        for (path, body) in
            [("/v1/apply", &apply), ("/v1/apply_async", &apply), ("/v1/map", &map), ("/v1/map_async", &map)]
        {
            let answer = server.send("POST", path, &[JSON, ("accept", accept)], Some(body.as_bytes()));
            answer.problem(406, "not-acceptable");
            assert!(answer.header("forkpool-job").is_none(), "{path}: no job was made");
        }
    }
    never_within(Duration::from_millis(300), "something ran", || file.exists());
    assert_eq!(server.get("/v1/jobs").value()["items"], json!([]));
    for accept in ["application/json", "*/*", "application/*;q=0.1, text/html", "text/html, */*;q=0.5"] {
        let answer = server.send("POST", "/v1/apply", &[JSON, ("accept", accept)], Some(apply.as_bytes()));
        assert_eq!(answer.status, 200, "{accept}: {}", answer.text());
    }
}

#[test]
fn reading_is_406_too() {
    let server = Server::start(&[]);
    let id = server.submit("square", &json!([3]));
    assert_eq!(server.result(&id, 10.0).value(), 9);
    for path in [
        "/v1/jobs",
        &format!("/v1/jobs/{id}"),
        &format!("/v1/jobs/{id}/result"),
        &format!("/v1/jobs/{id}/logs"),
        "/v1/functions",
        "/v1/functions/faults.square",
        "/v1/pools",
        "/v1/pools/python",
        "/v1/pools/python/workers",
    ] {
        for accept in ["image/png", "application/json;q=0, text/plain;q=0"] {
            server.send("GET", path, &[("accept", accept)], None).problem(406, "not-acceptable");
        }
    }
}

#[test]
fn head_is_get_without_a_body() {
    let server = Server::start(&[]);
    let id = server.submit("square", &json!([3]));
    assert_eq!(server.result(&id, 10.0).value(), 9);
    for path in [
        "/livez",
        "/readyz",
        "/version",
        "/openapi.json",
        "/v1/jobs",
        &format!("/v1/jobs/{id}"),
        &format!("/v1/jobs/{id}/result"),
        &format!("/v1/jobs/{id}/logs"),
        "/v1/functions",
        "/v1/functions/faults.square",
        "/v1/functions/faults.sqare",
        "/v1/pools",
        "/v1/pools/python",
        "/v1/pools/python/workers",
        "/v1/pools/pyton",
    ] {
        let (get, head) = (server.get(path), server.send("HEAD", path, &[], None));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.body, b"", "{path}");
    }
    server.send("HEAD", "/v1/apply", &[], None);
    assert_eq!(server.send("HEAD", "/v1/apply", &[], None).status, 405, "no GET, no HEAD");
}

#[test]
fn cancel_needs_no_body_and_takes_no_member() {
    let server = Server::start(&["--workers", "1"]);
    let id = server.submit("nap", &json!([600]));
    server.worker_of(&id);
    let path = format!("/v1/jobs/{id}/cancel");
    let send = |headers: &[(&str, &str)], body: &[u8]| server.send("POST", &path, headers, Some(body));
    send(&[("content-type", "text/plain")], b"{}").problem(415, "unsupported-media-type");
    send(&[], b"{}").problem(415, "unsupported-media-type");
    let problem = send(&[JSON], br#"{"x":1}"#).problem(400, "invalid-request");
    assert_eq!(problem["member"], "x", "{problem}");
    send(&[JSON], b"{").problem(400, "invalid-json");
    assert_eq!(send(&[JSON], b"[]").problem_of(400)["status"], 400);
    assert_eq!(server.job(&id)["state"], "running", "what is refused cancels nothing");
    assert_eq!(send(&[JSON], b"{}").value()["state"], "cancelled");
    for _ in 0..2 {
        assert_eq!(send(&[], b"").value()["state"], "cancelled", "again, without a body");
    }
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}
