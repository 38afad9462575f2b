//! Requests for events that are refused, each with the word for what is wrong.

use std::time::Duration;

use serde_json::json;

use super::reader::serve;
use crate::support::{Raw, wait_until};

#[test]
fn a_job_that_is_not_here() {
    let server = serve(&["--result-ttl", "1"]);
    for id in ["x", "00000000-0000-0000-0000-000000000000", "%00"] {
        server.get(&format!("/v1/jobs/{id}/events")).problem(404, "unknown-job");
    }
    let id = server.submit("square", &json!([3]));
    let path = format!("/v1/jobs/{id}/events");
    let job = format!("/v1/jobs/{id}");
    wait_until(Duration::from_secs(10), "the job expires", || server.get(&job).status == 410);
    server.get(&path).problem(410, "expired");
    server.get("/v1/jobs/018f2f6a-0000-7000-8000-000000000000/events").problem(410, "lost-at-restart");
}

#[test]
fn an_id_that_no_stream_sent() {
    let server = serve(&[]);
    let id = server.submit("square", &json!([3]));
    server.result(&id, 10.0).value();
    let path = format!("/v1/jobs/{id}/events");
    let many = "9".repeat(300);
    for bad in ["x", "1", "9.9.9.9.9.9", "1.0..0.0", "-1.0..0.0.0", many.as_str()] {
        let answer = server.send("GET", &path, &[("last-event-id", bad)], None);
        let problem = answer.problem(400, "invalid-request");
        assert_eq!(problem["member"], "Last-Event-ID", "{problem}");
    }
    let mut raw = Raw::connect(server.port());
    let twice = "Last-Event-ID: 1.0..0.0.0\r\nLast-Event-ID: 1.0..0.0.0\r\n";
    raw.request(&format!("GET {path}"), twice, b"");
    raw.answer(Duration::from_secs(10)).problem(400, "invalid-request");
    // None at all, as the standard has it, and one that is ahead of everything.
    for fine in ["", "2.1.0.1.0.999999999"] {
        assert_eq!(server.send("GET", &path, &[("last-event-id", fine)], None).status, 200, "{fine}");
    }
}

#[test]
fn other_wrong_requests() {
    let server = serve(&[]);
    let id = server.submit("square", &json!([3]));
    let path = format!("/v1/jobs/{id}/events");
    let problem = server.get(&format!("{path}?from=1")).problem(400, "invalid-request");
    assert_eq!(problem["member"], "from");
    server.send("GET", &path, &[("accept", "application/json")], None).problem(406, "not-acceptable");
    server.send("POST", &path, &[], Some(b"")).problem(405, "method-not-allowed");
    for fine in ["text/event-stream", "*/*", "text/*"] {
        assert_eq!(server.send("GET", &path, &[("accept", fine)], None).status, 200, "{fine}");
    }
}
