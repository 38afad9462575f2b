//! A line for each job that failed, or that ended, or for none; and for what is run again.

use serde_json::{Value, json};

use super::{BOUND, Logged};
use crate::support::wait_until;

const FAILED: &str = "a job failed";
const SUCCEEDED: &str = "a job succeeded";
const CANCELLED: &str = "a job was cancelled";
const REPEATED: &str = "a task failed and will be run again";

/// One of each end: a value, an exception, a cancel.
fn ends(server: &Logged) -> [String; 3] {
    let good = server.submit("square", &json!([3]), &json!({}));
    let bad = server.submit("fail", &json!(["bad"]), &json!({}));
    let cancelled = server.submit("nap", &json!([60]), &json!({}));
    server.result(&good, 10.0).value();
    server.result(&bad, 10.0).outcome("function-raised");
    server.cancel(&cancelled).value();
    server.result(&cancelled, 10.0).outcome("cancelled");
    [good, bad, cancelled]
}

#[track_caller]
fn assert_times(line: &Value, run_at_least: f64) {
    let queued = line["queue_seconds"].as_f64().expect("it waited");
    let run = line["run_seconds"].as_f64().expect("it ran");
    assert!((0.0..10.0).contains(&queued) && (run_at_least..10.0).contains(&run), "{line}");
}

#[test]
fn a_failed_job_is_told_with_what_was_wrong() {
    let server = Logged::serve(&[]);
    let [_, bad, _] = ends(&server);
    let line = server.line(FAILED, "job", &bad);
    for (field, value) in [
        ("level", json!("WARN")),
        ("target", json!("forkpool::jobs")),
        ("function", json!("faults.fail")),
        ("pool", json!("python")),
        ("code", json!("function-raised")),
        ("attempts", json!(1)),
        ("error", json!("ValueError: bad")),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert_times(&line, 0.0);
    let lines = server.ended();
    let jobs = lines.iter().filter(|line| line["target"] == "forkpool::jobs");
    assert_eq!(jobs.count(), 1, "neither what succeeded nor what was cancelled: {lines:?}");
}

#[test]
fn a_call_that_is_waited_for_is_told_too_and_so_is_a_maps_item() {
    let server = Logged::serve(&[]);
    let problem = server.apply("fail", &json!(["two\n\nlines"])).outcome("function-raised");
    let job = problem["instance"].as_str().and_then(|path| path.strip_prefix("/v1/jobs/")).expect("its job");
    assert_eq!(server.line(FAILED, "job", job)["error"], "ValueError: two | lines");
    let body = json!({"function": "faults.fail", "iterable": ["a"], "chunksize": 1});
    server.post("/v1/map", &body).outcome("function-raised");
    let line = server.line(FAILED, "error", "ValueError: a");
    assert_eq!((&line["index"], &line["code"]), (&json!(0), &json!("function-raised")));
    server.apply("fail", &json!(["x".repeat(100_000)])).outcome("function-raised");
    let is_long = |line: &Value| line["error"].as_str().is_some_and(|error| error.contains("xxx"));
    wait_until(BOUND, "the long one is told", || server.said(FAILED).iter().any(is_long));
    let long = server.said(FAILED).into_iter().find(is_long).expect("it is there");
    assert_eq!(long["error"].as_str().map(|error| error.chars().count()), Some(301), "{long}");
}

#[test]
fn what_ended_a_job_is_told_whatever_it_was() {
    let server = Logged::serve(&["--workers", "1"]);
    let overrun = server.submit("nap", &json!([60]), &json!({"run_timeout": 0.3}));
    let late = server.submit("square", &json!([1]), &json!({"queue_timeout": 0.1}));
    let line = server.line(FAILED, "job", &late);
    assert_eq!((&line["code"], line.get("run_seconds")), (&json!("queue-timeout"), None));
    let waited = line["queue_seconds"].as_f64().unwrap_or_default();
    assert!((0.1..10.0).contains(&waited), "{line}");
    let line = server.line(FAILED, "job", &overrun);
    assert_eq!(line["code"], "run-timeout");
    assert!(line["error"].as_str().is_some_and(|error| error.contains("run_timeout")), "{line}");
    assert_times(&line, 0.3);
}

#[test]
fn all_jobs_are_told_or_none_as_asked() {
    let server = Logged::serve(&["--log-jobs=all"]);
    let [good, bad, cancelled] = ends(&server);
    let line = server.line(SUCCEEDED, "job", &good);
    assert_eq!((&line["level"], &line["attempts"]), (&json!("INFO"), &json!(1)));
    assert_times(&line, 0.0);
    assert_eq!(server.line(CANCELLED, "job", &cancelled)["level"], "INFO");
    assert_eq!(server.line(FAILED, "job", &bad)["level"], "WARN");

    let server = Logged::with_filter("trace", &["--log-jobs=none"]);
    ends(&server);
    let lines = server.ended();
    assert!(lines.iter().all(|line| line["target"] != "forkpool::jobs"), "{lines:?}");
}

#[test]
fn what_is_run_again_is_told_where_all_is() {
    let server = Logged::serve(&["--log-jobs=all"]);
    let marker = server.path("once");
    let job = server.submit("fail_once", &json!([marker]), &json!({"retries": 2}));
    server.result(&job, 10.0).value();
    let line = server.line(REPEATED, "job", &job);
    assert_eq!((&line["level"], &line["attempt"]), (&json!("INFO"), &json!(1)));
    assert_eq!((&line["code"], &line["error"]), (&json!("function-raised"), &json!("KeyError: 'at first'")));
    assert_eq!(server.line(SUCCEEDED, "job", &job)["attempts"], 2);
    // An item of a map that answers each by itself, and a death.
    let marker = server.path("item");
    let mut body = json!({"function": "faults.fail_on_items_once", "iterable": [marker], "retries": 1});
    body["on_error"] = json!("collect");
    let answer = server.post("/v1/map", &body).value();
    assert_eq!(answer, json!([{"value": null}]));
    wait_until(BOUND, "the item is told", || server.said(REPEATED).len() == 2);
    let job = server.submit("leave", &json!([3]), &json!({"retries": 1}));
    server.result(&job, 10.0).outcome("worker-died");
    assert_eq!(server.line(REPEATED, "job", &job)["code"], "worker-died");
    assert_eq!(server.line(FAILED, "job", &job)["attempts"], 2);
}
