//! `--token-file`: who may call, and what a request without a known token gets.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Raw, Server};

const BOUND: Duration = Duration::from_secs(10);
const PLAIN: &str = "plain-token-of-the-test-0123456789";
/// Its SHA-256 is in the file, not it.
const HASHED: &str = "hashed-token-of-the-test-0123456789";
const HASH: &str = "sha256:95057a6f15819ca8d4f051e0819a8275a1b3e845130e63f8f2ae32aaa0b2a8ed";
const BODY: &[u8] = br#"{"function":"faults.square","args":[3]}"#;

fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path: PathBuf = folder.path().join("tokens");
    fs::write(&path, text).expect("written");
    let shown = path.to_string_lossy().into_owned();
    (folder, shown)
}

fn tables() -> String {
    format!(
        "[[token]]\nname = \"one\"\ntoken = \"{PLAIN}\"\n\n[[token]]\nname = \"two\"\nhash = \"{HASH}\"\n"
    )
}

fn served(text: &str) -> Server {
    // The file is read before the server is ready.
    let (_folder, path) = file(text);
    Server::start(&["--token-file", &path])
}

fn ask(server: &Server, line: &str, headers: &str, body: &[u8]) -> Answer {
    let mut raw = Raw::connect(server.port());
    raw.request(line, &format!("{headers}Connection: close\r\n"), body);
    raw.answer(BOUND)
}

fn apply(server: &Server, headers: &str) -> Answer {
    ask(server, "POST /v1/apply", headers, BODY)
}

#[track_caller]
fn refused(answer: &Answer) -> Value {
    let problem = answer.problem(401, "unauthorized");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{answer:?}");
    problem
}

#[test]
fn a_known_token_may_call() {
    let server = served(&tables());
    for headers in [
        format!("Authorization: Bearer {PLAIN}\r\n"),
        format!("Authorization: Bearer {HASHED}\r\n"),
        format!("authorization: bearer {PLAIN}\r\n"),
        format!("Authorization: BEARER {PLAIN}\r\n"),
        format!("Authorization: Bearer   {PLAIN}  \r\n"),
    ] {
        assert_eq!(apply(&server, &headers).value(), 9, "{headers}");
    }
}

#[test]
fn a_token_a_line_may_call_and_do_everything() {
    let server = served(&format!("# who may call\n{PLAIN}\n\n  other-token-0123456789 # a client\n"));
    for token in [PLAIN, "other-token-0123456789"] {
        let headers = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(apply(&server, &headers).value(), 9);
        let accepted = ask(&server, "POST /v1/apply_async", &headers, BODY);
        let id = accepted.accepted();
        assert_eq!(ask(&server, &format!("GET /v1/jobs/{id}/result?timeout=9"), &headers, b"").value(), 9);
        assert_eq!(ask(&server, &format!("DELETE /v1/jobs/{id}"), &headers, b"").status, 204);
    }
    refused(&apply(&server, "Authorization: Bearer who\r\n"));
    refused(&apply(&server, "Authorization: Bearer #\r\n"));
}

#[test]
fn everything_else_is_401() {
    let server = served(&tables());
    let once = format!("Authorization: Bearer {PLAIN}\r\n");
    let basic = "Authorization: Basic cGxhaW46dG9rZW4=\r\n";
    for headers in [
        String::new(),
        "Authorization: \r\n".to_owned(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: {PLAIN}\r\n"),
        format!("Authorization: Bearer{PLAIN}\r\n"),
        format!("Authorization: Bearer\t{PLAIN}\r\n"),
        format!("Authorization: Bearer: {PLAIN}\r\n"),
        format!("Authorization: Bearer \"{PLAIN}\"\r\n"),
        format!("Authorization: Bearer {PLAIN}x\r\n"),
        format!("Authorization: Bearer {}\r\n", &PLAIN[1..]),
        format!("Authorization: Bearer {}\r\n", &PLAIN[..PLAIN.len() - 1]),
        format!("Authorization: Bearer {}\r\n", PLAIN.to_uppercase()),
        format!("Authorization: Bearer {PLAIN} {PLAIN}\r\n"),
        format!("Authorization: Bearer {PLAIN}, Bearer {PLAIN}\r\n"),
        format!("Authorization: Bearer {HASH}\r\n"),
        format!("Authorization: Bearer {}\r\n", &HASH["sha256:".len()..]),
        format!("Authorization: Token {PLAIN}\r\n"),
        format!("Proxy-Authorization: Bearer {PLAIN}\r\n"),
        format!("Cookie: token={PLAIN}\r\n"),
        format!("{once}{once}"),
        format!("{once}{basic}"),
        format!("{basic}{once}"),
        basic.to_owned(),
    ] {
        let answer = apply(&server, &headers);
        refused(&answer);
        assert!(!answer.says(PLAIN), "an answer never tells a token: {}", answer.text());
    }
    // Neither the query nor the body is a place for it.
    refused(&ask(&server, &format!("GET /v1/jobs?access_token={PLAIN}"), "", b""));
    let with_token = format!(r#"{{"function":"faults.square","args":[3],"access_token":"{PLAIN}"}}"#);
    refused(&ask(&server, "POST /v1/apply", "", with_token.as_bytes()));
    assert_eq!(apply(&server, &once).value(), 9, "and the server goes on");
    assert!(!server.errors().contains(PLAIN), "the log never tells a token");
}

#[test]
fn garbage_in_the_header_is_no_way_in() {
    let server = served(&tables());
    for bytes in
        [&b"Bearer \xff\xfe\xfd"[..], b"\xf0\x9f\x94\x91", b"Bearer \x80", b"Bearer %70lain", b"=,;\"\\"]
    {
        let mut raw = Raw::connect(server.port());
        raw.write(b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: ");
        raw.write(bytes);
        raw.write(b"\r\n\r\n");
        refused(&raw.answer(BOUND));
    }
    // What is no header at all never gets so far.
    let mut raw = Raw::connect(server.port());
    raw.write(b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a\0b\r\n\r\n");
    assert_eq!(raw.answer(BOUND).status, 400);
}

#[test]
fn a_token_of_a_megabyte_is_too_large_a_head() {
    let server = served(&tables());
    let mut raw = Raw::connect(server.port());
    raw.request("GET /v1/jobs", &format!("Authorization: Bearer {}\r\n", "a".repeat(1 << 20)), b"");
    assert_eq!(raw.answer(BOUND).status, 431);
    // As much as a head may hold is looked at.
    let long = format!("Authorization: Bearer {}\r\n", "a".repeat(15 << 10));
    refused(&apply(&server, &long));
}

#[test]
fn a_body_that_nobody_may_send_is_not_read() {
    let server = served(&tables());
    let mut raw = Raw::connect(server.port());
    raw.write(b"POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n");
    raw.write(b"Content-Length: 60000000\r\n\r\n{");
    refused(&raw.answer(BOUND));
}

#[test]
fn the_document_says_what_needs_a_token() {
    let server = served(&tables());
    let document = ask(&server, "GET /openapi.json", "", b"").value();
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let mut open = Vec::new();
    for (template, operations) in document["paths"].as_object().expect("paths") {
        let path = template.replace(['{', '}'], "");
        for (method, operation) in operations.as_object().expect("operations") {
            let answer = ask(&server, &format!("{} {path}", method.to_uppercase()), "", b"");
            if operation["security"] == json!([{"bearer": []}]) {
                refused(&answer);
                assert!(operation["responses"]["401"].is_object(), "{method} {path} lists 401");
            } else {
                assert_ne!(answer.status, 401, "{method} {path} says that it needs no token");
                assert!(operation["responses"]["401"].is_null(), "{method} {path} lists no 401");
                open.push(path.clone());
            }
        }
    }
    for path in ["/livez", "/readyz", "/openapi.json"] {
        assert!(open.iter().any(|open| open == path), "{path} needs none");
    }
    assert!(open.iter().all(|path| !path.starts_with("/v1") && path != "/version"), "{open:?}");
    // Nor does anyone without a token learn which other paths there are.
    for path in ["/", "/v1/nothing", "/metrics", "/livez/", "//v1/jobs", "/openapi.json/"] {
        refused(&ask(&server, &format!("GET {path}"), "", b""));
    }
}

#[test]
fn host_and_origin_are_checked_before() {
    let server = served(&tables());
    let token = format!("Authorization: Bearer {PLAIN}\r\n");
    apply(&server, &format!("Host: evil.example\r\n{token}")).problem(421, "wrong-host");
    apply(&server, &format!("Origin: http://evil.example\r\n{token}")).problem(403, "wrong-origin");
    apply(&server, "Host: evil.example\r\n").problem(421, "wrong-host");
}

#[test]
fn without_a_token_file_nobody_is_asked() {
    let server = Server::start(&[]);
    for headers in ["", "Authorization: Bearer anything\r\n", "Authorization: Basic eDp5\r\n"] {
        assert_eq!(apply(&server, headers).value(), 9, "{headers}");
    }
}
