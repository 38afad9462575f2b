//! f77: which Host and which Origin may come in. A web page must not be able to run jobs.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Raw, Server};

const BOUND: Duration = Duration::from_secs(10);

fn ask(server: &Server, line: &str, headers: &str, body: &[u8]) -> Answer {
    let mut raw = Raw::connect(server.port());
    raw.request(line, &format!("{headers}Connection: close\r\n"), body);
    raw.answer(BOUND)
}

#[test]
fn f77_a_foreign_host_is_421() {
    let server = Server::start(&[]);
    let id = server.submit("square", &json!([3]));
    server.result(&id, 5.0).value();
    let body = br#"{"function":"faults.square","args":[2]}"#;
    for host in
        ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost"]
    {
        let host = format!("Host: {host}\r\n");
        ask(&server, "POST /v1/apply", &host, body).problem(421, "wrong-host");
        ask(&server, "GET /v1/jobs", &host, b"").problem(421, "wrong-host");
        ask(&server, &format!("DELETE /v1/jobs/{id}"), &host, b"").problem(421, "wrong-host");
        ask(&server, &format!("POST /v1/jobs/{id}/cancel"), &host, b"").problem(421, "wrong-host");
    }
    assert_eq!(server.result(&id, 0.0).value(), 9, "it was not deleted");
}

#[test]
fn hosts_that_are_this_machine_may_come() {
    let server = Server::start(&[]);
    let port = server.port();
    let body = br#"{"function":"faults.square","args":[2]}"#;
    for host in [
        format!("127.0.0.1:{port}"),
        "127.0.0.1".to_owned(),
        format!("localhost:{port}"),
        "localhost".to_owned(),
        "LocalHost:1234".to_owned(),
        format!("[::1]:{port}"),
        "[::1]".to_owned(),
        "10.1.2.3:8080".to_owned(),
    ] {
        let answer = ask(&server, "POST /v1/apply", &format!("Host: {host}\r\n"), body);
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
}

#[test]
fn probes_ignore_the_host() {
    let server = Server::start(&[]);
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(&server, &format!("GET {path}"), "Host: pod.internal\r\n", b"").status, 200, "{path}");
    }
}

#[test]
fn f77_a_foreign_origin_is_403() {
    let server = Server::start(&[]);
    let port = server.port();
    let id = server.submit("square", &json!([3]));
    server.result(&id, 5.0).value();
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let body = br#"{"function":"faults.square","args":[2]}"#;
    let other_port = format!("http://127.0.0.1:{}", port ^ 1);
    let localhost = format!("http://localhost:{port}");
    for origin in
        ["http://evil.example", "null", "https://127.0.0.1.evil.example", &other_port, &localhost, "x", ""]
    {
        let headers = format!("{host}Origin: {origin}\r\n");
        ask(&server, "POST /v1/apply", &headers, body).problem(403, "wrong-origin");
        ask(&server, "GET /v1/jobs", &headers, b"").problem(403, "wrong-origin");
        ask(&server, &format!("DELETE /v1/jobs/{id}"), &headers, b"").problem(403, "wrong-origin");
    }
    assert_eq!(server.result(&id, 0.0).value(), 9, "it was not deleted");
    let own = format!("{host}Origin: http://127.0.0.1:{port}\r\n");
    assert_eq!(ask(&server, "POST /v1/apply", &own, body).status, 200);
}

#[test]
fn no_cross_origin_permission_is_ever_given() {
    let server = Server::start(&[]);
    let headers = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    let answer = ask(&server, "OPTIONS /v1/apply", headers, b"");
    assert!(answer.status >= 400, "{}", answer.status);
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-allow")), "{answer:?}");
}
