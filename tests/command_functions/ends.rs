//! When a command ends, and what ends with it.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Server, proc, wait_until};

const BOUND: Duration = Duration::from_secs(10);

/// A shell that starts a sleep beside itself and waits for it.
const NAP: &str = "nap=sh -c 'sleep 1000 & wait'";

fn apply(server: &Server, function: &str, args: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "args": args}))
}

fn submit(server: &Server, function: &str) -> String {
    server.post("/v1/apply_async", &json!({"function": function})).accepted()
}

/// The shell and the sleep below a worker, once both are there.
#[track_caller]
fn shell_and_sleep(worker: i32) -> [i32; 2] {
    let mut found = None;
    wait_until(BOUND, "the worker's shell has started its sleep", || {
        let shell = proc::children(worker).first().copied();
        let sleep = shell.and_then(|shell| proc::children(shell).first().copied());
        let name = sleep.and_then(|sleep| std::fs::read_to_string(format!("/proc/{sleep}/comm")).ok());
        found = shell.zip(sleep).filter(|_| name.is_some_and(|name| name.trim() == "sleep"));
        found.is_some()
    });
    let (shell, sleep) = found.expect("the wait ended with both");
    [shell, sleep]
}

#[test]
fn a_cancel_ends_the_whole_group() {
    let server = Server::bare(&["--command", NAP, "--command", "echo=echo {0}", "--workers", "1"]);
    let id = submit(&server, "nap");
    let worker = server.workers_of("command")[0].pid;
    let processes = shell_and_sleep(worker);
    for pid in processes {
        assert_eq!(proc::stat(pid).map(|stat| stat.group), Some(worker), "of the worker's group");
    }
    server.cancel(&id).value();
    server.result(&id, 5.0).outcome("cancelled");
    wait_until(BOUND, "shell and sleep are gone", || processes.iter().all(|pid| proc::is_gone(*pid)));
    assert_eq!(apply(&server, "echo", &json!(["next"])).value(), "next");
}

#[test]
fn a_killed_server_takes_its_commands_along() {
    let mut server = Server::bare(&["--command", "nap=sleep 1000", "--workers", "1"]);
    submit(&server, "nap");
    let worker = server.workers_of("command")[0].pid;
    let mut sleep = Vec::new();
    wait_until(BOUND, "the sleep runs", || {
        sleep = proc::children(worker);
        // Between fork and exec it has not yet armed anything.
        let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        sleep.first().is_some_and(|pid| name(pid).trim() == "sleep")
    });
    let processes = server.processes();
    let start = Instant::now();
    server.signal(Signal::SIGKILL);
    server.ended(BOUND);
    server.all_gone(start, BOUND, &processes);
    assert!(proc::is_gone(sleep[0]));
}

#[test]
fn what_it_leaves_running_does_not_hold_it_up() {
    // The first sleep holds both pipes; the second program writes to them without end.
    let leave = "leave=sh -c 'sleep 1000 & echo said; echo told >&2'";
    let chatter = "chatter=sh -c 'yes >&2 & echo said'";
    let server = Server::bare(&["--command", leave, "--command", chatter, "--workers", "1"]);
    for function in ["leave", "leave", "chatter"] {
        let answer = apply(&server, function, &json!([]));
        assert_eq!(answer.value(), "said", "{function}");
        assert!(answer.took < BOUND, "{function} took {:?}", answer.took);
    }
}

#[test]
fn closed_pipes_are_no_end() {
    let quiet = "quiet=sh -c 'exec <&- >&- 2>&-; sleep 0.3; exit 7'";
    let server = Server::bare(&["--command", quiet]);
    let answer = apply(&server, "quiet", &json!(["x".repeat(1 << 20)]));
    assert_eq!(answer.outcome("command-failed")["exit_code"], 7);
    assert!(answer.took >= Duration::from_millis(300), "waited for its end: {:?}", answer.took);
}

#[test]
fn input_and_outputs_flow_at_once() {
    // Every line comes back twice, on both pipes, while the input is still being sent.
    let server = Server::bare(&["--command", "both=tee /dev/stderr", "--worker-output", "job"]);
    let text = "a line of some length, again and again\n".repeat(60_000);
    let value = apply(&server, "both", &json!([text])).value();
    assert!(value.as_str().is_some_and(|value| value.len() == text.len() - 1), "less one newline");
}

#[test]
fn a_hundred_calls_leave_nothing() {
    let server = Server::bare(&["--command", "cat=cat", "--command", "fail=false", "--workers", "1"]);
    let worker = server.workers_of("command")[0].pid;
    assert_eq!(apply(&server, "cat", &json!(["x"])).value(), "x");
    let before = proc::descriptors(worker).len();
    for i in 0..100 {
        assert_eq!(apply(&server, "cat", &json!([i])).value(), i.to_string());
        apply(&server, "fail", &json!(["unread"])).outcome("command-failed");
    }
    assert_eq!(proc::descriptors(worker).len(), before, "descriptors of the worker");
    assert_eq!((proc::children(worker), proc::zombies(worker)), (Vec::new(), Vec::new()));
    assert_eq!(server.workers_of("command")[0].pid, worker);
}
