//! 503 `overloaded`: the queue's bounds by count and by bytes, and the places that are given back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Raw, Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);
const MEBIBYTE: usize = 1 << 20;

#[track_caller]
fn overloaded(answer: &Answer, knob: &str, limit: usize) {
    let problem = answer.problem(503, "overloaded");
    assert_eq!(problem["knob"], knob, "{problem}");
    assert_eq!(problem["limit"], limit, "{problem}");
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1), "Retry-After: {seconds:?}");
}

fn call(function: &str, argument: &Value) -> Value {
    json!({"function": format!("faults.{function}"), "args": [argument]})
}

/// Asks until there is a place again.
#[track_caller]
fn accepted_again(server: &Server, body: &Value) -> String {
    let mut id = None;
    wait_until(BOUND, "the place is given back", || {
        let answer = server.post("/v1/apply_async", body);
        id = (answer.status == 202).then(|| answer.accepted());
        id.is_some()
    });
    id.expect("the wait ended with a job")
}

#[test]
fn the_queue_is_bounded_by_count() {
    let server = Server::start(&["--workers", "1", "--queue-jobs", "2"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("ran");
    let running = server.submit("nap", &json!([600]));
    server.worker_of(&running);
    let queued = server.submit("nap", &json!([600]));
    let mark = call("mark", &json!(file));
    for path in ["/v1/apply", "/v1/apply_async"] {
        overloaded(&server.post(path, &mark), "--queue-jobs", 2);
    }
    let map = json!({"function": "faults.mark", "iterable": [file]});
    for path in ["/v1/map", "/v1/map_async"] {
        overloaded(&server.post(path, &map), "--queue-jobs", 2);
    }
    let listed = server.get("/v1/jobs").value();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "what was refused is no job: {listed}");
    assert_eq!(server.get("/readyz").status, 200, "busy is ready");
    server.cancel(&queued).value();
    let next = accepted_again(&server, &call("nap", &json!(600)));
    overloaded(&server.post("/v1/apply", &mark), "--queue-jobs", 2);
    server.cancel(&running).value();
    let last = accepted_again(&server, &call("square", &json!(3)));
    server.cancel(&next).value();
    assert_eq!(server.result(&last, 10.0).value(), 9);
    assert!(!file.exists(), "what was refused never ran");
    for i in 0..20 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i, "finished work holds no place");
    }
}

#[test]
fn the_queue_is_bounded_by_bytes() {
    let server = Server::start(&["--workers", "1", "--queue-bytes", "1MiB"]);
    let running = server.submit("nap", &json!([600]));
    server.worker_of(&running);
    let large = call("echo", &json!("x".repeat(600 << 10)));
    let queued = server.post("/v1/apply_async", &large).accepted();
    for path in ["/v1/apply", "/v1/apply_async"] {
        overloaded(&server.post(path, &large), "--queue-bytes", MEBIBYTE);
    }
    let small = server.submit("square", &json!([5]));
    server.cancel(&queued).value();
    let again = accepted_again(&server, &large);
    server.cancel(&running).value();
    assert_eq!(server.result(&small, 10.0).value(), 25);
    let value = server.result(&again, 10.0).value();
    assert_eq!(value.as_str().map(str::len), Some(600 << 10));
    for _ in 0..5 {
        assert_eq!(server.post("/v1/apply", &large).status, 200, "finished work holds no bytes");
    }
}

const BODY: usize = 700 << 10;

/// A connection that has sent all but the last 100 KiB of a request.
fn most_of(server: &Server, body: &[u8]) -> Raw {
    let mut raw = Raw::connect(server.port());
    let length = body.len();
    raw.write(
        format!(
            "POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .as_bytes(),
    );
    raw.write(&body[..length - (100 << 10)]);
    // The server takes turns: after some more requests it has read what is there.
    for _ in 0..20 {
        assert_eq!(server.get("/livez").status, 200);
    }
    raw
}

fn large_call() -> Vec<u8> {
    let empty = call("echo", &json!("")).to_string().len();
    let body = call("echo", &json!("x".repeat(BODY - empty))).to_string().into_bytes();
    assert_eq!(body.len(), BODY);
    body
}

#[test]
fn bodies_that_are_being_read_count() {
    let server = Server::start(&["--queue-bytes", "1MiB"]);
    let before = server.fds();
    let body = large_call();
    let mut first = most_of(&server, &body);
    let mut second = most_of(&server, &body);
    overloaded(&second.answer(BOUND), "--queue-bytes", MEBIBYTE);
    second.leave();
    first.write(&body[BODY - (100 << 10)..]);
    let value = first.answer(BOUND).value();
    assert!(value.as_str().is_some_and(|text| text.len() > 600 << 10), "the first is served whole");
    first.leave();
    server.nothing_left(before);
}

#[test]
fn a_body_that_is_broken_off_gives_its_bytes_back() {
    let server = Server::start(&["--queue-bytes", "1MiB"]);
    let body = large_call();
    for _ in 0..5 {
        most_of(&server, &body).leave();
        let text = String::from_utf8_lossy(&body);
        wait_until(BOUND, "the bytes are given back", || server.post_text("/v1/apply", &text).status == 200);
    }
}

#[test]
fn what_is_announced_and_not_sent_takes_little_room() {
    let server = Server::start(&["--queue-bytes", "64MiB"]);
    let silent: Vec<Raw> = (0..16)
        .map(|_| {
            let mut raw = Raw::connect(server.port());
            raw.write(
                b"POST /v1/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                  Content-Length: 60000000\r\n\r\n{",
            );
            raw
        })
        .collect();
    for i in 0..20 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i, "others are served");
    }
    silent.into_iter().for_each(Raw::leave);
}

#[test]
fn a_long_line_of_a_stream_holds_no_bytes_once_it_is_fed() {
    let server = Server::start(&["--queue-bytes", "4MiB", "--body-limit", "3500KiB"]);
    let mut raw = Raw::connect(server.port());
    raw.write(
        b"POST /v1/imap/stream?function=faults.echo HTTP/1.1\r\nHost: 127.0.0.1\r\n\
          Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let line = format!("\"{}\"\n", "x".repeat(3 << 20));
    raw.write(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes());
    let large = call("echo", &json!("x".repeat(2 << 20)));
    // While it is read it counts; then it is an item of the stream.
    wait_until(BOUND, "there is room again", || server.post("/v1/apply", &large).status == 200);
    raw.leave();
}
