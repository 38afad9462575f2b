//! `--allow-host` and `--public-url`: a server that clients reach by another name than its own.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Raw, Server};

const BOUND: Duration = Duration::from_secs(10);
const BODY: &[u8] = br#"{"function":"faults.square","args":[2]}"#;

fn ask(server: &Server, line: &str, headers: &str, body: &[u8]) -> Answer {
    let mut raw = Raw::connect(server.port());
    raw.request(line, &format!("{headers}Connection: close\r\n"), body);
    raw.answer(BOUND)
}

#[test]
fn allowed_names_are_hosts_and_no_others() {
    let server = Server::with_environment(
        &["--allow-host", "pool.example"],
        &[("FORKPOOL_ALLOW_HOST", "overruled.example")],
    );
    for host in ["pool.example", "pool.example:443", "POOL.example.", "127.0.0.1", "localhost:1"] {
        assert_eq!(ask(&server, "POST /v1/apply", &format!("Host: {host}\r\n"), BODY).value(), 4, "{host}");
    }
    for host in
        ["overruled.example", "www.pool.example", "example", "pool.example.evil.example", "xpool.example"]
    {
        ask(&server, "POST /v1/apply", &format!("Host: {host}\r\n"), BODY).problem(421, "wrong-host");
    }
    let both = Server::with_environment(&[], &[("FORKPOOL_ALLOW_HOST", "a.example,b.example")]);
    for host in ["a.example", "b.example"] {
        assert_eq!(ask(&both, "POST /v1/apply", &format!("Host: {host}\r\n"), BODY).value(), 4, "{host}");
    }
}

#[test]
fn a_public_url_makes_links_absolute() {
    let server = Server::start(&["--public-url", "https://Pool.Example/jobs/"]);
    let accepted = ask(&server, "POST /v1/apply_async", "", BODY);
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let job = accepted.json();
    let id = job["id"].as_str().expect("an id");
    let this = format!("https://pool.example/jobs/v1/jobs/{id}");
    assert_eq!(accepted.header("location"), Some(this.as_str()));
    let links = json!({"self": this, "result": format!("{this}/result"), "cancel": format!("{this}/cancel")});
    assert_eq!(job["links"], links);
    assert_eq!(server.job(id)["links"], links);
    assert_eq!(server.get("/v1/jobs").value()["items"][0]["links"], links);
    let pool = server.post("/v1/pools", &json!({"name": "more", "processes": 1}));
    assert_eq!(pool.header("location"), Some("https://pool.example/jobs/v1/pools/more"), "{}", pool.text());
    let json = [("content-type", "application/json")];
    let queue = server.send("PUT", "/v1/queues/q", &json, Some(b"{}"));
    assert_eq!(queue.header("location"), Some("https://pool.example/jobs/v1/queues/q"), "{}", queue.text());
    // A reference within this server stays one.
    let missing = server.get("/v1/jobs/0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11").problem_of(410);
    assert!(missing["instance"].is_null(), "{missing}");
    assert_eq!(server.result(id, 9.0).value(), 4);
}

#[test]
fn pages_of_the_public_origin_may_call() {
    let server =
        Server::start(&["--public-url", "https://pool.example/jobs", "--allow-host", "pool.example"]);
    for host in ["pool.example", "127.0.0.1"] {
        let headers = format!("Host: {host}\r\nOrigin: https://pool.example\r\n");
        assert_eq!(ask(&server, "POST /v1/apply", &headers, BODY).value(), 4, "{host}");
    }
    for origin in ["https://pool.example:8443", "https://evil.example", "null", "https://pool.example/jobs"] {
        let headers = format!("Host: pool.example\r\nOrigin: {origin}\r\n");
        ask(&server, "POST /v1/apply", &headers, BODY).problem(403, "wrong-origin");
    }
}

#[test]
fn a_public_url_alone_allows_no_host() {
    let server = Server::start(&["--public-url", "https://pool.example"]);
    ask(&server, "POST /v1/apply", "Host: pool.example\r\n", BODY).problem(421, "wrong-host");
}
