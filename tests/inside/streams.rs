//! What a function yields, as a line or an event each: as it comes, as fast as it is taken, until nobody reads.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{BOUND, call, serve};
use crate::semantics::exchange::{End, Receiver, end_line, is_error, post_with, records};
use crate::support::{Answer, Gate, Server, never_within, on_time, proc, promised, scaled, wait_until};

const LINES: &str = "Accept: application/x-ndjson\r\n";
const EVENTS: &str = "Accept: text/event-stream\r\n";

/// An answer of lines, whole.
#[track_caller]
fn lines(server: &Server, function: &str, args: &Value) -> Answer {
    let body = call(function, args).to_string();
    let headers = [("accept", "application/x-ndjson"), ("content-type", "application/json")];
    server.send("POST", "/v1/apply", &headers, Some(body.as_bytes()))
}

#[track_caller]
fn stream(server: &Server, function: &str, args: &Value) -> Receiver {
    post_with(server, "/v1/apply", LINES, &call(function, args))
}

/// As if each of these had been yielded.
fn yielded(values: &[Value]) -> Vec<Value> {
    let lines = values.iter().enumerate().map(|(index, value)| json!({"index": index, "value": value}));
    lines.chain([end_line(values.len(), 0)]).collect()
}

#[test]
fn each_yield_is_a_line() {
    let server = serve(&[]);
    let bytes = [json!({"$bytes": "MA=="}), json!({"$bytes": "MQ=="})];
    let two = [json!(0), json!(1)];
    for (function, values) in [("count", &two), ("ticks", &two), ("words", &bytes)] {
        assert_eq!(records(&lines(&server, function, &json!([2]))), yielded(values), "{function}");
        let path = format!("/v1/functions/inside.{function}/call");
        let mut typed = post_with(&server, &path, LINES, &json!({"n": 2}));
        let (told, end) = typed.rest();
        let told: Vec<Value> = told.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((told, end), (yielded(values), End::Whole), "{function}");
    }
    assert_eq!(records(&lines(&server, "count", &json!([0]))), [end_line(0, 0)]);
    // What is no iterator is the only thing that is yielded.
    assert_eq!(records(&lines(&server, "plus_one", &json!([4]))), yielded(&[json!(5)]));
    assert_eq!(records(&lines(&server, "words", &json!([1]))), yielded(&bytes[..1]));
    let keywords = json!({"function": "inside.count", "kwargs": {"n": 1}});
    assert_eq!(post_with(&server, "/v1/apply", LINES, &keywords).record(), json!({"index": 0, "value": 0}));
    // The arguments are converted as of any call.
    let answer = lines(&server, "plus_one", &json!(["four"]));
    assert_eq!(answer.status, 422, "{}", answer.text());
}

#[test]
fn each_yield_is_an_event() {
    let server = serve(&[]);
    let mut events = post_with(&server, "/v1/apply", EVENTS, &call("count", &json!([2])));
    let (told, end) = events.rest();
    let wanted = [
        "id: 0",
        "data: {\"index\":0,\"value\":0}",
        "",
        "id: 1",
        "data: {\"index\":1,\"value\":1}",
        "",
        "event: end",
        "data: {\"end\":true,\"done\":2,\"failed\":0}",
        "",
    ];
    assert_eq!((told.iter().map(String::as_str).collect::<Vec<_>>(), end), (wanted.to_vec(), End::Whole));
    for line in ["200 ok", "content-type: text/event-stream", "cache-control: no-cache", "forkpool-job: "] {
        assert!(events.head.contains(line), "{line}: {}", events.head);
    }
}

#[test]
fn it_is_told_before_the_next_is_made() {
    let server = serve(&[]);
    let gates = [Gate::shut(), Gate::shut()];
    let paths: Vec<String> = gates.iter().map(Gate::path).collect();
    let mut receiver = stream(&server, "count_past", &json!([3, paths]));
    assert_eq!(receiver.record(), json!({"index": 0, "value": 0}));
    assert!(receiver.is_silent_for(Duration::from_millis(200)));
    for (index, gate) in (1..).zip(&gates) {
        gate.open();
        assert_eq!(receiver.record(), json!({"index": index, "value": index}));
    }
    assert_eq!(receiver.record(), end_line(3, 0));
}

#[test]
fn what_fails_first_is_answered_as_any_call() {
    let server = serve(&[]);
    let problem = lines(&server, "breaks", &json!([0])).outcome("function-raised");
    assert_eq!(problem["exception"]["message"], "after 0", "{problem}");
    lines(&server, "dies", &json!([0])).outcome("worker-died");
    let body = json!({"function": "inside.nothing"}).to_string();
    let headers = [("accept", "text/event-stream"), ("content-type", "application/json")];
    server.send("POST", "/v1/apply", &headers, Some(body.as_bytes())).problem(404, "unknown-function");
    let typed = server.send("POST", "/v1/functions/inside.count/call", &headers, Some(b"{\"m\":1}"));
    assert_eq!(typed.outcome("invalid-arguments")["path"], "$.m");
}

#[test]
fn what_fails_later_is_the_last_line_but_one() {
    let server = serve(&["--result-limit", "1MiB"]);
    let fails = [
        ("breaks", json!([2]), "function-raised"),
        ("odd", json!([2]), "result-not-json"),
        ("dies", json!([2]), "worker-died"),
        ("numbers", json!(["nan"]), "result-not-json"),
        ("numbers", json!(["huge"]), "result-not-json"),
        ("numbers", json!(["set"]), "result-not-json"),
        ("numbers", json!(["large"]), "result-too-large"),
    ];
    for (function, args, code) in fails {
        let told = records(&lines(&server, function, &args));
        assert_eq!(told.len(), 4, "{function} {args}: {told:?}");
        is_error(&told[2]["error"], 2, code);
        assert_eq!((&told[2]["index"], &told[3]), (&json!(2), &end_line(3, 1)), "{function} {args}");
    }
    // What is wrong ends the function, which goes on for nobody; its worker stays.
    assert_eq!(lines(&server, "count", &json!([1])).status, 200);
    let body = call("drip", &json!(["/nowhere"]));
    let mut receiver = post_with(
        &server,
        "/v1/apply",
        LINES,
        &json!({
        "function": body["function"], "args": body["args"], "run_timeout": 0.2}),
    );
    let (told, _) = receiver.rest();
    assert!(told[told.len() - 2].contains("\"run-timeout\""), "{told:?}");
}

#[test]
fn it_is_run_again_only_while_nothing_was_yielded() {
    let server = serve(&[]);
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (at, runs) in [(0, "xxx"), (1, "x")] {
        let path = folder.path().join(at.to_string());
        let body = json!({"function": "inside.fails_at", "args": [at, path], "retries": 2,
                          "retry_on": ["function-raised"]});
        let (told, _) = post_with(&server, "/v1/apply", LINES, &body).rest();
        assert!(told.iter().any(|line| line.contains("function-raised")), "{told:?}");
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), runs, "at {at}");
    }
}

#[test]
fn a_large_yield_is_whole() {
    let server = serve(&[]);
    for bytes in [60_000, 300_000, 3_000_000] {
        let told = records(&lines(&server, "large", &json!([3, bytes])));
        assert_eq!(told.len(), 4);
        for (index, line) in told[..3].iter().enumerate() {
            assert_eq!(line["index"], index);
            assert_eq!(line["value"].as_str().map(str::len), Some(bytes), "{bytes}");
        }
    }
    // So is a call that is larger than a packet.
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut receiver = stream(&server, "drip_at_length", &json!([folder.path(), "x".repeat(300_000)]));
    assert_eq!(receiver.record(), json!({"index": 0, "value": 0}));
    receiver.leave();
    wait_until(BOUND, "it is closed", || folder.path().join("closed").exists());
}

#[test]
fn one_that_is_silent_for_long_is_not_taken_for_dead() {
    let server = serve(&["--workers", "1"]);
    for bytes in [10, 5_000] {
        let gate = Gate::shut();
        let mut receiver = stream(&server, "silent", &json!(["x".repeat(bytes), gate.path()]));
        assert_eq!(receiver.record()["index"], 0);
        // Longer than a worker is given to read what it was sent.
        assert!(receiver.is_silent_for(Duration::from_secs(8)));
        gate.open();
        assert_eq!(receiver.record(), json!({"index": 1, "value": bytes}));
        assert_eq!(receiver.record(), end_line(2, 0));
    }
}

#[test]
fn what_it_prints_and_who_it_forks_does_no_harm() {
    let server = serve(&[]);
    assert_eq!(records(&lines(&server, "forks", &json!([3]))).len(), 4);
    assert_eq!(records(&lines(&server, "prints", &json!([3]))).len(), 4);
    wait_until(BOUND, "what it printed is in the log", || server.errors().contains("before 2"));
    assert_eq!(lines(&server, "nested", &json!([])).outcome("result-not-json")["path"], "$[0]");
}

/// How far [`climb`](the fixture's) is.
fn climbed(marks: &Path) -> u64 {
    fs::read_to_string(marks.join("at")).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[test]
fn a_slow_reader_holds_it_back_in_flat_memory() {
    let server = serve(&["--write-stall", "60s"]);
    records(&lines(&server, "count", &json!([20_000])));
    let (before, n) = (proc::peak_memory(server.pid()), scaled(1_000_000) as u64);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut receiver = stream(&server, "climb", &json!([n, folder.path()]));
    assert_eq!(receiver.record(), json!({"index": 0, "value": 0}));
    // It goes on until the sockets and the window are full, and no further.
    let (mut at, mut since) = (0, Instant::now());
    wait_until(BOUND, "it waits for its reader", || {
        if climbed(folder.path()) != at {
            (at, since) = (climbed(folder.path()), Instant::now());
        }
        since.elapsed() > Duration::from_millis(500)
    });
    assert!(n < 500_000 || at < n / 2, "it was at {at} of {n}");
    for index in 1..n {
        let wanted = format!("{{\"index\":{index},\"value\":{index}}}");
        assert_eq!(receiver.line(), Some(wanted));
        if index.is_multiple_of(n / 10) {
            sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(receiver.record(), json!({"end": true, "done": n, "failed": 0}));
    let grown = proc::peak_memory(server.pid()).saturating_sub(before);
    println!("{n} yields to a slow reader, {at} ahead: {} KiB more", grown / 1024);
    assert!(grown < 20 << 20, "{} KiB more", grown / 1024);
}

#[test]
fn a_client_that_leaves_closes_it_within_100_ms() {
    on_time(|| {
        let server = serve(&["--workers", "1"]);
        let worker = server.workers()[0].pid;
        for function in ["drip", "drip_async", "climb"] {
            for wait in [0, 300] {
                let folder = tempfile::tempdir().expect("a folder can be made");
                let args = match function {
                    "climb" => json!([1_u64 << 40, folder.path()]),
                    _ => json!([folder.path()]),
                };
                let mut receiver = stream(&server, function, &args);
                receiver.record();
                sleep(Duration::from_millis(wait));
                let left = Instant::now();
                receiver.leave();
                wait_until(BOUND, "it is closed", || folder.path().join("closed").exists());
                promised(left.elapsed(), Duration::from_millis(100), function);
                wait_until(BOUND, "no job is left", || server.get("/v1/jobs").value()["items"] == json!([]));
            }
        }
        assert_eq!(server.workers()[0].pid, worker, "nobody was killed for it");
        assert_eq!(records(&lines(&server, "count", &json!([1]))), yielded(&[json!(0)]));
    });
}

#[test]
fn one_that_yields_on_after_its_end_has_failed_and_no_more() {
    let server = serve(&["--workers", "1"]);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut receiver = stream(&server, "stubborn", &json!([folder.path()]));
    receiver.record();
    receiver.leave();
    wait_until(BOUND, "it is closed", || folder.path().join("closed").exists());
    wait_until(BOUND, "the worker is idle", || server.workers()[0].state == "idle");
    assert_eq!(records(&lines(&server, "count", &json!([1]))), yielded(&[json!(0)]));
}

#[test]
fn it_can_be_cancelled_by_the_id_in_its_head() {
    let server = serve(&["--workers", "1"]);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut receiver = stream(&server, "drip", &json!([folder.path()]));
    receiver.record();
    let id = receiver.head.lines().find_map(|line| line.strip_prefix("forkpool-job: "));
    let id = id.expect("a job's id").to_owned();
    assert_eq!(server.job(&id)["state"], "running");
    server.cancel(&id);
    let (told, end) = receiver.rest();
    assert!(told[told.len() - 2].contains("\"code\":\"cancelled\""), "{told:?}");
    assert_eq!(end, End::Whole);
    assert_eq!(records(&lines(&server, "count", &json!([1]))), yielded(&[json!(0)]));
}

#[test]
fn one_that_leaves_early_with_on_disconnect_cancel_kills_it() {
    let server = serve(&["--workers", "1"]);
    let worker = server.workers()[0].pid;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let body = json!({"function": "inside.drip", "args": [folder.path(), 60], "on_disconnect": "cancel"});
    let mut receiver = post_with(&server, "/v1/apply", LINES, &body);
    receiver.record();
    receiver.leave();
    wait_until(BOUND, "its worker is gone", || proc::is_gone(worker));
    assert_eq!(records(&lines(&server, "count", &json!([1]))), yielded(&[json!(0)]));
}

#[test]
fn nothing_waits_behind_it() {
    let server = serve(&["--workers", "2"]);
    for _ in 0..20 {
        records(&lines(&server, "count", &json!([1])));
        server.post("/v1/apply", &call("count", &json!([1]))).value();
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut receiver = stream(&server, "drip", &json!([folder.path(), 0.2]));
    receiver.record();
    for _ in 0..50 {
        let start = Instant::now();
        assert_eq!(server.post("/v1/apply", &call("count", &json!([1]))).value(), json!([0]));
        assert!(start.elapsed() < BOUND);
    }
    never_within(Duration::from_millis(100), "it is closed", || folder.path().join("closed").exists());
    // One that holds its worker for longer than others would be given is not taken for lost.
    assert!((0..10).all(|_| receiver.line().is_some()));
    receiver.leave();
}

#[test]
fn a_key_can_not_be_given() {
    let server = serve(&[]);
    for accept in ["application/x-ndjson", "text/event-stream"] {
        let headers = [("accept", accept), ("content-type", "application/json"), ("idempotency-key", "k")];
        let body = call("count", &json!([1])).to_string();
        let problem =
            server.send("POST", "/v1/apply", &headers, Some(body.as_bytes())).problem(400, "invalid-request");
        assert_eq!(problem["member"], "Idempotency-Key", "{problem}");
    }
}
