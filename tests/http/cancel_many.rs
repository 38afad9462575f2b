//! `POST /v1/jobs/cancel`: every job that matches.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Raw, Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);

#[test]
fn those_with_the_tag_end_and_others_go_on() {
    let server = Server::start(&["--workers", "1"]);
    let submit = |tag: &str| {
        let nap = if tag == "wanted" { 60.0 } else { 0.4 };
        let body = json!({"function": "faults.nap", "args": [nap], "tags": [tag, "all"]});
        server.post("/v1/apply_async", &body).accepted()
    };
    let first = submit("other");
    let wanted: Vec<_> = (0..3).map(|_| submit("wanted")).collect();
    assert_eq!(server.post("/v1/jobs/cancel", &json!({"tag": "wanted"})).value(), json!({"cancelled": 3}));
    for id in &wanted {
        assert_eq!(server.job(id)["state"], "cancelled");
    }
    assert_eq!(server.result(&first, 10.0).value(), 0.4);
    assert_eq!(server.post("/v1/jobs/cancel", &json!({"tag": "all"})).value(), json!({"cancelled": 0}));
}

#[test]
fn it_needs_a_member_and_knows_its_members() {
    let server = Server::start(&[]);
    for (body, member) in [
        (json!({}), "tag"),
        (json!({"state": "succeeded"}), "state"),
        (json!({"tag": 1}), "tag"),
        (json!({"tags": ["a"]}), "tags"),
    ] {
        let problem = server.post("/v1/jobs/cancel", &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{body}");
    }
}

/// Its pool just ends, but the job has not yet.
#[test]
fn a_pool_that_just_ends_is_no_reason_to_stop() {
    let server = Server::start(&[]);
    let body = json!({"tag": "a"}).to_string();
    for round in 0..20 {
        let pool = json!({"name": "gone", "runtime": "python", "processes": 1});
        wait_until(BOUND, "the pool is made", || server.post("/v1/pools", &pool).status == 201);
        let submission = json!({"function": "faults.nap", "args": [600], "pool": "gone", "tags": ["a"]});
        server.post("/v1/apply_async", &submission).accepted();
        let [mut ending, mut cancelling] = [(); 2].map(|()| {
            let mut raw = Raw::connect(server.port());
            raw.request("GET /livez", "", b"");
            raw.answer(BOUND);
            raw
        });
        // Both have come when the server looks; a chunked body takes it one turn longer.
        server.signal(Signal::SIGSTOP);
        ending.request("DELETE /v1/pools/gone", "", b"");
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        cancelling.request("POST /v1/jobs/cancel", headers, b"");
        cancelling.write(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
        server.signal(Signal::SIGCONT);
        let cancelled = cancelling.answer(BOUND);
        assert_eq!(cancelled.status, 200, "round {round}: {}", cancelled.text());
        wait_until(BOUND, "the pool is gone", || server.get("/v1/pools/gone").status == 404);
    }
}
