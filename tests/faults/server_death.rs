//! f44: the server is killed. Nothing of it may live a second later.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Server, on_time, wait_until};

const GONE: Duration = Duration::from_secs(1);

#[test]
fn f44_kill_9_of_an_idle_server() {
    on_time(|| {
        let mut server = Server::alone(&["--builtin"]);
        let processes = server.processes();
        assert!(processes.len() >= 7, "itself, two zygotes, four workers: {processes:?}");
        let killed = Instant::now();
        server.signal(Signal::SIGKILL);
        server.ended(GONE);
        server.all_gone(killed, GONE, &processes);
    });
}

#[test]
fn f44_kill_9_of_a_busy_server() {
    on_time(|| {
        let mut server = Server::alone(&["--builtin"]);
        for _ in 0..10 {
            server.submit("block_signals", &json!([600]));
            server.post("/v1/apply_async", &json!({"function": "builtin.sleep", "args": [600]})).accepted();
        }
        wait_until(Duration::from_secs(5), "all workers are busy", || {
            let workers = [server.workers(), server.workers_of("native")].concat();
            workers.len() == 4 && workers.iter().all(|worker| worker.state == "busy")
        });
        let processes = server.processes();
        let killed = Instant::now();
        server.signal(Signal::SIGKILL);
        server.ended(GONE);
        server.all_gone(killed, GONE, &processes);
    });
}

#[test]
fn f44_kill_9_while_workers_are_being_made() {
    on_time(|| {
        let mut server = Server::alone(&["--workers", "4"]);
        let processes = server.processes();
        for worker in server.workers() {
            crate::support::proc::signal(worker.pid, Signal::SIGKILL);
        }
        let killed = Instant::now();
        server.signal(Signal::SIGKILL);
        server.ended(GONE);
        server.all_gone(killed, GONE, &processes);
    });
}
