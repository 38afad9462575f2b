//! What a job's terms hold counts among the bytes that finished jobs are kept with.

use serde_json::json;

use super::verbs::Verbs;
use crate::support::{Server, wait_until};

const JOBS: usize = 60;

#[test]
fn tags_and_keys_are_bytes_too() {
    let server = Server::start(&["--builtin", "--finished-bytes", "256KiB", "--workers", "1"]);
    // 8 KiB each.
    let tags: Vec<String> = (0..32).map(|i| format!("{i:0>256}")).collect();
    let jobs: Vec<String> = (0..JOBS)
        .map(|i| {
            let body = json!({"function": "builtin.echo", "args": [i], "tags": tags, "key": "k".repeat(256)});
            let id = server.post("/v1/apply_async", &body).accepted();
            assert_eq!(server.result(&id, 10.0).value(), i);
            id
        })
        .collect();
    server.result(&jobs[0], 0.0).problem(410, "expired");
    assert_eq!(server.result(&jobs[JOBS - 1], 0.0).value(), JOBS - 1);
    let kept = server.get("/v1/jobs?limit=100").value()["items"].as_array().map_or(0, Vec::len);
    assert!((20..=31).contains(&kept), "{kept} are kept");
}

#[test]
fn a_code_that_is_asked_for_many_times_is_one() {
    let server = Verbs::start(1);
    let many = vec!["function-raised"; 1_000];
    let path = server.path("count");
    let id = server.job_of(
        "apply_async",
        "raise_until",
        &json!([path, 2]),
        &json!({"retries": 1, "retry_on": many}),
    );
    assert_eq!(server.result(&id, 10.0).value(), 2);
    wait_until(std::time::Duration::from_secs(5), "it ran twice", || server.words("count").len() == 2);
}
