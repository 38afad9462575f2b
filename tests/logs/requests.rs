//! `X-Request-Id`, and the lines of requests.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{BOUND, Logged};
use crate::support::{Answer, Raw, wait_until};

const ID: &str = "x-request-id";
const ANSWERED: &str = "a request was answered";
const FAILED: &str = "a job failed";

fn id_of(answer: &Answer) -> String {
    let ids: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == ID).map(|(_, value)| value.as_str()).collect();
    assert_eq!(ids.len(), 1, "one id: {:?}", answer.headers);
    ids[0].to_owned()
}

#[test]
fn every_answer_has_an_id_and_each_another() {
    let server = Logged::serve(&[]);
    let keyed = [("content-type", "application/json"), ("idempotency-key", "k")];
    let body = json!({"function": "faults.square", "args": [3]}).to_string();
    let stream = json!({"function": "faults.square", "iterable": [1, 2]});
    let answers = [
        server.apply("square", &json!([3])),
        server.apply("square", &json!([3])),
        server.apply("fail", &json!(["bad"])),
        server.post("/v1/apply_async", &json!({"function": "faults.square", "args": [3]})),
        server.post("/v1/imap", &stream),
        server.send("POST", "/v1/apply", &keyed, Some(body.as_bytes())),
        server.send("POST", "/v1/apply", &keyed, Some(body.as_bytes())),
        server.get("/livez"),
        server.get("/nothing"),
        server.delete("/v1/apply"),
        server.post_text("/v1/apply", "{"),
        server.send("GET", "/v1/jobs", &[("host", "evil.example")], None),
    ];
    let statuses = answers.iter().map(|answer| answer.status);
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 200, 422, 202, 200, 200, 200, 200, 404, 405, 400, 421]);
    let ids: BTreeSet<String> = answers.iter().map(id_of).collect();
    assert_eq!(ids.len(), answers.len(), "{ids:?}");
    assert!(
        ids.iter().all(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
    );
}

#[test]
fn a_good_id_is_taken_and_another_replaced() {
    let server = Logged::serve(&[]);
    let longest = "x".repeat(128);
    for id in ["a", "0190-7f/{\"x\"}=\\", longest.as_str()] {
        assert_eq!(id_of(&server.send("GET", "/livez", &[(ID, id)], None)), id);
    }
    let long = format!("{longest}x");
    for more in ["", "a b", "a\tb", "\u{e9}", "a\x1b[31m", long.as_str()] {
        let mut raw = Raw::connect(server.port());
        raw.request("GET /livez", &format!("X-Request-Id: {more}\r\n"), b"");
        let answer = raw.answer(BOUND);
        // What is no header at all is refused by whoever reads it.
        if answer.status == 200 {
            assert_ne!(id_of(&answer), more);
            assert!(id_of(&answer).len() <= 32, "it was made: {}", id_of(&answer));
        } else {
            assert_eq!((answer.status, more), (400, "a\x1b[31m"));
        }
    }
    let mut raw = Raw::connect(server.port());
    raw.request("GET /livez", "X-Request-Id: a\r\nX-Request-Id: b\r\n", b"");
    let id = id_of(&raw.answer(BOUND));
    assert!(!["a", "b"].contains(&id.as_str()), "which of two?");
}

#[test]
fn the_line_of_a_job_has_the_id_of_its_request() {
    let server = Logged::serve(&[]);
    let body = json!({"function": "faults.fail", "args": ["bad"]}).to_string();
    let kind = ("content-type", "application/json");
    for path in ["/v1/apply", "/v1/apply_async"] {
        let sent = format!("mine-{}", path.len());
        let answer = server.send("POST", path, &[kind, (ID, &sent)], Some(body.as_bytes()));
        assert_eq!(id_of(&answer), sent);
        server.line(FAILED, "request_id", &sent);
        let made = id_of(&server.send("POST", path, &[kind], Some(body.as_bytes())));
        server.line(FAILED, "request_id", &made);
    }
    // Sent again under its key: the job is the first request's, the answer's id its own.
    let keyed = |id| [kind, ("idempotency-key", "k"), (ID, id)];
    for id in ["first", "second"] {
        let answer = server.send("POST", "/v1/apply", &keyed(id), Some(body.as_bytes()));
        assert_eq!((answer.status, id_of(&answer).as_str()), (422, id));
    }
    server.line(FAILED, "request_id", "first");
    assert!(server.said(FAILED).iter().all(|line| line["request_id"] != "second"));
}

#[test]
fn requests_are_told_at_debug() {
    let server = Logged::with_filter("info,forkpool::requests=debug", &[]);
    let made = id_of(&server.apply("square", &json!([3])));
    let line = server.line(ANSWERED, "request_id", &made);
    for (field, value) in [
        ("level", json!("DEBUG")),
        ("target", json!("forkpool::requests")),
        ("method", json!("POST")),
        ("path", json!("/v1/apply")),
        ("status", json!(200)),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert!(line["ms"].as_f64().is_some_and(|ms| (0.0..10_000.0).contains(&ms)), "{line}");
    assert!(line["job"].as_str().is_some_and(|job| job.len() == 36), "{line}");
    assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{line}");

    let refused = id_of(&server.send("GET", "/v1/jobs?secret=1", &[("host", "evil.example")], None));
    let line = server.line(ANSWERED, "request_id", &refused);
    assert_eq!((&line["status"], &line["path"]), (&json!(421), &json!("/v1/jobs")), "no query");
    let long = id_of(&server.get(&format!("/{}", "x".repeat(2_000))));
    let path = server.line(ANSWERED, "request_id", &long)["path"].as_str().map(str::len);
    assert_eq!(path, Some(256));

    // Who leaves is told as that.
    let mut raw = Raw::connect(server.port());
    let body = json!({"function": "faults.nap", "args": [5]}).to_string();
    raw.request("POST /v1/apply", "X-Request-Id: leaver\r\n", body.as_bytes());
    wait_until(BOUND, "it runs", || server.workers().iter().any(|worker| worker.state == "busy"));
    raw.leave();
    let line = server.line("a client left before its answer", "request_id", "leaver");
    assert_eq!((&line["path"], line.get("status")), (&json!("/v1/apply"), None));
}

#[test]
fn requests_are_not_told_by_default() {
    let server = Logged::serve(&[]);
    server.apply("square", &json!([3])).value();
    server.get("/nothing");
    let lines = server.ended();
    let messages: Vec<&Value> = lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["the Python interpreter", "serving", "stopping", "stopped"]);
}

#[test]
fn the_name_of_a_token_is_told_and_never_the_token() {
    const TOKEN: &str = "a-token-of-enough-letters-0123456789";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.toml");
    std::fs::write(&file, format!("[[token]]\nname = \"ann\"\ntoken = \"{TOKEN}\"\n")).expect("written");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let server = Logged::with_filter("debug", &["--token-file", &file.to_string_lossy()]);
    let bearer = format!("Bearer {TOKEN}");
    let body = json!({"function": "faults.fail", "args": ["bad"]}).to_string();
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str()), (ID, "one")];
    assert_eq!(server.send("POST", "/v1/apply", &headers, Some(body.as_bytes())).status, 422);
    for message in [ANSWERED, FAILED, "a job was accepted"] {
        assert_eq!(server.line(message, "request_id", "one")["caller"], "ann", "{message}");
    }
    assert!(!server.errors().contains(TOKEN));
}
