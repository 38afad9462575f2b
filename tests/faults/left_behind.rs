//! f20, f21: what a function leaves behind ends with its worker at the latest, and disturbs nobody before.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Server, on_time, proc, promised, wait_from};

const GONE: Duration = Duration::from_secs(1);

fn pid_of(value: &Value) -> i32 {
    value.as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_else(|| panic!("no pid: {value}"))
}

/// The function leaves a process; the worker is killed; the process must be gone soon.
fn ends_with_its_worker(function: &str) {
    let server = Server::start(&["--workers", "1"]);
    server.apply("square", &json!([2])).value();
    let before = server.fds();
    let answer = server.apply(function, &json!([]));
    promised(answer.took, Duration::from_secs(2), "an answer, which does not wait for the child,");
    let left = pid_of(&answer.value());
    assert!(!proc::is_gone(left), "it was left running");
    assert_eq!(server.apply("square", &json!([3])).value(), 9, "the worker goes on meanwhile");
    let worker = server.workers()[0].pid;
    let killed = Instant::now();
    proc::signal(worker, Signal::SIGKILL);
    wait_from(killed, GONE, "what it left is gone", || proc::is_gone(left));
    server.whole_again(killed, Duration::from_secs(2), 1, &[worker]);
    assert_eq!(server.apply("square", &json!([4])).value(), 16);
    server.nothing_left(before);
}

#[test]
fn f20_a_forked_child() {
    on_time(|| ends_with_its_worker("leave_child"));
}

#[test]
fn f21_a_daemon_in_a_session_of_its_own() {
    on_time(|| ends_with_its_worker("leave_daemon"));
}

#[test]
fn f20_a_child_at_the_servers_end() {
    on_time(|| {
        let mut server = Server::start(&[]);
        let left = pid_of(&server.apply("leave_child", &json!([])).value());
        let daemon = pid_of(&server.apply("leave_daemon", &json!([])).value());
        let processes = server.processes();
        server.signal(Signal::SIGTERM);
        assert!(server.ended(Duration::from_secs(5)).success(), "exit 0");
        let end = Instant::now();
        wait_from(end, GONE, "both are gone", || proc::is_gone(left) && proc::is_gone(daemon));
        server.all_gone(end, GONE, &processes);
    });
}

#[test]
fn f20_a_forked_copy_of_a_worker_never_answers() {
    let server = Server::start(&["--workers", "1"]);
    for i in 0..20 {
        assert_eq!(server.apply("fork_and_return", &json!([])).value(), "parent");
        assert_eq!(server.apply("echo", &json!([i])).value(), i);
    }
}

#[test]
fn f26_a_thread_left_behind_does_no_harm() {
    let server = Server::start(&["--workers", "1"]);
    server.apply("leave_thread", &json!([])).value();
    for i in 0..20 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i);
    }
}
