//! Settings that must reach the running server, one test each.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Raw, Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);

#[test]
fn failure_ttl() {
    let server = Server::start(&["--failure-ttl", "1"]);
    let good = server.submit("square", &json!([3]));
    assert_eq!(server.result(&good, 10.0).value(), 9);
    let failed = server.submit("fail", &json!(["no"]));
    let mut answer = None;
    wait_until(BOUND, "the failure expires", || {
        let now = server.result(&failed, 0.0);
        let is_gone = now.status == 410;
        answer = Some(now);
        is_gone
    });
    answer.expect("an answer").problem(410, "expired");
    server.get(&format!("/v1/jobs/{failed}")).problem(410, "expired");
    assert_eq!(server.result(&good, 0.0).value(), 9, "values have a limit of their own");
}

#[test]
fn depth() {
    let server = Server::start(&["--depth", "3"]);
    let send = |arguments: &str| {
        let body = format!(r#"{{"function":"faults.echo","args":{arguments}}}"#);
        server.post_text("/v1/apply", &body)
    };
    // The envelope is one, the list of arguments two.
    assert_eq!(send("[[1]]").value(), json!([1]));
    assert_eq!(send(r#"[{"a":1}]"#).value(), json!({"a": 1}));
    for deeper in ["[[[1]]]", r#"[{"a":[]}]"#, r#"[[{}]]"#] {
        let problem = send(deeper).problem(400, "invalid-json");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains('3')), "{problem}");
    }
    let map = r#"{"function":"faults.echo","iterable":[[[1]]]}"#;
    server.post_text("/v1/map", map).problem(400, "invalid-json");
    assert_eq!(server.apply("nested", &json!([50])).status, 200, "a value may be deeper");
}

/// A connection that has been served once and stays.
fn served(port: u16) -> Raw {
    let mut raw = Raw::connect(port);
    raw.request("GET /v1/pools", "", b"");
    assert_eq!(raw.answer(BOUND).status, 200);
    raw
}

#[test]
fn connections() {
    let server = Server::start(&["--connections", "4"]);
    let mut four: Vec<Raw> = (0..4).map(|_| served(server.port())).collect();
    let mut fifth = Raw::connect(server.port());
    fifth.request("GET /v1/pools", "", b"");
    let answer = fifth.answer(BOUND);
    answer.problem(503, "overloaded");
    assert!(answer.header("retry-after").is_some(), "Retry-After");
    assert!(fifth.is_closed_within(BOUND));
    for raw in &mut four {
        raw.request("GET /v1/pools", "", b"");
        assert_eq!(raw.answer(BOUND).status, 200, "those that are in go on");
    }
    four.pop().into_iter().for_each(Raw::leave);
    wait_until(BOUND, "there is room again", || server.get("/v1/pools").status == 200);
}

#[test]
fn idle_timeout() {
    let server = Server::start(&["--idle-timeout", "1"]);
    let mut silent = Raw::connect(server.port());
    let start = Instant::now();
    let mut raw = served(server.port());
    assert!(raw.is_closed_within(Duration::from_secs(6)), "after a request");
    let lived = start.elapsed();
    assert!(lived >= Duration::from_secs(1), "not at once: {lived:?}");
    assert!(silent.is_closed_within(Duration::from_secs(6)), "before the first one");
}

#[test]
fn head_timeout() {
    let server = Server::start(&["--head-timeout", "1"]);
    let mut raw = Raw::connect(server.port());
    let start = Instant::now();
    raw.write(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    let mut closed = false;
    // A byte now and then must not wind the clock up again.
    while !closed && start.elapsed() < Duration::from_secs(8) {
        raw.write(b"X-Slow: x\r\n");
        closed = raw.is_closed_within(Duration::from_millis(100));
    }
    assert!(closed, "open after {:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_millis(700), "not at once: {:?}", start.elapsed());
}

#[test]
fn finished_jobs() {
    let server = Server::start(&["--finished-jobs", "2"]);
    let submit = |x: i32| {
        let id = server.submit("square", &json!([x]));
        assert_eq!(server.result(&id, 10.0).value(), x * x);
        id
    };
    let ids: Vec<String> = (1..=3).map(submit).collect();
    server.result(&ids[0], 0.0).problem(410, "expired");
    server.get(&format!("/v1/jobs/{}", ids[0])).problem(410, "expired");
    server.delete(&format!("/v1/jobs/{}", ids[0])).problem(410, "expired");
    server.cancel(&ids[0]).problem(410, "expired");
    server.get(&format!("/v1/jobs/{}/logs", ids[0])).problem(410, "expired");
    assert_eq!(server.result(&ids[1], 0.0).value(), 4);
    assert_eq!(server.result(&ids[2], 0.0).value(), 9);
    let listed = server.get("/v1/jobs").value();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed}");
}

#[test]
fn finished_bytes() {
    let server = Server::start(&["--finished-bytes", "64KiB"]);
    let submit = |_| {
        let id = server.submit("huge", &json!([25 << 10]));
        assert_eq!(server.result(&id, 10.0).status, 200);
        id
    };
    let ids: Vec<String> = (0..3).map(submit).collect();
    server.result(&ids[0], 0.0).problem(410, "expired");
    assert_eq!(server.result(&ids[1], 0.0).status, 200);
    assert_eq!(server.result(&ids[2], 0.0).status, 200);
}

#[test]
fn max_wait() {
    let server = Server::start(&["--max-wait", "1"]);
    let id = server.submit("nap", &json!([600]));
    let answer = server.get(&format!("/v1/jobs/{id}/result"));
    let problem = answer.problem(408, "result-timeout");
    assert_eq!(problem["title"], "TimeoutError");
    assert!(answer.header("retry-after").is_some(), "Retry-After");
    let (least, most) = (Duration::from_millis(950), Duration::from_secs(5));
    assert!(answer.took >= least && answer.took < most, "{:?}", answer.took);
    let longer = server.result(&id, 1.5);
    longer.problem(408, "result-timeout");
    assert!(longer.took >= Duration::from_millis(1_450), "a number that is given holds: {:?}", longer.took);
    server.cancel(&id).value();
}

#[test]
fn result_limit() {
    let server = Server::start(&["--result-limit", "1KiB"]);
    // The quotes belong to the JSON text.
    assert_eq!(server.apply("huge", &json!([1_022])).status, 200, "just as much as allowed");
    server.apply("huge", &json!([1_023])).outcome("result-too-large");
    let id = server.submit("huge", &json!([5_000]));
    server.result(&id, 10.0).outcome("result-too-large");
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}
