//! Which request a key belongs to, and what it is answered later.

use std::time::Duration;

use serde_json::json;

use super::keyed::{Runs, assert_same, post, serve};
use crate::support::wait_until;

#[test]
fn the_same_again_is_the_same_answer() {
    let server = serve(&[]);
    let runs = Runs::new();
    let item = json!([runs.path(), "run", 0.0]);
    let map = json!({"function": "verbs.write_each", "iterable": [item]});
    let starmap = json!({"function": "verbs.write", "iterable": [[runs.path(), "run"]]});
    let calls = [
        ("/v1/apply", runs.call(0.0)),
        ("/v1/apply_async", runs.call(0.0)),
        ("/v1/map", map.clone()),
        ("/v1/map_async", map),
        ("/v1/starmap", starmap.clone()),
        ("/v1/starmap_async", starmap),
    ];
    for (number, (path, body)) in calls.iter().enumerate() {
        let key = format!("key-{number}");
        let first = post(&server, path, &key, body);
        assert!(matches!(first.status, 200 | 202), "{path}: {}", first.text());
        wait_until(Duration::from_secs(10), "it has run", || runs.count() == number + 1);
        for _ in 0..3 {
            assert_same(&post(&server, path, &key, body), &first);
        }
    }
    assert_eq!(runs.count(), calls.len());
    assert_eq!(server.get("/v1/jobs").value()["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn another_request_under_the_key_is_refused() {
    let server = serve(&[]);
    let runs = Runs::new();
    let body = runs.call(0.0);
    post(&server, "/v1/apply_async", "k", &body).accepted();
    let refused = |answer: crate::support::Answer| {
        let problem = answer.problem(422, "idempotency-mismatch");
        assert_eq!(problem["member"], "Idempotency-Key");
    };
    refused(post(&server, "/v1/apply_async", "k", &runs.call(0.1)));
    refused(post(&server, "/v1/apply", "k", &body));
    refused(post(&server, "/v1/apply_async?x=1", "k", &body));
    refused(post(&server, "/v1/pools", "k", &json!({})));
    let running = runs.call(1.0);
    let id = post(&server, "/v1/apply_async", "r", &running).accepted();
    refused(post(&server, "/v1/apply_async", "r", &body));
    assert_eq!(post(&server, "/v1/apply_async", "r", &running).accepted(), id);
    post(&server, "/v1/apply_async", "K", &body).accepted();
    server.result(&id, 10.0).value();
    wait_until(Duration::from_secs(10), "all have run", || runs.count() == 3);
}

#[test]
fn a_key_outlives_its_result() {
    let server = serve(&["--result-ttl", "1"]);
    let runs = Runs::new();
    let job = post(&server, "/v1/apply_async", "job", &runs.call(0.0)).accepted();
    assert_eq!(post(&server, "/v1/apply", "call", &runs.call(0.0)).value(), "run");
    let mut longer = runs.call(0.0);
    longer["result_ttl"] = json!(600);
    assert_eq!(post(&server, "/v1/apply", "longer", &longer).value(), "run");
    wait_until(Duration::from_secs(10), "the job expires", || server.result(&job, 0.0).status == 410);
    post(&server, "/v1/apply_async", "job", &runs.call(0.0)).problem(410, "expired");
    post(&server, "/v1/apply_async", "job", &runs.call(0.5)).problem(422, "idempotency-mismatch");
    wait_until(Duration::from_secs(10), "the call's answer expires", || {
        post(&server, "/v1/apply", "call", &runs.call(0.0)).status == 410
    });
    post(&server, "/v1/apply", "call", &runs.call(0.0)).problem(410, "expired");
    assert_eq!(post(&server, "/v1/apply", "longer", &longer).value(), "run");
    assert_eq!(runs.count(), 3, "a key's second answer never runs anything");
}

#[test]
fn a_forgotten_job_is_gone_for_its_key_too() {
    let server = serve(&[]);
    let runs = Runs::new();
    let job = post(&server, "/v1/apply_async", "k", &runs.call(0.0)).accepted();
    server.result(&job, 10.0).value();
    assert_eq!(server.delete(&format!("/v1/jobs/{job}")).status, 204);
    post(&server, "/v1/apply_async", "k", &runs.call(0.0)).problem(410, "expired");
    assert_eq!(runs.count(), 1);
}

#[test]
fn cancels_and_pools_are_answered_again() {
    let server = serve(&["--builtin"]);
    let job = server.submit("nap", &json!([600]));
    server.worker_of(&job);
    let path = format!("/v1/jobs/{job}/cancel");
    let first = post(&server, &path, "cancel", &json!({}));
    assert_eq!(first.value()["state"], "cancelled");
    assert_same(&post(&server, &path, "cancel", &json!({})), &first);

    let body = json!({"function": "faults.nap"});
    let nap = || server.submit("nap", &json!([600]));
    let one = nap();
    server.worker_of(&one);
    let first = post(&server, "/v1/jobs/cancel", "many", &body);
    assert_eq!(first.value(), json!({"cancelled": 1}));
    let other = nap();
    assert_same(&post(&server, "/v1/jobs/cancel", "many", &body), &first);
    assert_eq!(server.job(&other)["ready"], false, "nothing was cancelled again");
    server.cancel(&other).value();

    let pool = json!({"name": "mine", "runtime": "native", "processes": 1});
    let first = post(&server, "/v1/pools", "pool", &pool);
    assert_eq!(first.status, 201, "{}", first.text());
    post(&server, "/v1/pools/mine/join", "join", &json!({"timeout": 5})).problem(409, "pool-running");
    let closed = post(&server, "/v1/pools/mine/close", "close", &json!({}));
    assert_eq!(closed.value()["state"], "closed");
    assert_same(&post(&server, "/v1/pools/mine/close", "close", &json!({})), &closed);
    let joined = post(&server, "/v1/pools/mine/join", "join", &json!({"timeout": 5}));
    assert_eq!(joined.status, 200, "what ran nothing left the key free: {}", joined.text());
    assert_eq!(server.delete("/v1/pools/mine").status, 204);
    assert_same(&post(&server, "/v1/pools", "pool", &pool), &first);
    assert_same(&post(&server, "/v1/pools/mine/join", "join", &json!({"timeout": 5})), &joined);
    server.get("/v1/pools/mine").problem(404, "unknown-pool");
}

#[test]
fn other_methods_pass() {
    let server = serve(&[]);
    let job = server.submit("square", &json!([3]));
    server.result(&job, 10.0).value();
    let path = format!("/v1/jobs/{job}");
    for _ in 0..2 {
        assert_eq!(server.send("GET", &path, &[("idempotency-key", "same")], None).status, 200);
    }
    let delete = |_| server.send("DELETE", &path, &[("idempotency-key", "same")], None).status;
    assert_eq!([0, 1].map(delete), [204, 404]);
}
