//! What Host and Origin may be, case by case.

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::get;
use tower::ServiceExt;

use super::*;

fn judge(target: &str, headers: &[(header::HeaderName, &str)]) -> Result<(), AccessError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let policy = AccessPolicy {
        hosts: vec!["pool.example".parse().unwrap()],
        public_url: Some("https://pool.example/jobs".parse().unwrap()),
        origins: Vec::new(),
        tokens: None,
    };
    check(&target.parse().unwrap(), &map, &policy).map(drop)
}

fn judge_host(host: &str) -> Result<(), AccessError> {
    judge("/v1/apply", &[(header::HOST, host)])
}

fn judge_origin(host: &str, origin: &str) -> Result<(), AccessError> {
    judge("/v1/apply", &[(header::HOST, host), (header::ORIGIN, origin)])
}

#[test]
fn addresses_localhost_and_allowed_names_are_hosts() {
    for host in [
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.0.0.1:80",
        "127.0.0.1:65535",
        "10.1.2.3:1",
        "localhost",
        "localhost:8080",
        "LOCALHOST:59999",
        "localhost.",
        "localhost.:8080",
        "[::1]",
        "[::1]:80",
        "[::ffff:127.0.0.1]:8080",
        "pool.example",
        "Pool.Example.:443",
    ] {
        assert_eq!(judge_host(host), Ok(()), "{host}");
    }
}

#[test]
fn everything_else_is_a_wrong_host() {
    for host in [
        "",
        ".",
        ":80",
        "evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "localhost..",
        "127.0.0.1.evil.example:80",
        "127.0.0.1.",
        "127.0.0.1x",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "localhost:",
        "localhost:+80",
        "localhost:65536",
        "localhost:99999",
        "localhost:80:80",
        "localhost:80 ",
        "localhost:8o80",
        "localhost, localhost",
        "user@localhost",
        "::1",
        "::1:80",
        "[::1",
        "[::1]x",
        "[::1]x:80",
        "[::1]]",
        "[]",
        "[fe80::1%25eth0]",
        "[127.0.0.1]",
        "l\u{f6}calhost",
    ] {
        assert_eq!(judge_host(host), Err(AccessError::WrongHost), "{host}");
    }
    assert_eq!(judge("/v1/apply", &[]), Err(AccessError::WrongHost));
    let twice = [(header::HOST, "localhost"), (header::HOST, "localhost")];
    assert_eq!(judge("/v1/apply", &twice), Err(AccessError::WrongHost));
}

#[test]
fn an_absolute_target_counts_in_hosts_place() {
    let good = [(header::HOST, "localhost")];
    let wrong = [(header::HOST, "evil.example")];
    assert_eq!(judge("http://evil.example/v1/jobs", &good), Err(AccessError::WrongHost));
    assert_eq!(judge("http://user@localhost/v1/jobs", &good), Err(AccessError::WrongHost));
    assert_eq!(judge("http://localhost:8080/v1/jobs", &wrong), Ok(()));
}

#[test]
fn probes_answer_by_any_name() {
    for path in PROBES {
        let pod = [(header::HOST, "pod-1.evil.example"), (header::ORIGIN, "null")];
        assert_eq!(judge(path, &pod), Ok(()));
        assert_eq!(judge(path, &[]), Ok(()));
    }
    for path in ["/livez/", "/livezx", "/version", "/v1/livez"] {
        let refused = judge(path, &[(header::HOST, "evil.example")]);
        assert_eq!(refused, Err(AccessError::WrongHost), "{path}");
    }
}

#[test]
fn origin_must_be_host() {
    for (host, origin) in [
        ("localhost:8080", "http://localhost:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("pool.example", "http://pool.example"),
        ("pool.example", "https://pool.example"),
        ("pool.example", "https://Pool.Example"),
        ("10.1.2.3:8080", "https://pool.example"),
    ] {
        assert_eq!(judge_origin(host, origin), Ok(()), "{host} {origin}");
    }
    for origin in [
        "null",
        "",
        "localhost:8080",
        "http://",
        "http://localhost",
        "http://localhost:8081",
        "http://127.0.0.1:8080",
        "https://localhost:8080",
        "http://localhost:8080/",
        "http://localhost:8080, http://localhost:8080",
        "http://evil.example",
        "http://localhost.:8080",
        "https://pool.example:8443",
        "https://pool.example/jobs",
        "https://pool.example.evil.example",
        "http://pool.example",
        "file://",
    ] {
        assert_eq!(judge_origin("localhost:8080", origin), Err(AccessError::WrongOrigin), "{origin}");
    }
    let twice = [
        (header::HOST, "localhost"),
        (header::ORIGIN, "http://localhost"),
        (header::ORIGIN, "http://localhost"),
    ];
    assert_eq!(judge("/v1/apply", &twice), Err(AccessError::WrongOrigin));
    // Where both are wrong, the host is told.
    assert_eq!(judge_origin("evil.example", "http://evil.example"), Err(AccessError::WrongHost));
}

#[test]
fn the_hot_path_agrees_with_the_rule() {
    let none = AccessPolicy::default();
    for name in ["127.0.0.1", "localhost", "127.0.0.", "localhos"] {
        for rest in ["", ":", ":0", ":80", ":8080", ":12345", ":59999", ":65535", ":65536", ":99999", "x"] {
            let host = format!("{name}{rest}");
            let rule = parse_host(host.as_bytes()).is_some_and(|host| host.is_allowed(&none));
            assert!(rule || !is_usual(host.as_bytes()), "{host}");
        }
    }
    assert!(is_usual(b"localhost:8080") && is_usual(b"127.0.0.1:45678") && is_usual(b"localhost"));
}

#[tokio::test]
async fn refusals_are_answered_and_the_rest_is_handed_on() {
    let router = Router::new().route("/", get(|| async { "in" }));
    let guard = GuardLayer::default().layer(router);
    for (host, origin, status) in [
        ("localhost", None, StatusCode::OK),
        ("localhost", Some("http://localhost"), StatusCode::OK),
        ("evil.example", None, StatusCode::MISDIRECTED_REQUEST),
        ("localhost", Some("null"), StatusCode::FORBIDDEN),
    ] {
        let mut request = Request::builder().uri("/").header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let answer = guard.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{host} {origin:?}");
    }
}
