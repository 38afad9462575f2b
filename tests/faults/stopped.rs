//! f04, f05, f28: workers that are stopped or deaf.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Server, on_time, proc, promised, wait_until};

#[test]
fn f05_a_stopped_idle_worker_keeps_no_call() {
    on_time(|| {
        let server = Server::start(&[]);
        let (stopped, other) = (server.workers()[0].pid, server.workers()[1].pid);
        proc::signal(stopped, Signal::SIGSTOP);
        wait_until(Duration::from_secs(2), "it is stopped", || {
            proc::stat(stopped).is_some_and(|s| s.state == 'T')
        });
        for i in 0..20 {
            let answer = server.apply("square", &json!([i]));
            assert_eq!(answer.value(), i * i);
            promised(answer.took, Duration::from_secs(2), "an answer by another worker");
        }
        let answering = server.apply("pid", &json!([])).value();
        assert_ne!(answering, stopped);
        assert!(!proc::is_gone(other), "the other worker was not harmed");
    });
}

#[test]
fn f04_a_stopped_busy_worker_can_be_cancelled() {
    on_time(|| {
        let server = Server::start(&[]);
        let id = server.submit("nap", &json!([60]));
        let worker = server.worker_of(&id);
        proc::signal(worker.pid, Signal::SIGSTOP);
        let start = Instant::now();
        server.cancel(&id).value();
        server.result(&id, 10.0).outcome("cancelled");
        promised(start.elapsed(), Duration::from_secs(1), "a cancel");
        server.whole_again(start, Duration::from_secs(2), 2, &[worker.pid]);
    });
}

#[test]
fn f28_a_worker_that_blocks_all_signals_can_be_cancelled() {
    on_time(|| {
        let server = Server::start(&[]);
        let id = server.submit("block_signals", &json!([60]));
        let worker = server.worker_of(&id);
        let start = Instant::now();
        server.cancel(&id).value();
        server.result(&id, 10.0).outcome("cancelled");
        promised(start.elapsed(), Duration::from_secs(1), "a cancel");
        server.whole_again(start, Duration::from_secs(2), 2, &[worker.pid]);
    });
}
