//! `retries`, `retry_on`, `retry_delay`: how often, after what, how soon; and never after a cancel.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::verbs::Verbs;
use crate::support::{late, never_within, on_time, proc, promised, wait_until};

/// How much later than its moment a retry may start.
const LATE: f64 = 0.3;

/// A job that calls `function(path, times)` with these options, ended: its answer's status and value or code,
/// and how often it ran.
fn runs(server: &Verbs, function: &str, times: u32, options: &Value) -> (Value, usize) {
    let (name, path) = fresh(server);
    let id = server.job_of("apply_async", function, &json!([path, times]), options);
    let answer = server.result(&id, 20.0);
    let count = server.words(&name).len();
    let job = server.job(&id);
    assert_eq!(job["attempts"], count, "{function}, {options}: {job}");
    let said = if answer.status == 200 { answer.value() } else { answer.problem_of(422)["code"].clone() };
    (said, count)
}

/// A file that no call has used.
fn fresh(server: &Verbs) -> (String, String) {
    let unused = |i: &u32| server.words(&format!("count{i}")).is_empty();
    let name = (0..).find(unused).map(|i| format!("count{i}")).expect("a number is free");
    let path = server.path(&name);
    (name, path)
}

#[test]
fn what_is_run_again_and_how_often() {
    let server = Verbs::start(2);
    let table = [
        // By default nothing is.
        ("raise_until", 2, json!({}), json!("function-raised"), 1),
        ("exit_until", 2, json!({}), json!("worker-died"), 1),
        ("raise_until", 2, json!({"retries": 0}), json!("function-raised"), 1),
        // Until it succeeds, and not once more.
        ("raise_until", 1, json!({"retries": 3}), json!(1), 1),
        ("raise_until", 3, json!({"retries": 3}), json!(3), 3),
        ("exit_until", 2, json!({"retries": 5}), json!(2), 2),
        // Retries are counted without the first run.
        ("raise_until", 9, json!({"retries": 1}), json!("function-raised"), 2),
        ("raise_until", 9, json!({"retries": 4}), json!("function-raised"), 5),
        ("exit_until", 9, json!({"retries": 2}), json!("worker-died"), 3),
        // After what was asked for alone.
        ("raise_until", 2, json!({"retries": 3, "retry_on": ["worker-died"]}), json!("function-raised"), 1),
        ("exit_until", 2, json!({"retries": 3, "retry_on": ["function-raised"]}), json!("worker-died"), 1),
        ("exit_until", 2, json!({"retries": 3, "retry_on": ["worker-died"]}), json!(2), 2),
        ("raise_until", 2, json!({"retries": 3, "retry_on": []}), json!("function-raised"), 1),
        ("raise_until", 2, json!({"retry_on": ["function-raised"]}), json!("function-raised"), 1),
        // What would end the same way again isn't among them by default.
        ("set_until", 2, json!({"retries": 3}), json!("result-not-json"), 1),
        ("nap_until", 2, json!({"retries": 3, "run_timeout": 2}), json!("run-timeout"), 1),
        ("nap_until", 2, json!({"retries": 3, "run_timeout": 2, "retry_on": ["run-timeout"]}), json!(2), 2),
    ];
    for (function, times, options, wanted, count) in table {
        let got = runs(&server, function, times, &options);
        assert_eq!(got, (wanted, count), "{function} that succeeds in run {times}, with {options}");
    }
}

#[test]
fn a_synchronous_call_is_retried_too() {
    let server = Verbs::start(2);
    let path = server.path("count");
    let answer = server.ask("apply", "exit_until", &json!([path, 3]), &json!({"retries": 2}));
    assert_eq!(answer.value(), 3);
}

#[test]
fn what_earlier_attempts_failed_with_stays_with_the_job() {
    let server = Verbs::start(1);
    let errors = |function: &str, times: u32, options: Value| {
        let path = fresh(&server).1;
        let id = server.job_of("apply_async", function, &json!([path, times]), &options);
        server.result(&id, 20.0);
        let job = server.job(&id);
        (job["attempt_errors"].as_array().cloned(), job)
    };
    let (none, _) = errors("raise_until", 1, json!({"retries": 3}));
    assert!(none.is_none(), "without a failed attempt there is no such member");
    let (raised, job) = errors("raise_until", 3, json!({"retries": 3}));
    let raised = raised.expect("two attempts failed");
    assert_eq!((raised.len(), &job["state"]), (2, &json!("succeeded")), "{job}");
    for (attempt, failed) in (1..).zip(&raised) {
        assert_eq!(failed["attempt"], attempt, "{failed}");
        assert_eq!(failed["error"]["code"], "function-raised", "{failed}");
        let traceback = failed["error"]["exception"]["traceback"].as_str().unwrap_or_default();
        assert!(traceback.contains("in raise_until"), "{failed}");
        assert!(failed["at"].as_str() >= job["created_at"].as_str(), "{failed}");
    }
    let (died, _) = errors("exit_until", 9, json!({"retries": 2}));
    assert!(died.is_some_and(|died| died.len() == 2 && died[1]["error"]["code"] == "worker-died"));
    let (many, job) = errors("raise_until", 99, json!({"retries": 14}));
    let attempts: Option<Vec<Value>> =
        many.map(|many| many.iter().map(|one| one["attempt"].clone()).collect());
    assert_eq!(attempts, Some((5..=14).map(Value::from).collect()), "the last ten: {job}");
    // Of a map, the item's index is told.
    let path = server.path("item");
    let items = json!([[path, 0], [path, 1], [path, 2]]);
    let more = json!({"retries": 1, "on_error": "collect"});
    let id = server.job_of("map_async", "raise_once_on", &items, &more);
    server.result(&id, 20.0).value();
    let job = server.job(&id);
    let failed = job["attempt_errors"].as_array().cloned().unwrap_or_default();
    assert!(failed.iter().all(|one| one["error"]["index"].is_u64()) && !failed.is_empty(), "{job}");
}

#[test]
fn the_last_failure_is_the_one_told() {
    let server = Verbs::start(1);
    let path = server.path("count");
    let answer = server.ask("apply", "raise_until", &json!([path, 9]), &json!({"retries": 2}));
    let problem = answer.outcome("function-raised");
    assert_eq!(problem["exception"]["args"], json!(["not yet", 3]), "{problem}");
}

#[test]
fn a_worker_killed_from_outside_costs_one_attempt() {
    let server = Verbs::start(2);
    let id = server.job_of("apply_async", "nap_once", &json!([server.path("count")]), &json!({"retries": 1}));
    let victim = server.worker_of(&id).pid;
    wait_until(Duration::from_secs(5), "it has begun", || server.words("count").len() == 1);
    proc::signal(victim, Signal::SIGKILL);
    assert_eq!(server.result(&id, 10.0).value(), 2);
    assert_eq!(server.job(&id)["attempts"], 2);
}

#[test]
fn the_pause_is_doubled_each_time_and_holds_no_worker() {
    on_time(|| {
        let server = Verbs::alone(1);
        let path = server.path("count");
        let options = json!({"retries": 4, "retry_delay": 0.2});
        let id = server.job_of("apply_async", "raise_until", &json!([path, 4]), &options);
        let mut beside = 0;
        while server.result(&id, 0.05).status == 408 {
            let answer = server.apply("square", &json!([6]));
            assert_eq!(answer.value(), 36);
            promised(answer.took, Duration::from_millis(150), "a call while the worker is free");
            beside += 1;
        }
        if beside <= 3 {
            late(&format!("calls ran in the pauses: {beside}"));
        }
        assert_eq!(server.result(&id, 5.0).value(), 4);
        let moments: Vec<f64> = server.words("count").iter().filter_map(|word| word.parse().ok()).collect();
        let pauses: Vec<f64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses.len(), 3, "{pauses:?}");
        for (pause, wanted) in pauses.iter().zip([0.2, 0.4, 0.8]) {
            assert!(*pause >= wanted - 0.001, "{pauses:?}");
            promised(Duration::from_secs_f64(*pause), Duration::from_secs_f64(wanted + LATE), "a pause");
        }
    });
}

#[test]
fn a_cancelled_job_that_ran_never_runs_again() {
    let server = Verbs::start(2);
    let options = json!({"retries": 9, "retry_on": ["worker-died", "function-raised", "run-timeout"]});
    let id = server.job_of("apply_async", "nap_until", &json!([server.path("count"), 9]), &options);
    wait_until(Duration::from_secs(5), "it has begun", || server.words("count").len() == 1);
    let job = server.cancel(&id).value();
    assert_eq!(job["state"], "cancelled", "{job}");
    server.result(&id, 5.0).outcome("cancelled");
    never_within(Duration::from_millis(500), "a second run", || server.words("count").len() > 1);
    assert_eq!(server.job(&id)["attempts"], 1);
}

#[test]
fn a_job_cancelled_in_its_pause_ends_at_once_and_never_runs_again() {
    on_time(|| {
        let server = Verbs::start(1);
        let options = json!({"retries": 9, "retry_delay": 0.6});
        let id = server.job_of("apply_async", "raise_until", &json!([server.path("count"), 9]), &options);
        wait_until(Duration::from_secs(5), "it has begun", || server.words("count").len() == 1);
        server.result(&id, 0.1).problem(408, "result-timeout");
        let answer = server.cancel(&id);
        assert_eq!(answer.value()["state"], "cancelled");
        promised(answer.took, Duration::from_millis(400), "a cancel that waits for no pause");
        server.result(&id, 10.0).outcome("cancelled");
        let then = server.words("count").len();
        never_within(Duration::from_secs(1), "another run", || server.words("count").len() > then);
        assert_eq!(server.apply("square", &json!([2])).value(), 4);
    });
}

#[test]
fn a_client_that_leaves_in_a_pause_ends_its_job() {
    let server = Verbs::start(1);
    let body = super::verbs::body(
        "apply",
        "verbs.raise_until",
        &json!([server.path("count"), 9]),
        &json!({"retries": 9, "retry_delay": 0.5}),
    );
    let mut raw = crate::support::Raw::connect(server.port());
    raw.request("POST /v1/apply", "", body.to_string().as_bytes());
    wait_until(Duration::from_secs(5), "it has begun", || server.words("count").len() == 1);
    let then = server.words("count").len();
    raw.leave();
    // One may have begun before the server knew.
    never_within(Duration::from_millis(1_500), "two more runs", || server.words("count").len() > then + 1);
    wait_until(Duration::from_secs(10), "it is forgotten", || {
        server.get("/v1/jobs").value()["items"] == json!([])
    });
}

#[test]
fn of_a_map_the_failed_chunk_alone_is_run_again() {
    let server = Verbs::start(2);
    let path = server.path("once");
    let items: Vec<Value> = (0..20).map(|i| if i == 7 { json!([path, i]) } else { json!(["", i]) }).collect();
    for chunksize in [1, 4] {
        let options = json!({"retries": 1, "chunksize": chunksize});
        let id = server.job_of("map_async", "raise_once_on", &json!(items), &options);
        let wanted: Vec<u32> = (0..20).collect();
        assert_eq!(server.result(&id, 10.0).value(), json!(wanted), "chunksize {chunksize}");
        let job = server.job(&id);
        assert_eq!(job["progress"], json!({"done": 20, "total": 20}), "{job}");
    }
    assert_eq!(server.words("once").len(), 3, "once in vain, once well; then well at once");
    let again = json!([server.path("other"), 3]);
    server.ask("map", "raise_once_on", &json!([again]), &json!({})).outcome("function-raised");
}
