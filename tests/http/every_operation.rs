//! Each operation of the document, and each status that any request may meet, whatever it asks for: the
//! document lists them, and they come. What an operation answers of its own is tested beside it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Raw, Server};

const BOUND: Duration = Duration::from_secs(10);

/// A request that an operation would take.
struct Ask {
    method: String,
    path: String,
    body: &'static str,
    listed: Vec<u16>,
}

/// One for each operation, about a job that has ended.
fn every_operation(server: &Server) -> Vec<Ask> {
    let id = server.submit("square", &json!([3]));
    assert_eq!(server.result(&id, 10.0).value(), 9);
    let document: Value = server.get("/openapi.json").value();
    let mut asks = Vec::new();
    for (template, operations) in document["paths"].as_object().expect("paths") {
        // A function's own operations are those of any function, and one of them stands for all.
        if template.starts_with("/v1/functions/faults.") && !template.contains("faults.square/") {
            continue;
        }
        for (method, operation) in operations.as_object().expect("operations") {
            let path = template.replace("{id}", &id).replace("{name}", "faults.square");
            let path = path.replace("{pool}", "python").replace("{end}", "0").replace("{file}", "start.js");
            assert!(!path.contains('{'), "a parameter that this test doesn't know: {path}");
            let body = match operation["operationId"].as_str() {
                Some("apply" | "applyAsync") => r#"{"function":"faults.square","args":[2]}"#,
                Some("map" | "mapAsync") => r#"{"function":"faults.square","iterable":[2]}"#,
                _ => "",
            };
            let listed = operation["responses"].as_object().expect("responses").keys();
            let listed = listed.filter_map(|status| status.parse().ok()).collect();
            asks.push(Ask { method: method.to_uppercase(), path, body, listed });
        }
    }
    asks
}

fn send(server: &Server, ask: &Ask, query: &str, headers: &str) -> Answer {
    let mut raw = Raw::connect(server.port());
    let line = format!("{} {}{query}", ask.method, ask.path);
    raw.request(&line, &format!("{headers}Connection: close\r\n"), ask.body.as_bytes());
    raw.answer(BOUND)
}

/// Of the operations that list it, each answers this status to such requests.
fn each_answers(status: u16, code: &str, query: &str, headers: &str, but: &[&str]) {
    let server = Server::start(&[]);
    let asks = every_operation(&server);
    let mut silent = Vec::new();
    for ask in asks.iter().filter(|ask| ask.listed.contains(&status)) {
        let answer = send(&server, ask, query, headers);
        if answer.status == status {
            answer.problem(status, code);
        } else if !but.contains(&ask.path.as_str()) {
            silent.push(format!("{} {}: {}", ask.method, ask.path, answer.status));
        }
    }
    assert!(silent.is_empty(), "{status} is listed, and did not come: {silent:#?}");
}

#[test]
fn a_foreign_host() {
    each_answers(421, "wrong-host", "", "Host: evil.example\r\n", &[]);
}

#[test]
fn a_foreign_origin() {
    each_answers(403, "wrong-origin", "", "Origin: http://evil.example\r\n", &[]);
}

#[test]
fn a_media_type_that_nothing_has() {
    each_answers(406, "not-acceptable", "", "Accept: image/png\r\n", &[]);
}

#[test]
fn an_unknown_option() {
    each_answers(400, "invalid-request", "?no_such_option=1", "", &[]);
}

#[test]
fn one_connection_too_many() {
    // Asked of another server: this one's only connection is free once the server has seen its end.
    let asks = every_operation(&Server::start(&[]));
    let server = Server::start(&["--connections", "1"]);
    let mut only = Raw::connect(server.port());
    only.request("GET /v1/pools", "", b"");
    assert_eq!(only.answer(BOUND).status, 200);
    for ask in &asks {
        send(&server, ask, "", "").problem(503, "overloaded");
    }
    only.request("GET /v1/pools", "", b"");
    assert_eq!(only.answer(BOUND).status, 200, "the one that is in goes on");
}
