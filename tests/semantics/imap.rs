//! `POST /v1/imap` and `/v1/imap_unordered`: a line per item, as each is ready.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exchange::{End, end_line, is_error, post, records, serve};
use crate::support::{Gate, on_time, promised, wait_until};

const IMAPS: [&str; 2] = ["/v1/imap", "/v1/imap_unordered"];

#[test]
fn each_line_is_exactly_so() {
    let server = serve(1);
    let body = json!({"function": "verbs.odd_one", "iterable": ["x", "ü\n", "raise"]});
    for path in IMAPS {
        let answer = server.post(path, &body);
        let lines = records(&answer);
        let text = String::from_utf8(answer.body.clone()).expect("lines are UTF-8");
        let text: Vec<&str> = text.split('\n').collect();
        assert_eq!(text[0], "{\"index\":0,\"value\":\"x\"}");
        assert!(
            text[1] == "{\"index\":1,\"value\":\"ü\\n\"}"
                || text[1] == "{\"index\":1,\"value\":\"\\u00fc\\n\"}"
        );
        assert!(text[2].starts_with("{\"index\":2,\"error\":{\"") && text[2].ends_with("}}"), "{}", text[2]);
        assert_eq!(text[3], "{\"end\":true,\"done\":3,\"failed\":1}");
        assert_eq!(text[4..], [""], "nothing follows");
        is_error(&lines[2]["error"], 2, "function-raised");
        assert_eq!(lines[2].as_object().map(serde_json::Map::len), Some(2), "{}", text[2]);
        assert!(answer.header("forkpool-job").is_some(), "{:?}", answer.headers);
    }
}

#[test]
fn imap_is_whole_and_in_order() {
    let server = serve(4);
    let items: Vec<usize> = (0..3_000).collect();
    for chunksize in [1, 7, 1_000, 3_000, 10_000] {
        let body = json!({"function": "faults.square", "iterable": items, "chunksize": chunksize});
        let lines = records(&server.post("/v1/imap", &body));
        assert_eq!(lines.len(), 3_001, "chunksize {chunksize}");
        for (i, line) in lines[..3_000].iter().enumerate() {
            assert_eq!(line, &json!({"index": i, "value": i * i}), "chunksize {chunksize}");
        }
        assert_eq!(lines[3_000], end_line(3_000, 0));
    }
}

#[test]
fn imap_unordered_is_whole() {
    let server = serve(4);
    let items: Vec<usize> = (0..3_000).collect();
    for chunksize in [1, 7, 1_000, 10_000] {
        let body = json!({"function": "faults.square", "iterable": items, "chunksize": chunksize});
        let mut lines = records(&server.post("/v1/imap_unordered", &body));
        assert_eq!(lines.pop(), Some(end_line(3_000, 0)), "the last line is the end");
        lines.sort_by_key(|line| line["index"].as_u64());
        let wanted: Vec<Value> = items.iter().map(|i| json!({"index": i, "value": i * i})).collect();
        assert_eq!(lines, wanted, "chunksize {chunksize}");
    }
}

#[test]
fn a_slow_first_item_holds_imap_alone() {
    let server = serve(2);
    let body = |gate: &Gate| {
        let items = json!([[gate.path(), "slow"], ["", "a"], ["", "b"], ["", "c"]]);
        json!({"function": "verbs.hold_echo", "iterable": items})
    };

    let gate = Gate::shut();
    let mut receiver = post(&server, "/v1/imap", &body(&gate));
    assert!(receiver.is_silent_for(Duration::from_millis(500)), "in order");
    gate.open();
    assert_eq!(receiver.record(), json!({"index": 0, "value": "slow"}));
    let (rest, end) = receiver.rest();
    assert_eq!((rest.len(), end), (4, End::Whole), "{rest:?}");

    let gate = Gate::shut();
    let mut receiver = post(&server, "/v1/imap_unordered", &body(&gate));
    let mut others: Vec<Value> = (0..3).map(|_| receiver.record()).collect();
    others.sort_by_key(|line| line["index"].as_u64());
    for (i, word) in ["a", "b", "c"].iter().enumerate() {
        assert_eq!(others[i], json!({"index": i + 1, "value": word}), "as each is ready");
    }
    gate.open();
    assert_eq!(receiver.record(), json!({"index": 0, "value": "slow"}));
    assert_eq!(receiver.record(), end_line(4, 0));
}

#[test]
fn each_item_is_told_as_soon_as_it_is_ready_also_within_a_chunk() {
    on_time(|| {
        let server = serve(1);
        let items: Vec<Value> = (0..5).map(|i| json!([0.4, i])).collect();
        for (path, chunksize) in [("/v1/imap", 1), ("/v1/imap_unordered", 1)] {
            let body = json!({"function": "verbs.nap_echo", "iterable": items, "chunksize": chunksize});
            let mut receiver = post(&server, path, &body);
            let mut last = Instant::now();
            for i in 0..5 {
                assert_eq!(receiver.record(), json!({"index": i, "value": i}));
                promised(last.elapsed(), Duration::from_millis(700), &format!("item {i}"));
                last = Instant::now();
            }
            assert_eq!(receiver.record(), end_line(5, 0));
        }
    });
}

#[test]
fn without_a_chunksize_it_is_one_so_that_all_workers_share_a_few_items() {
    let server = serve(3);
    for path in IMAPS {
        let meeting = tempfile::tempdir().expect("a folder can be made");
        let items = vec![json!([meeting.path(), 3]); 3];
        let body = json!({"function": "faults.meet", "iterable": items, "run_timeout": 20});
        let lines = records(&server.post(path, &body));
        let mut pids: Vec<_> = lines.iter().filter_map(|line| line["value"].as_i64()).collect();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 3, "{path}: {lines:?}");
    }
    // In one chunk they are one worker's.
    let body = json!({"function": "faults.nap_pid", "iterable": [0.1, 0.1, 0.1], "chunksize": 3});
    let lines = records(&server.post("/v1/imap", &body));
    let pids: Vec<_> = lines.iter().filter_map(|line| line["value"].as_i64()).collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| *pid == pids[0]), "{lines:?}");
}

#[test]
fn it_is_a_job_while_it_runs_and_forgotten_afterwards() {
    let server = serve(1);
    let gate = Gate::shut();
    let items: Vec<Value> =
        (0..4).map(|i| json!([if i == 3 { gate.path() } else { String::new() }, i])).collect();
    let mut receiver = post(&server, "/v1/imap", &json!({"function": "verbs.hold_echo", "iterable": items}));
    receiver.record();
    let jobs = server.get("/v1/jobs").value()["items"].clone();
    let job = &jobs[0];
    assert_eq!((&job["function"], &job["state"]), (&json!("verbs.hold_echo"), &json!("running")), "{jobs}");
    assert!(job["kind"].as_str().is_some_and(|kind| kind.starts_with("imap")), "{job}");
    let id = job["id"].as_str().unwrap_or_default().to_owned();
    assert!(receiver.head.contains(&format!("forkpool-job: {id}")), "{}", receiver.head);
    gate.open();
    let (rest, end) = receiver.rest();
    assert_eq!((rest.len(), end), (4, End::Whole), "{rest:?}");
    wait_until(Duration::from_secs(10), "it is forgotten", || {
        server.get(&format!("/v1/jobs/{id}")).status == 404
    });
}

#[test]
fn a_cancel_cuts_it() {
    let server = serve(1);
    let items: Vec<Value> = (0..50).map(|i| json!([0.1, i])).collect();
    let mut receiver = post(&server, "/v1/imap", &json!({"function": "verbs.nap_echo", "iterable": items}));
    receiver.record();
    let id = server.get("/v1/jobs").value()["items"][0]["id"].as_str().unwrap_or_default().to_owned();
    server.cancel(&id).value();
    let (rest, _) = receiver.rest();
    assert!(rest.len() < 50, "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("\"end\":true")), "cut, so without its end: {rest:?}");
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

#[test]
fn what_is_wrong_before_the_first_item_is_a_problem_and_no_stream() {
    let server = serve(1);
    for path in IMAPS {
        let ask = |body: Value| server.post(path, &body);
        let problem =
            ask(json!({"function": "faults.sqare", "iterable": [1]})).problem(404, "unknown-function");
        assert!(problem["near"].to_string().contains("faults.square"), "{problem}");
        ask(json!({"function": "faults.square"})).problem(400, "invalid-request");
        for (member, wrong) in [
            ("iterable", json!(3)),
            ("iterable", Value::Null),
            ("chunksize", json!("x")),
            ("args", json!([])),
            ("run_timeout", json!(-1)),
            ("priority", json!(101)),
            ("tags", json!("a")),
            ("retries", json!(-1)),
        ] {
            let mut body = json!({"function": "faults.square", "iterable": [1]});
            body[member] = wrong;
            assert_eq!(ask(body).problem(400, "invalid-request")["member"], member);
        }
        ask(json!({"function": "faults.square", "iterable": [1], "durable": true}))
            .problem(400, "not-durable");
        let ndjson = [("content-type", "application/x-ndjson")];
        let answer = server.send("POST", path, &ndjson, Some(b"1\n2\n"));
        answer.problem(415, "unsupported-media-type");
        server.send("GET", path, &[], None).problem(405, "method-not-allowed");
    }
}

#[test]
fn run_timeout_and_retries_are_each_items() {
    let server = serve(2);
    let items = json!([[0, 0], [60, 1], [0, 2]]);
    let body = json!({"function": "verbs.nap_echo", "iterable": items, "run_timeout": 3});
    let lines = records(&server.post("/v1/imap", &body));
    is_error(&lines[1]["error"], 1, "run-timeout");
    assert_eq!((&lines[0]["value"], &lines[2]["value"]), (&json!(0), &json!(2)));
    assert_eq!(lines[3], end_line(3, 1));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let items: Vec<Value> = (0..6)
        .map(|i| json!([if i % 2 == 0 { json!("") } else { json!(folder.path().join(i.to_string())) }, i]))
        .collect();
    for chunksize in [1, 6] {
        let body = json!({"function": "verbs.raise_once_on", "iterable": items, "retries": 1,
                          "chunksize": chunksize});
        let mut lines = records(&server.post("/v1/imap_unordered", &body));
        assert_eq!(lines.pop(), Some(end_line(6, 0)), "chunksize {chunksize}: {lines:?}");
    }
}

#[test]
fn large_values_and_items_pass() {
    let server = serve(2);
    let text = "x".repeat(1 << 20);
    let items: Vec<Value> = (0..12).map(|i| json!(format!("{i}{text}"))).collect();
    for path in IMAPS {
        for chunksize in [1, 4] {
            let body = json!({"function": "faults.echo", "iterable": items, "chunksize": chunksize});
            let mut lines = records(&server.post(path, &body));
            assert_eq!(lines.pop(), Some(end_line(12, 0)));
            lines.sort_by_key(|line| line["index"].as_u64());
            let same = lines.iter().zip(&items).all(|(line, item)| &line["value"] == item);
            assert!(same && lines.len() == 12, "{path}, chunksize {chunksize}");
        }
    }
}
