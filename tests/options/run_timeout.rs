//! `run_timeout`: nothing that a function does outlasts it, and it ends nothing else.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::verbs::Verbs;
use crate::support::{late, on_time, proc, promised, value_in_time, wait_from};

const LIMIT: Duration = Duration::from_millis(500);
/// The limit and what telling may take.
const TOLD: Duration = Duration::from_millis(600);
const WHOLE: Duration = Duration::from_secs(1);
const GONE: Duration = Duration::from_secs(1);

/// Calls the function with a limit of half a second beside 40 neighbours, of which some wait behind it.
fn is_ended(function: &str) {
    let server = Verbs::alone(2);
    for i in 0..50 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i);
    }
    let before = server.fds();
    let path = server.path("family");
    let (answer, ended) = thread::scope(|scope| {
        let call = scope.spawn(|| {
            let answer = server.ask("apply", function, &json!([path]), &json!({"run_timeout": 0.5}));
            (answer, Instant::now())
        });
        let neighbours: Vec<_> = (0..40).map(|i| (i, server.submit("square", &json!([i])))).collect();
        for (i, id) in neighbours {
            assert_eq!(server.result(&id, 10.0).value(), i * i, "a neighbour of {function}");
        }
        call.join().expect("the client thread ends well")
    });
    let problem = answer.outcome("run-timeout");
    assert!(answer.took >= LIMIT, "{function} was told after {:?}", answer.took);
    promised(answer.took, TOLD, function);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("0.5")), "{problem}");
    assert!(problem.get("signal").is_none(), "the server's own kill is no death: {problem}");
    let family: Vec<i32> = server.words("family").iter().filter_map(|word| word.parse().ok()).collect();
    if family.len() != 3 {
        late(&format!("killed before it had told of worker, child and daemon: {family:?}"));
    }
    wait_from(ended, GONE, "the worker and what it left are gone", || {
        family.iter().all(|pid| proc::is_gone(*pid))
    });
    server.whole_again(ended, WHOLE, 2, &family);
    assert_eq!(server.apply("square", &json!([12])).value(), 144);
    server.nothing_left(before);
}

#[test]
fn a_loop_in_c() {
    on_time(|| {
        is_ended("busy_in_c");
    });
}

#[test]
fn a_pattern_without_end() {
    on_time(|| {
        is_ended("busy_pattern");
    });
}

#[test]
fn a_worker_that_stops_itself() {
    on_time(|| {
        is_ended("stop_myself");
    });
}

#[test]
fn a_function_that_ignores_every_signal() {
    on_time(|| {
        is_ended("deaf");
    });
}

#[test]
fn a_limit_that_is_not_reached_changes_nothing() {
    on_time(|| {
        let server = Verbs::start(1);
        let worker = server.workers()[0].pid;
        for limit in [json!(5), json!(0.9), json!(86_400)] {
            let options = json!({"run_timeout": limit});
            let answer = server.ask("apply", "nap_echo", &json!([[0.1, "x"]]), &options);
            assert_eq!(value_in_time(&answer, "run-timeout"), "x");
        }
        let id = server.job_of("apply_async", "nap_echo", &json!([[0.0, 1]]), &json!({"run_timeout": 2.5}));
        server.result(&id, 5.0).value();
        assert_eq!(server.job(&id)["run_timeout"], 2.5);
        assert_eq!(server.workers()[0].pid, worker, "nobody was killed");
    });
}

#[test]
fn the_clock_starts_when_the_task_does_not_when_it_is_submitted() {
    on_time(|| {
        let server = Verbs::start(1);
        let busy = server.submit("nap", &json!([1.0]));
        server.worker_of(&busy);
        // Each waits longer than it may run.
        let options = json!({"run_timeout": 0.6});
        let waiting: Vec<String> =
            (0..4).map(|i| server.job_of("apply_async", "nap_echo", &json!([[0.3, i]]), &options)).collect();
        for (i, id) in waiting.iter().enumerate() {
            assert_eq!(value_in_time(&server.result(id, 20.0), "run-timeout"), i);
        }
        assert_eq!(server.result(&busy, 5.0).value(), 1.0);
    });
}

#[test]
fn a_quick_function_that_is_slow_once_is_ended_and_those_behind_it_run() {
    on_time(|| {
        let server = Verbs::alone(1);
        for _ in 0..300 {
            server.ask("apply", "nap_echo", &json!([[0, 0]]), &json!({})).value();
        }
        let options = json!({"run_timeout": 0.5});
        let slow = server.job_of("apply_async", "nap_echo", &json!([[60, 0]]), &options);
        let behind: Vec<String> =
            (0..50).map(|i| server.job_of("apply_async", "nap_echo", &json!([[0, i]]), &options)).collect();
        server.result(&slow, 5.0).outcome("run-timeout");
        for (i, id) in behind.iter().enumerate() {
            assert_eq!(value_in_time(&server.result(id, 10.0), "run-timeout"), i);
            assert_eq!(server.job(id)["attempts"], 1);
        }
    });
}

#[test]
fn in_a_map_it_is_a_limit_for_each_task_and_names_the_item() {
    on_time(|| {
        let server = Verbs::start(2);
        let items: Vec<Value> = (0..8).map(|i| json!([if i == 5 { 60.0 } else { 0.2 }, i])).collect();
        let options = json!({"run_timeout": 0.6, "chunksize": 1});
        let problem = server.ask("map", "nap_echo", &json!(items), &options).outcome("run-timeout");
        if problem["index"] != 5 {
            late(&format!("a nap of 0.2 s took 0.6 s: {problem}"));
        }
        // The whole takes longer than any task may.
        let items: Vec<Value> = (0..8).map(|i| json!([0.2, i])).collect();
        let answer = server.ask("map", "nap_echo", &json!(items), &options);
        assert_eq!(value_in_time(&answer, "run-timeout"), json!([0, 1, 2, 3, 4, 5, 6, 7]));
    });
}

#[test]
fn the_state_is_failed_and_no_brake_counts_it() {
    on_time(|| {
        let server = Verbs::start(2);
        for _ in 0..15 {
            let options = json!({"run_timeout": 0.02});
            let id = server.job_of("apply_async", "nap_echo", &json!([[60, 0]]), &options);
            server.result(&id, 5.0).outcome("run-timeout");
            let job = server.job(&id);
            assert_eq!((&job["state"], &job["successful"]), (&json!("failed"), &json!(false)), "{job}");
            assert_eq!(job["error"]["code"], "run-timeout", "{job}");
            assert_eq!(server.apply("square", &json!([3])).value(), 9);
        }
        server.whole_again(Instant::now(), WHOLE, 2, &[]);
        assert_eq!(server.get("/readyz").status, 200);
    });
}
