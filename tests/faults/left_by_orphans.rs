//! f21: what a function leaves behind may have children of its own; they end with the worker, too, and what is
//! no worker's is left alone.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Server, proc, wait_from};

/// That it is soon, `left_behind` shows.
const GONE: Duration = Duration::from_secs(10);

fn pids(value: &Value) -> Vec<i32> {
    let pid = |pid: &Value| pid.as_i64().and_then(|pid| i32::try_from(pid).ok());
    value.as_array().into_iter().flatten().filter_map(pid).collect()
}

#[test]
fn f21_a_shell_and_its_children() {
    let server = Server::start(&["--workers", "1"]);
    for _ in 0..5 {
        let left = pids(&server.apply("leave_shell", &json!([false])).value());
        assert_eq!(left.len(), 3, "a shell, another below it, and what that waits for: {left:?}");
        assert!(left.iter().all(|pid| !proc::is_gone(*pid)), "they were left running: {left:?}");
        let worker = server.workers()[0].pid;
        let killed = Instant::now();
        proc::signal(worker, Signal::SIGKILL);
        wait_from(killed, GONE, "all of them are gone", || left.iter().all(|pid| proc::is_gone(*pid)));
        server.whole_again(killed, GONE, 1, &[worker]);
    }
}

#[test]
fn f21_orphans_that_are_no_workers_live_on() {
    let server = Server::start(&["--workers", "1"]);
    // Without a mark it may be an operator's, who looks into the container.
    let orphans = pids(&server.apply("leave_shell", &json!([true])).value());
    let left = pids(&server.apply("leave_shell", &json!([false])).value());
    let worker = server.workers()[0].pid;
    let killed = Instant::now();
    proc::signal(worker, Signal::SIGKILL);
    wait_from(killed, GONE, "the worker's are gone", || left.iter().all(|pid| proc::is_gone(*pid)));
    server.whole_again(killed, GONE, 1, &[worker]);
    assert!(orphans.iter().all(|pid| !proc::is_gone(*pid)), "the others live: {orphans:?}");
}
