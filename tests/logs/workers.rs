//! Deaths of workers: whose, of what, after how long.

use serde_json::json;

use super::{BOUND, Logged};
use crate::support::{proc, wait_until};

const DIED: &str = "a worker died";
const IDLE_DIED: &str = "an idle worker died";

#[test]
fn a_death_is_told_with_function_job_pid_and_attempt() {
    let server = Logged::serve(&[]);
    for (function, number, exit) in
        [("leave", 3, "exit status 3"), ("kill_myself", 11, "SIGSEGV"), ("kill_myself", 40, "signal 40")]
    {
        let job = server.submit(function, &json!([number]), &json!({}));
        server.result(&job, 10.0).outcome("worker-died");
        let line = server.line(DIED, "job", &job);
        assert_eq!(line["exit"], exit, "{line}");
        assert_eq!(
            (&line["level"], &line["pool"], &line["attempt"]),
            (&json!("WARN"), &json!("python"), &json!(1))
        );
        assert_eq!(line["function"], format!("faults.{function}"));
        let seconds = line["run_seconds"].as_f64();
        assert!(seconds.is_some_and(|seconds| (0.0..10.0).contains(&seconds)), "{line}");
    }
    let job = server.submit("nap", &json!([60]), &json!({"retries": 1}));
    for _ in 0..2 {
        let pid = server.worker_of(&job).pid;
        proc::signal(pid, nix::sys::signal::Signal::SIGKILL);
        wait_until(BOUND, "the death is told", || server.said(DIED).iter().any(|line| line["pid"] == pid));
    }
    let attempts = server.said(DIED).into_iter().filter(|line| line["job"] == job.as_str());
    assert_eq!(attempts.map(|line| line["attempt"].clone()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn the_death_of_an_idle_worker_is_told_as_that() {
    let server = Logged::serve(&["--workers", "1"]);
    let first = server.workers()[0].pid;
    proc::signal(first, nix::sys::signal::Signal::SIGTERM);
    let line = server.line(IDLE_DIED, "exit", "SIGTERM");
    assert_eq!((&line["pid"], line.get("last_job")), (&json!(first), None));
    let job = server.submit("square", &json!([3]), &json!({}));
    server.result(&job, 10.0).value();
    let second = server.workers()[0].pid;
    proc::signal(second, nix::sys::signal::Signal::SIGKILL);
    let line = server.line(IDLE_DIED, "exit", "SIGKILL");
    assert_eq!((&line["pid"], &line["last_job"]), (&json!(second), &json!(job)));
    assert_eq!(line["last_function"], "faults.square");
    assert!(server.said(DIED).is_empty());
}

#[test]
fn a_worker_that_the_server_ends_is_no_death() {
    let server = Logged::with_filter("debug", &[]);
    let job = server.submit("nap", &json!([60]), &json!({}));
    let pid = server.worker_of(&job).pid;
    server.cancel(&job).value();
    wait_until(BOUND, "the kill is told", || {
        server
            .said("a worker is killed")
            .iter()
            .any(|line| line["pid"] == pid && line["cause"] == "Cancelled")
    });
    server.result(&job, 10.0).outcome("cancelled");
    let lines = server.ended();
    assert!(lines.iter().all(|line| line["message"] != DIED && line["message"] != IDLE_DIED), "{lines:?}");
}
