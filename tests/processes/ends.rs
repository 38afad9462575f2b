//! All end with the server: by a drain in their order, by a kill at once.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::{id, pid, says, server, start, start_with};
use crate::support::{Gate, Server, on_time, proc, promised, wait_from, wait_until};

const SOON: Duration = Duration::from_secs(2);
/// What only has to come.
const BOUND: Duration = Duration::from_secs(10);

#[test]
fn a_drain_waits_for_those_that_are_no_daemons() {
    let mut server = server(&[]);
    let gate = Gate::shut();
    let process = start(&server, "wait_at", &json!([gate.path()]));
    let path = format!("/v1/processes/{}/join", id(&process));
    thread::scope(|scope| {
        let server = &server;
        let joiner = scope.spawn(|| server.post(&path, &json!({"timeout": 30})).value());
        thread::sleep(Duration::from_millis(100));
        server.signal(Signal::SIGTERM);
        wait_until(BOUND, "it drains", || server.get("/readyz").status == 503);
        server.post("/v1/processes", &json!({"target": "processes.nothing"})).problem(503, "draining");
        assert_eq!(server.get(&format!("/v1/processes/{}", id(&process))).value()["alive"], true);
        gate.open();
        assert_eq!(joiner.join().expect("the client thread ends well")["exitcode"], 0, "it ran to its end");
    });
    assert!(server.ended(BOUND).success(), "exit 0");
}

#[test]
fn a_drain_terminates_daemons_at_once() {
    on_time(|| {
        let mut server = server(&[]);
        let body = json!({"target": "processes.nap", "args": [600], "daemon": true});
        let daemon = start_with(&server, &body);
        let begun = Instant::now();
        server.signal(Signal::SIGTERM);
        assert!(server.ended(Duration::from_secs(5)).success(), "exit 0");
        promised(begun.elapsed(), Duration::from_secs(5), "the end of daemons");
        assert!(proc::is_gone(pid(&daemon)));
    });
}

#[test]
fn the_drain_limit_ends_the_others() {
    let mut server = server(&["--drain-limit", "1"]);
    let stubborn = start(&server, "ignore_sigterm", &json!([600]));
    says(&server, &stubborn, "ready");
    let body = json!({"target": "processes.ignore_sigterm", "args": [600], "daemon": true});
    let daemon = start_with(&server, &body);
    says(&server, &daemon, "ready");
    let path = format!("/v1/processes/{}/join", id(&stubborn));
    let begun = Instant::now();
    thread::scope(|scope| {
        let server = &server;
        let joiner = scope.spawn(|| server.post(&path, &json!({"timeout": 30})).value());
        thread::sleep(Duration::from_millis(100));
        server.signal(Signal::SIGTERM);
        assert_eq!(joiner.join().expect("the client thread ends well")["exitcode"], -9);
    });
    assert!(begun.elapsed() >= Duration::from_millis(900), "not before the limit: {:?}", begun.elapsed());
    assert!(server.ended(BOUND).success(), "exit 0");
    assert!(proc::is_gone(pid(&stubborn)) && proc::is_gone(pid(&daemon)));
}

#[test]
fn a_second_signal_ends_all_now() {
    on_time(|| {
        let mut server = server(&[]);
        let process = start(&server, "ignore_sigterm", &json!([600]));
        says(&server, &process, "ready");
        let processes = server.processes();
        server.signal(Signal::SIGTERM);
        wait_until(SOON, "it drains", || server.get("/readyz").status == 503);
        let begun = Instant::now();
        server.signal(Signal::SIGTERM);
        server.ended(Duration::from_secs(3));
        server.all_gone(begun, Duration::from_secs(4), &processes);
    });
}

#[test]
fn kill_9_of_the_server_leaves_none() {
    on_time(|| {
        let file = crate::support::fixture("processes.py");
        let mut server = Server::alone(&[&file, "--builtin", "--command", "sleep=sleep {0}"]);
        for function in ["nap", "ignore_sigterm", "leave_child", "leave_session"] {
            start(&server, function, &json!([600]));
        }
        start_with(&server, &json!({"target": "builtin.sleep", "args": [600]}));
        start_with(&server, &json!({"target": "sleep", "args": ["600"]}));
        let alive = || {
            let list = server.get("/v1/processes").value();
            let items = list["items"].as_array().cloned().unwrap_or_default();
            items.iter().filter(|item| item["alive"] == true).map(pid).collect::<Vec<_>>()
        };
        wait_until(SOON, "those that only leave a child have ended", || alive().len() == 4);
        let lives = alive();
        let processes = server.processes();
        assert!(lives.iter().all(|pid| processes.contains(pid)), "{lives:?} {processes:?}");
        let killed = Instant::now();
        server.signal(Signal::SIGKILL);
        server.ended(SOON);
        server.all_gone(killed, Duration::from_secs(1), &processes);
    });
}

#[test]
fn what_a_process_leaves_running_ends_with_it() {
    on_time(|| {
        let server = server(&[]);
        for function in ["leave_child", "leave_session"] {
            let (code, said) = super::run(&server, function, &json!([600]));
            assert_eq!(code, 0);
            let child: i32 = said.trim().parse().expect("a pid");
            wait_from(Instant::now(), SOON, "the child is gone", || proc::is_gone(child));
        }
    });
}
