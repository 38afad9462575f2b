//! f77: which Host and which Origin may come in. A web page must not be able to run jobs.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
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
fn pages_of_allowed_origins_may_call() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (tokens, token) = (folder.path().join("tokens"), "0123456789abcdef0123456789abcdef");
    let private = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&tokens);
    private.and_then(|mut file| writeln!(file, "{token}")).expect("the file can be written");
    let tokens = tokens.to_string_lossy();
    let server = Server::start(&["--allow-origin", "https://App.example:443", "--token-file", &tokens]);
    let says = |answer: &Answer, name: &str| answer.header(name).unwrap_or_default().to_owned();
    let origin = "Origin: https://app.example\r\n";
    let asks = format!(
        "{origin}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
    );
    let preflight = ask(&server, "OPTIONS /v1/apply", &asks, b"");
    assert_eq!(
        (preflight.status, says(&preflight, "access-control-allow-origin").as_str()),
        (204, "https://app.example")
    );
    assert!(says(&preflight, "access-control-allow-methods").contains("POST"));
    assert!(
        says(&preflight, "access-control-allow-headers")
            .contains("authorization, content-type, idempotency-key")
    );
    let body = br#"{"function":"faults.square","args":[2]}"#;
    let with_token = format!("{origin}Authorization: Bearer {token}\r\n");
    let answer = ask(&server, "POST /v1/apply", &with_token, body);
    assert_eq!(answer.value(), 4);
    assert_eq!(says(&answer, "access-control-allow-origin"), "https://app.example");
    assert!(says(&answer, "access-control-expose-headers").contains("forkpool-job"));
    assert_eq!(says(&answer, "vary"), "origin");
    let refused = ask(&server, "POST /v1/apply", origin, body);
    assert_eq!(says(&refused, "access-control-allow-origin"), "https://app.example", "a page reads why");
    refused.problem(401, "unauthorized");
    let others = ask(&server, "GET /livez", "", b"");
    assert_eq!(
        (says(&others, "vary").as_str(), others.header("access-control-allow-origin")),
        ("origin", None)
    );
    for origin in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null"] {
        let headers = asks.replace("https://app.example", origin);
        for line in ["OPTIONS /v1/apply", "POST /v1/apply"] {
            let answer = ask(&server, line, &headers, body);
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
            answer.problem(403, "wrong-origin");
        }
    }
    let elsewhere = format!("Host: evil.example\r\n{asks}");
    ask(&server, "OPTIONS /v1/apply", &elsewhere, b"").problem(421, "wrong-host");
}

#[test]
fn no_cross_origin_permission_is_given_by_default() {
    let server = Server::start(&[]);
    let headers = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    let answer = ask(&server, "OPTIONS /v1/apply", headers, b"");
    assert!(answer.status >= 400, "{}", answer.status);
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-allow")), "{answer:?}");
}
