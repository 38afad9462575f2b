//! f16, f17, f23, f24: functions that write to the protocol's descriptors, or close them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Server, on_time, promised, wait_until};

const QUICK: Duration = Duration::from_secs(1);

/// Calls it; the outcome must be one of `codes`, soon, and the pool whole with right answers afterwards.
fn disturbs(function: &str, codes: &[&str]) {
    let server = Server::start(&[]);
    server.apply("square", &json!([2])).value();
    let before = server.fds();
    for _ in 0..3 {
        let start = Instant::now();
        let answer = server.apply(function, &json!([]));
        let took = start.elapsed();
        let problem = answer.problem_of(422);
        assert!(codes.iter().any(|code| problem["code"] == *code), "{function}: one of {codes:?}: {problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        let is_told = detail.contains(function) && detail.contains("descriptor");
        assert!(is_told || problem["code"] == "worker-died", "what did it, and where: {problem}");
        promised(took, QUICK, function);
        server.whole_again(start, Duration::from_secs(2), 2, &[]);
        for i in 0..10 {
            assert_eq!(server.apply("square", &json!([i])).value(), i * i, "after {function}");
        }
    }
    server.nothing_left(before);
}

#[test]
fn f16_garbage_among_the_answers() {
    on_time(|| disturbs("garbage", &["worker-protocol-error"]));
}

#[test]
fn f16_garbage_before_an_answer() {
    on_time(|| disturbs("garbage_and_return", &["worker-protocol-error"]));
}

#[test]
fn f16_an_answer_to_a_task_that_never_was() {
    on_time(|| disturbs("garbage_that_looks_well", &["worker-protocol-error"]));
}

#[test]
fn f16_a_length_without_end() {
    on_time(|| disturbs("length_without_end", &["worker-protocol-error"]));
}

#[test]
fn f17_half_a_frame_holds_up_nobody() {
    on_time(|| {
        let server = Server::start(&[]);
        let id = server.submit("half_a_frame", &json!([]));
        server.worker_of(&id);
        for i in 0..20 {
            let answer = server.apply("square", &json!([i]));
            assert_eq!(answer.value(), i * i);
            promised(answer.took, QUICK, "a call beside it");
        }
        server.cancel(&id).value();
        let start = Instant::now();
        server.result(&id, 10.0).outcome("cancelled");
        promised(start.elapsed(), QUICK, "a cancel");
        server.whole_again(start, Duration::from_secs(2), 2, &[]);
    });
}

#[test]
fn f23_all_descriptors_closed() {
    on_time(|| disturbs("close_all", &["worker-died", "worker-protocol-error"]));
}

#[test]
fn f24_the_answers_descriptor_closed() {
    on_time(|| disturbs("close_answers", &["worker-died", "worker-protocol-error"]));
}

#[test]
fn the_tasks_descriptor_closed_is_healed() {
    let server = Server::start(&["--workers", "1"]);
    let pid = server.apply("pid", &json!([])).value();
    // Its answer may come: the worker notices only when it reads the next task.
    let answer = server.apply("close_tasks", &json!([]));
    assert!(answer.status == 200 || answer.status == 422, "{}", answer.text());
    for i in 0..20 {
        let answer = server.apply("square", &json!([i]));
        assert_eq!(answer.value(), i * i, "no job is lost to it");
    }
    wait_until(Duration::from_secs(10), "another worker is in its place", || {
        server.apply("pid", &json!([])).value() != pid
    });
}
