//! `POST /v1/imap/stream` and `/v1/imap_unordered/stream`: answers while the request is still being sent.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::exchange::{End, begin, end_line, is_error, serve};
use crate::support::{Gate, Server, fixture};

const STREAMS: [&str; 2] = ["/v1/imap/stream", "/v1/imap_unordered/stream"];

#[test]
fn results_arrive_while_the_request_is_still_being_sent() {
    let server = serve(2);
    for path in STREAMS {
        let (mut sender, mut receiver) = begin(&server, &format!("{path}?function=faults.square"));
        for i in 0..50 {
            sender.send(&format!("{i}\n"));
            assert_eq!(receiver.record(), json!({"index": i, "value": i * i}), "{path}");
        }
        assert_eq!(receiver.status, 200, "{}", receiver.head);
        assert!(receiver.head.contains("content-type: application/x-ndjson"), "{}", receiver.head);
        assert!(receiver.head.contains("forkpool-job: "), "{}", receiver.head);
        assert!(receiver.is_silent_for(Duration::from_millis(300)), "no end before the request's");
        sender.finish();
        assert_eq!(receiver.record(), end_line(50, 0), "{path}");
        assert_eq!(receiver.rest(), (vec![], End::Whole));
    }
}

#[test]
fn a_pause_of_the_client_keeps_no_result_back_whatever_the_chunksize() {
    let server = serve(2);
    for path in STREAMS {
        for chunksize in [1, 10, 1_000] {
            let target = format!("{path}?function=faults.square&chunksize={chunksize}");
            let (mut sender, mut receiver) = begin(&server, &target);
            sender.send("1\n2\n3\n");
            let mut seen: Vec<u64> = (0..3).filter_map(|_| receiver.record()["value"].as_u64()).collect();
            seen.sort_unstable();
            assert_eq!(seen, [1, 4, 9], "{target}");
            sender.finish();
            assert_eq!(receiver.record(), end_line(3, 0));
        }
    }
}

#[test]
fn an_item_is_whole_however_the_pieces_fall() {
    let server = serve(1);
    let (mut sender, mut receiver) = begin(&server, "/v1/imap/stream?function=faults.echo");
    for piece in ["{\"a\"", ":[1,", "2]}", "\n\"\\u00", "fc\"\n", "1", "2", "3\n4\n\"", "ü\"", "\n"] {
        sender.send(piece);
    }
    sender.finish();
    let values: Vec<_> = (0..5).map(|_| receiver.record()["value"].clone()).collect();
    assert_eq!(json!(values), json!([{"a": [1, 2]}, "ü", 123, 4, "ü"]));
    assert_eq!(receiver.record(), end_line(5, 0));
}

#[test]
fn a_slow_first_item_holds_the_ordered_one_alone() {
    let server = serve(2);
    let lines = |gate: &Gate| format!("[\"{}\", \"slow\"]\n[\"\", \"a\"]\n[\"\", \"b\"]\n", gate.path());
    let gate = Gate::shut();
    let (mut sender, mut receiver) = begin(&server, "/v1/imap/stream?function=verbs.hold_echo");
    sender.send(&lines(&gate));
    sender.finish();
    assert!(receiver.is_silent_for(Duration::from_millis(500)), "in order");
    gate.open();
    let values: Vec<_> = (0..3).map(|_| receiver.record()["value"].clone()).collect();
    assert_eq!(json!(values), json!(["slow", "a", "b"]));

    let gate = Gate::shut();
    let (mut sender, mut receiver) = begin(&server, "/v1/imap_unordered/stream?function=verbs.hold_echo");
    sender.send(&lines(&gate));
    let mut others: Vec<_> = (0..2).map(|_| receiver.record()).collect();
    others.sort_by_key(|line| line["index"].as_u64());
    assert_eq!(others, [json!({"index": 1, "value": "a"}), json!({"index": 2, "value": "b"})]);
    gate.open();
    sender.finish();
    assert_eq!(receiver.record(), json!({"index": 0, "value": "slow"}));
    assert_eq!(receiver.record(), end_line(3, 0));
}

#[test]
fn errors_of_items_are_records_and_the_stream_goes_on() {
    let server = serve(2);
    for path in STREAMS {
        for chunksize in [1, 3] {
            let target = format!("{path}?function=verbs.odd_one&chunksize={chunksize}");
            let (mut sender, mut receiver) = begin(&server, &target);
            sender.send("\"a\"\n\"raise\"\n\"b\"\n\"die\"\n\"set\"\n\"c\"\n");
            sender.finish();
            let mut lines: Vec<_> = (0..6).map(|_| receiver.record()).collect();
            lines.sort_by_key(|line| line["index"].as_u64());
            for (i, word) in [(0, "a"), (2, "b"), (5, "c")] {
                assert_eq!(lines[i], json!({"index": i, "value": word}), "{target}");
            }
            for (i, code) in [(1, "function-raised"), (3, "worker-died"), (4, "result-not-json")] {
                is_error(&lines[i]["error"], i, code);
            }
            assert_eq!(receiver.record(), end_line(6, 3), "{target}");
        }
    }
}

#[test]
fn a_stream_cut_by_a_drain_has_no_end_line() {
    let file = fixture("verbs.py");
    let mut server = Server::start(&[&file, "--drain-limit", "1"]);
    let (mut sender, mut receiver) = begin(&server, "/v1/imap/stream?function=faults.square");
    sender.send("1\n2\n");
    receiver.record();
    receiver.record();
    server.signal(Signal::SIGTERM);
    let (rest, _) = receiver.rest();
    assert!(!rest.iter().any(|line| line.contains("\"end\":true")), "it was cut: {rest:?}");
    assert!(server.ended(Duration::from_secs(10)).success(), "exit 0 after the limit");
}

#[test]
fn many_streams_at_once_keep_apart() {
    let server = serve(2);
    std::thread::scope(|scope| {
        for stream in 0..8_u64 {
            let server = &server;
            scope.spawn(move || {
                let path = STREAMS[usize::from(stream % 2 == 0)];
                let (mut sender, mut receiver) = begin(server, &format!("{path}?function=faults.echo"));
                let mut text = String::new();
                (0..500).for_each(|i| text.push_str(&format!("[{stream},{i}]\n")));
                sender.send(&text);
                sender.finish();
                for _ in 0..500 {
                    let line = receiver.record();
                    assert_eq!(line["value"], json!([stream, line["index"]]));
                }
                assert_eq!(receiver.record(), end_line(500, 0));
            });
        }
    });
}
