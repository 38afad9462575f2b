//! f47, f48: SIGTERM and Ctrl-C. Promise 5, line by line.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Gate, Raw, Server, on_time, promised, wait_until};

/// What is told at once.
const SOON: Duration = Duration::from_secs(1);
/// What only has to come.
const BOUND: Duration = Duration::from_secs(10);

/// The server is draining once it says so.
fn wait_for_drain(server: &Server) {
    wait_until(BOUND, "/readyz says no", || {
        server.try_send("GET", "/readyz", &[], None).is_ok_and(|answer| answer.status == 503)
    });
}

#[test]
fn f47_an_idle_server_ends_at_once() {
    on_time(|| {
        let mut server = Server::start(&[]);
        let processes = server.processes();
        let mut idle = Raw::connect(server.port());
        idle.request("GET /livez", "", b"");
        let start = Instant::now();
        server.signal(Signal::SIGTERM);
        assert!(server.ended(Duration::from_secs(2)).success(), "exit 0, kept-alive connections or not");
        server.all_gone(start, Duration::from_secs(3), &processes);
        assert!(idle.is_closed_within(BOUND));
    });
}

#[test]
fn f47_running_work_ends_queued_work_is_told() {
    on_time(|| {
        let mut server = Server::start(&["--workers", "1"]);
        let processes = server.processes();
        let gate = Gate::shut();
        let running = server.submit("hold", &json!([gate.path()]));
        server.worker_of(&running);
        let queued = server.submit("square", &json!([3]));
        thread::scope(|scope| {
            let server = &server;
            let on_running = scope.spawn(|| server.result(&running, 30.0));
            let on_queued = scope.spawn(|| (server.result(&queued, 30.0), Instant::now()));
            let call = scope.spawn(|| (server.apply("square", &json!([4])), Instant::now()));
            wait_until(Duration::from_secs(5), "the call is queued", || {
                let page = server.get("/v1/jobs").value();
                page["items"].as_array().is_some_and(|items| items.len() == 3)
            });
            thread::sleep(Duration::from_millis(100));
            let start = Instant::now();
            server.signal(Signal::SIGTERM);
            wait_for_drain(server);
            for path in ["/v1/apply", "/v1/apply_async"] {
                let answer = server.post(path, &json!({"function": "faults.square", "args": [1]}));
                answer.problem(503, "draining");
                assert!(answer.header("retry-after").is_some(), "Retry-After");
            }
            let map = json!({"function": "faults.square", "iterable": [1]});
            server.post("/v1/map", &map).problem(503, "draining");
            assert_eq!(server.get("/livez").status, 200, "alive while it drains");
            assert_eq!(server.job(&running)["state"], "running", "jobs can be read meanwhile");
            for waiting in [on_queued, call] {
                let (answer, told) = waiting.join().expect("the client thread ends well");
                answer.problem(503, "draining");
                promised(told.saturating_duration_since(start), SOON, "who waits for a start is told");
            }
            gate.open();
            let answer = on_running.join().expect("the client thread ends well");
            assert_eq!(answer.value(), gate.path(), "running work gets its outcome");
        });
        assert!(server.ended(BOUND).success(), "exit 0");
        server.all_gone(Instant::now(), BOUND, &processes);
    });
}

#[test]
fn f47_a_running_synchronous_call_is_answered() {
    let mut server = Server::start(&[]);
    let gate = Gate::shut();
    thread::scope(|scope| {
        let server = &server;
        let call = scope.spawn(|| server.apply("hold", &json!([gate.path()])));
        wait_until(Duration::from_secs(5), "it runs", || {
            server.workers().iter().any(|worker| worker.state == "busy")
        });
        server.signal(Signal::SIGTERM);
        wait_for_drain(server);
        gate.open();
        assert_eq!(call.join().expect("the client thread ends well").value(), gate.path());
    });
    assert!(server.ended(BOUND).success(), "exit 0");
}

#[test]
fn f47_the_record_of_a_queued_job_ends_interrupted() {
    let mut server = Server::start(&["--workers", "1"]);
    let gate = Gate::shut();
    let running = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&running);
    let queued = server.submit("square", &json!([3]));
    server.signal(Signal::SIGTERM);
    wait_until(BOUND, "it has ended", || server.job(&queued)["ready"] == true);
    let job = server.job(&queued);
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("failed"), &json!("interrupted")), "{job}");
    gate.open();
    assert!(server.ended(BOUND).success(), "exit 0");
}

#[test]
fn f47_the_drain_limit_ends_what_never_ends() {
    let mut server = Server::start(&["--drain-limit", "3"]);
    let processes = server.processes();
    let id = server.submit("block_signals", &json!([600]));
    server.worker_of(&id);
    thread::scope(|scope| {
        let server = &server;
        let waiting = scope.spawn(|| server.result(&id, 30.0));
        thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        server.signal(Signal::SIGTERM);
        waiting.join().expect("the client thread ends well").outcome("interrupted");
        assert!(
            start.elapsed() >= Duration::from_millis(2_900),
            "not before the limit: {:?}",
            start.elapsed()
        );
    });
    assert!(server.ended(BOUND).success(), "exit 0");
    server.all_gone(Instant::now(), BOUND, &processes);
}

#[test]
fn f47_work_is_taken_during_the_drain_delay() {
    let mut server = Server::start(&["--drain-delay", "5"]);
    server.signal(Signal::SIGTERM);
    wait_for_drain(&server);
    assert_eq!(server.apply("square", &json!([5])).value(), 25, "still taken");
    assert!(server.ended(Duration::from_secs(15)).success(), "exit 0");
}

fn second_signal_is_now(second: Signal) {
    let mut server = Server::start(&[]);
    let processes = server.processes();
    let id = server.submit("nap", &json!([600]));
    server.worker_of(&id);
    server.signal(Signal::SIGTERM);
    wait_for_drain(&server);
    let start = Instant::now();
    server.signal(second);
    server.ended(SOON);
    server.all_gone(start, Duration::from_secs(2), &processes);
}

#[test]
fn f47_a_second_sigterm_is_now() {
    on_time(|| second_signal_is_now(Signal::SIGTERM));
}

#[test]
fn f47_a_sigint_after_sigterm_is_now() {
    on_time(|| second_signal_is_now(Signal::SIGINT));
}

#[test]
fn f48_ctrl_c_reaches_the_group_and_drains_in_order() {
    let mut server = Server::start(&[]);
    let processes = server.processes();
    let gate = Gate::shut();
    let id = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&id);
    thread::scope(|scope| {
        let server = &server;
        let waiting = scope.spawn(|| server.result(&id, 30.0));
        thread::sleep(Duration::from_millis(100));
        server.signal_group(Signal::SIGINT);
        wait_for_drain(server);
        gate.open();
        let answer = waiting.join().expect("the client thread ends well");
        assert_eq!(answer.value(), gate.path(), "workers are not in the terminal's group");
    });
    assert!(server.ended(BOUND).success(), "exit 0");
    server.all_gone(Instant::now(), BOUND, &processes);
}
