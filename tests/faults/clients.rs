//! f61-f64: clients that leave, wait without end, or send slowly.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::support::{Gate, Raw, Server, never_within, on_time, proc, promised, wait_until};

/// The test's own descriptors; the server has been started and must look after its own.
fn allow_many_connections() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be read");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the limit can be raised to its own maximum");
}

#[test]
fn a_thousand_abandoned_waits_cost_no_thread_and_are_gone() {
    let server = Server::alone(&[]);
    allow_many_connections();
    let id = server.submit("nap", &json!([120]));
    server.worker_of(&id);
    let (fds, threads) = (server.fds(), proc::threads(server.pid()));
    let line = format!("GET /v1/jobs/{id}/result?timeout=50");
    let waiting: Vec<Raw> = (0..1_000)
        .map(|_| {
            let mut raw = Raw::connect(server.port());
            raw.request(&line, "", b"");
            raw
        })
        .collect();
    wait_until(Duration::from_secs(10), "all of them wait", || {
        proc::descriptors(server.pid()).len() >= fds + 1_000
    });
    for i in 0..20 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i, "others are served meanwhile");
    }
    let now = proc::threads(server.pid());
    assert!(now <= threads, "{now} threads, {threads} before");
    waiting.into_iter().for_each(Raw::leave);
    server.nothing_left(fds);
    let now = proc::threads(server.pid());
    assert!(now <= threads, "{now} threads, {threads} before");
    server.cancel(&id).value();
}

fn call(server: &Server, function: &str, args: &serde_json::Value) -> Raw {
    let mut raw = Raw::connect(server.port());
    let body = json!({"function": format!("faults.{function}"), "args": args}).to_string();
    raw.request("POST /v1/apply", "", body.as_bytes());
    raw
}

fn listed(server: &Server) -> usize {
    server.get("/v1/jobs").value()["items"].as_array().map_or(0, Vec::len)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

#[test]
fn f64_a_call_whose_client_left_is_dropped_or_discarded() {
    let server = Server::start(&["--workers", "1"]);
    let before = server.fds();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ran, queued) = (folder.path().join("ran"), folder.path().join("queued"));
    let gate = Gate::shut();
    let running = call(&server, "hold_and_mark", &json!([gate.path(), ran]));
    wait_until(Duration::from_secs(5), "it runs", || server.workers()[0].state == "busy");
    let waiting = call(&server, "mark", &json!([queued]));
    wait_until(Duration::from_secs(5), "both are listed", || listed(&server) == 2);
    waiting.leave();
    wait_until(Duration::from_secs(10), "the queued one is forgotten", || listed(&server) == 1);
    running.leave();
    wait_until(Duration::from_secs(10), "the running one is known to be nobody's", || server.is_left_alone());
    assert_eq!(server.get("/v1/pools/python").value()["running"], 1, "it is listed, and counts");
    gate.open();
    wait_until(Duration::from_secs(10), "and ends all the same", || length(&ran) == 1);
    wait_until(Duration::from_secs(10), "it is forgotten then", || listed(&server) == 0);
    assert_eq!(server.apply("square", &json!([6])).value(), 36, "the same worker is free");
    assert_eq!(length(&queued), 0, "what hadn't started never runs");
    server.nothing_left(before);
}

#[test]
fn f64_a_map_whose_client_left_hands_out_no_more() {
    let server = Server::start(&["--workers", "1"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("marks");
    let mut raw = Raw::connect(server.port());
    let gate = Gate::shut();
    // The first passes at once.
    let items: Vec<_> =
        (0..50).map(|i| json!([file, if i == 0 { String::new() } else { gate.path() }])).collect();
    let body = json!({"function": "faults.mark_and_hold", "iterable": items, "chunksize": 1}).to_string();
    raw.request("POST /v1/map", "", body.as_bytes());
    wait_until(Duration::from_secs(10), "the second item runs", || length(&file) == 2);
    raw.leave();
    wait_until(Duration::from_secs(10), "its client is known to have left", || server.is_left_alone());
    // What runs ends and is discarded; that is one item, the worker's.
    gate.open();
    never_within(Duration::from_secs(1), "another item runs", || length(&file) > 2);
}

/// A server with one worker and a call that runs for ever, whose client has left.
fn left_alone(options: &serde_json::Value) -> (Server, String) {
    let server = Server::start(&["--workers", "1"]);
    let mut body = json!({"function": "faults.nap", "args": [600]});
    body.as_object_mut().expect("an object").extend(options.as_object().cloned().unwrap_or_default());
    let mut raw = Raw::connect(server.port());
    raw.request("POST /v1/apply", "", body.to_string().as_bytes());
    wait_until(Duration::from_secs(5), "it runs", || server.workers()[0].state == "busy");
    let id = server.workers()[0].all["current_job"].as_str().expect("a busy worker has a job").to_owned();
    raw.leave();
    (server, id)
}

#[test]
fn a_call_whose_client_left_can_be_cancelled() {
    for by_function in [false, true] {
        let (server, id) = left_alone(&json!({}));
        wait_until(Duration::from_secs(10), "its client is known to have left", || server.is_left_alone());
        let job = server.job(&id);
        assert_eq!((&job["state"], &job["disconnected"]), (&json!("running"), &json!(true)), "{job}");
        let pid = server.workers()[0].pid;
        if by_function {
            let body = json!({"function": "faults.nap"});
            assert_eq!(server.post("/v1/jobs/cancel", &body).value(), json!({"cancelled": 1}));
        } else {
            assert_eq!(server.cancel(&id).value()["state"], "cancelled");
        }
        wait_until(Duration::from_secs(5), "its worker is replaced", || {
            server.workers().iter().any(|worker| worker.pid != pid && worker.state == "idle")
        });
        assert_eq!(server.apply("square", &json!([6])).value(), 36);
        assert_eq!(listed(&server), 0, "it is forgotten");
        server.get(&format!("/v1/jobs/{id}")).problem(404, "unknown-job");
    }
}

#[test]
fn on_disconnect_cancel_kills_what_a_client_leaves() {
    for options in [json!({"on_disconnect": "cancel"}), json!({"on_disconnect": "cancel", "retries": 3})] {
        let (server, id) = left_alone(&options);
        wait_until(Duration::from_secs(10), "it is forgotten", || listed(&server) == 0);
        server.get(&format!("/v1/jobs/{id}")).problem(404, "unknown-job");
        wait_until(Duration::from_secs(5), "the worker is free", || server.workers()[0].state == "idle");
        assert_eq!(server.apply("square", &json!([6])).value(), 36);
    }
}

#[test]
fn a_run_timeout_of_the_server_ends_what_names_none() {
    let server = Server::start(&["--workers", "1", "--run-timeout", "500ms"]);
    let problem = server.apply("nap", &json!([600])).outcome("run-timeout");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("0.5 s")), "{problem}");
    let body = json!({"function": "faults.nap", "args": [1], "run_timeout": 30});
    assert_eq!(server.post("/v1/apply", &body).value(), 1, "a request may give more");
}

#[test]
fn asynchronous_jobs_do_not_care_who_leaves() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(server.port());
    let body = br#"{"function":"faults.nap","args":[0.5]}"#;
    raw.request("POST /v1/apply_async", "", body);
    let id = raw.answer(Duration::from_secs(5)).accepted();
    raw.leave();
    let mut waiting = Raw::connect(server.port());
    waiting.request(&format!("GET /v1/jobs/{id}/result?timeout=50"), "", b"");
    waiting.leave();
    assert_eq!(server.result(&id, 10.0).value(), 0.5);
}

#[test]
fn f61_a_head_that_never_ends_is_closed() {
    on_time(|| {
        let server = Server::start(&["--head-timeout", "1"]);
        let before = server.fds();
        let start = Instant::now();
        let mut slow: Vec<Raw> = (0..20).map(|_| Raw::connect(server.port())).collect();
        slow.iter_mut().for_each(|raw| raw.write(b"GET /livez HTTP/1.1\r\nHost: 127."));
        assert_eq!(server.apply("square", &json!([2])).value(), 4, "others are served");
        for raw in &mut slow {
            assert!(raw.is_closed_within(Duration::from_secs(5)), "the head's clock");
        }
        promised(start.elapsed(), Duration::from_secs(8), "the end of heads that never come");
        server.nothing_left(before);
    });
}

#[test]
fn f62_a_body_that_never_comes_is_closed() {
    let server = Server::start(&["--body-stall", "1"]);
    let before = server.fds();
    let mut slow = Raw::connect(server.port());
    let head = "POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    slow.write(format!("{head}Content-Length: 100\r\n\r\n{{\"function\"").as_bytes());
    assert!(slow.is_closed_within(Duration::from_secs(6)), "the body's clock");
    slow.leave();
    server.nothing_left(before);
}

#[test]
fn a_body_that_nobody_wants_costs_no_request() {
    let server = Server::start(&[]);
    let id = server.submit("square", &json!([3]));
    server.result(&id, 5.0).value();
    let mut raw = Raw::connect(server.port());
    // An empty body, but its end comes after the answer: some clients send it so.
    let line = format!("POST /v1/jobs/{id}/cancel");
    raw.request(&line, "Host: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n", b"");
    std::thread::sleep(Duration::from_millis(100));
    raw.write(b"0\r\n\r\n");
    let answer = raw.answer(Duration::from_secs(5));
    assert_eq!(answer.status, 200, "{}", answer.text());
    if answer.header("connection") == Some("close") {
        return;
    }
    // Not told that the connection ends, a client sends its next request on it.
    raw.request(&format!("GET /v1/jobs/{id}/result"), "", b"");
    assert_eq!(raw.answer(Duration::from_secs(5)).value(), 9);
}
