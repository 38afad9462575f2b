//! `queue_timeout`: who waits longer than that never runs; who has started isn't touched.

use std::time::Duration;

use serde_json::{Value, json};

use super::verbs::Verbs;
use crate::support::{Gate, on_time, promised, value_in_time};

const LIMIT: Duration = Duration::from_millis(300);
/// What telling may take besides.
const SLACK: Duration = Duration::from_millis(200);

/// One worker, busy until the gate is opened, and the job that it runs.
fn busy() -> (Verbs, String, Gate) {
    let (server, gate) = (Verbs::alone(1), Gate::shut());
    let id = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&id);
    (server, id, gate)
}

#[test]
fn who_waits_too_long_is_told_so_and_never_runs() {
    on_time(|| {
        let (server, busy, gate) = busy();
        let path = server.path("ran");
        let options = json!({"queue_timeout": 0.3});
        let id = server.job_of("apply_async", "write", &json!([path, "async"]), &options);
        let answer = server.ask("apply", "write", &json!([path, "x"]), &options);
        let problem = answer.outcome("queue-timeout");
        assert!(answer.took >= LIMIT, "told after {:?}", answer.took);
        promised(answer.took, LIMIT + SLACK, "the end of the wait is told");
        assert!(problem.get("exception").is_none(), "{problem}");
        server.result(&id, 1.0).outcome("queue-timeout");
        let job = server.job(&id);
        assert_eq!((&job["state"], &job["attempts"]), (&json!("failed"), &json!(0)), "{job}");
        assert!(job.get("started_at").is_none(), "{job}");
        gate.open();
        assert_eq!(server.result(&busy, 10.0).value(), gate.path(), "what runs isn't touched");
        value_in_time(&server.ask("apply", "write", &json!([path, "after"]), &options), "queue-timeout");
        assert_eq!(server.words("ran"), ["after"], "they never ran");
    });
}

#[test]
fn who_waits_in_a_pipe_waits_too() {
    on_time(|| {
        let server = Verbs::alone(1);
        let path = server.path("ran");
        for _ in 0..300 {
            server.ask("apply", "hold_write", &json!(["", path, "quick"]), &json!({})).value();
        }
        let gate = Gate::shut();
        let head = json!([gate.path(), path, "slow"]);
        let head = server.job_of("apply_async", "hold_write", &head, &json!({}));
        let behind: Vec<String> = (0..20)
            .map(|_| {
                let options = json!({"queue_timeout": 0.3});
                server.job_of("apply_async", "hold_write", &json!(["", path, "late"]), &options)
            })
            .collect();
        for id in &behind {
            let answer = server.result(id, 5.0);
            answer.outcome("queue-timeout");
            promised(answer.took, Duration::from_secs(1), "the end of a wait is told");
        }
        gate.open();
        assert_eq!(server.result(&head, 10.0).value(), "slow");
        assert!(!server.words("ran").contains(&"late".to_owned()), "none of them ran");
        assert_eq!(server.apply("square", &json!([5])).value(), 25);
    });
}

#[test]
fn it_ends_with_the_start_of_the_first_task() {
    on_time(|| {
        let server = Verbs::start(1);
        let options = json!({"queue_timeout": 0.2});
        let answer = server.ask("apply", "nap_echo", &json!([[0.6, "x"]]), &options);
        assert_eq!(value_in_time(&answer, "queue-timeout"), "x", "it ran longer than it might have waited");
        // The last items of a map wait for longer.
        let items: Vec<Value> = (0..4).map(|i| json!([0.2, i])).collect();
        let options = json!({"queue_timeout": 0.2, "chunksize": 1});
        let answer = server.ask("map", "nap_echo", &json!(items), &options);
        assert_eq!(value_in_time(&answer, "queue-timeout"), json!([0, 1, 2, 3]));
    });
}

#[test]
fn a_map_that_never_starts_ends_whole() {
    on_time(|| {
        let (server, busy, gate) = busy();
        let path = server.path("ran");
        let items: Vec<Value> = (0..10).map(|i| json!([path, i.to_string(), 0])).collect();
        let options = json!({"queue_timeout": 0.3, "chunksize": 1});
        server.ask("map", "write_each", &json!(items), &options).outcome("queue-timeout");
        gate.open();
        assert_eq!(server.result(&busy, 10.0).value(), gate.path());
        assert!(server.words("ran").is_empty(), "nothing of it ran");
    });
}

#[test]
fn only_those_that_asked_for_it_time_out() {
    on_time(|| {
        let (server, busy, gate) = busy();
        let patient = server.submit("square", &json!([4]));
        let long = server.job_of("apply_async", "nap_echo", &json!([[0, 1]]), &json!({"queue_timeout": 60}));
        let short =
            server.job_of("apply_async", "nap_echo", &json!([[0, 2]]), &json!({"queue_timeout": 0.1}));
        server.result(&short, 5.0).outcome("queue-timeout");
        server.result(&patient, 0.0).problem(408, "result-timeout");
        gate.open();
        assert_eq!(server.result(&patient, 10.0).value(), 16);
        assert_eq!(server.result(&long, 10.0).value(), 1);
        server.result(&busy, 10.0).value();
    });
}
