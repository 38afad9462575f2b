//! What the lines and the query of a stream may be.

use serde_json::{Value, json};

use super::exchange::{Receiver, begin, end_line, serve};
use crate::support::Server;

const STREAMS: [&str; 2] = ["/v1/imap/stream", "/v1/imap_unordered/stream"];

fn whole(server: &Server, path: &str, text: &str) -> Receiver {
    let (mut sender, receiver) = begin(server, &format!("{path}?function=faults.echo"));
    sender.send(text);
    sender.finish();
    receiver
}

#[test]
fn a_bad_line_ends_the_stream_with_its_error_and_index() {
    let server = serve(2);
    let deep = "[".repeat(100_000);
    let bad = [
        "{bad",
        "[1",
        "\"never",
        "1 2",
        "1,2",
        "NaN",
        "1e400",
        "'a'",
        "\\",
        "[1],",
        "}",
        "nul",
        "\"\\x\"",
        &deep,
        "\u{feff}1",
        "{\"a\":1}x",
    ];
    for path in STREAMS {
        for text in bad {
            let shown: String = text.chars().take(20).collect();
            let mut receiver = whole(&server, path, &format!("1\n\"two\"\n{text}\n4\n5\n"));
            let mut lines: Vec<Value> = (0..3).map(|_| receiver.record()).collect();
            assert_eq!(receiver.status, 200, "{}", receiver.head);
            lines.sort_by_key(|line| line["index"].as_u64());
            assert_eq!(lines[0], json!({"index": 0, "value": 1}), "{shown}: what came before is told");
            assert_eq!(lines[1], json!({"index": 1, "value": "two"}), "{shown}");
            let error = &lines[2]["error"];
            assert_eq!((&lines[2]["index"], &error["code"]), (&json!(2), &json!("invalid-json")), "{shown}");
            assert_eq!(error["status"], 400, "{error}");
            assert!(error["detail"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
            let (rest, _) = receiver.rest();
            assert!(rest.is_empty() || rest == [end_line(3, 1).to_string()], "{shown}: {rest:?}");
        }
    }
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

#[test]
fn a_bad_first_line_is_told_like_any_other() {
    let server = serve(1);
    for path in STREAMS {
        let mut receiver = whole(&server, path, "{bad\n1\n");
        let line = receiver.record();
        assert_eq!((&line["index"], &line["error"]["code"]), (&json!(0), &json!("invalid-json")), "{line}");
    }
}

#[test]
fn what_stands_behind_a_bad_line_never_runs() {
    let server = serve(1);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("trace");
    let (mut sender, mut receiver) = begin(&server, "/v1/imap/stream?function=faults.mark&chunksize=100");
    sender.send(&format!("{0}\n{0}\nbad\n{0}\n{0}\n", json!(path)));
    sender.finish();
    receiver.rest();
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), "xx", "two items ran");
}

#[test]
fn blank_lines_are_no_items() {
    let server = serve(1);
    for path in STREAMS {
        let mut receiver = whole(&server, path, "\n\n1\n\n  \n\t\n2\n\r\n\n");
        let mut lines = vec![receiver.record(), receiver.record()];
        lines.sort_by_key(|line| line["index"].as_u64());
        assert_eq!(lines, [json!({"index": 0, "value": 1}), json!({"index": 1, "value": 2})], "{path}");
        assert_eq!(receiver.record(), end_line(2, 0));
        let mut receiver = whole(&server, path, "1\n\n\nbad\n");
        receiver.record();
        assert_eq!(receiver.record()["index"], 1, "nor are they counted");
    }
}

#[test]
fn lines_end_as_they_like_and_the_last_need_not() {
    let server = serve(1);
    for text in ["1\r\n2\r\n3\r\n", "1\n2\n3", " 1 \n\t2\n3  ", "1\r\n2\n3\r"] {
        let mut receiver = whole(&server, "/v1/imap/stream", text);
        for i in 0..3 {
            assert_eq!(receiver.record(), json!({"index": i, "value": i + 1}), "{text:?}");
        }
        assert_eq!(receiver.record(), end_line(3, 0), "{text:?}");
    }
}

#[test]
fn of_nothing_there_is_the_end_alone() {
    let server = serve(1);
    for path in STREAMS {
        for text in ["\n", " \n\n", "  "] {
            let mut receiver = whole(&server, path, text);
            assert_eq!(receiver.record(), end_line(0, 0), "{path}, {text:?}");
        }
        let answer = server.send(
            "POST",
            &format!("{path}?function=faults.echo"),
            &[("content-type", "application/x-ndjson")],
            Some(b""),
        );
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "{\"end\":true,\"done\":0,\"failed\":0}\n")
        );
    }
}

#[test]
fn any_json_is_an_item() {
    let server = serve(1);
    let items =
        ["null", "true", "-0.5", "1e3", "\"\"", "[]", "{}", "[[null]]", "12345678901234567890123456789"];
    let mut receiver = whole(&server, "/v1/imap/stream", &items.join("\n"));
    for (i, item) in items.iter().enumerate() {
        let line = receiver.line().unwrap_or_default();
        let wanted = format!("{{\"index\":{i},\"value\":{}}}", if *item == "1e3" { "1000.0" } else { item });
        assert_eq!(line, wanted);
    }
    assert_eq!(receiver.record(), end_line(items.len(), 0));
}

#[test]
fn a_line_over_the_limit_ends_the_stream_with_its_index() {
    let server = Server::start(&["--body-limit", "1MiB"]);
    let large = format!("\"{}\"", "x".repeat(3 << 20));
    let mut receiver = whole(&server, "/v1/imap/stream", &format!("1\n{large}\n2\n"));
    assert_eq!(receiver.record(), json!({"index": 0, "value": 1}));
    let line = receiver.record();
    assert_eq!((&line["index"], &line["error"]["code"]), (&json!(1), &json!("body-too-large")), "{line}");
    // The whole may be longer than a body may: it is no body.
    let text = format!("\"{}\"\n", "y".repeat(1_000)).repeat(3_000);
    let mut receiver = whole(&server, "/v1/imap/stream", &text);
    let (lines, _) = receiver.rest();
    assert_eq!(
        (lines.len(), lines.last().cloned()),
        (3_001, Some("{\"end\":true,\"done\":3000,\"failed\":0}".into()))
    );
}

#[test]
fn what_is_wrong_in_the_query_is_named_before_anything_runs() {
    let server = serve(1);
    let ndjson = [("content-type", "application/x-ndjson")];
    let table = [
        ("", "function"),
        ("?chunksize=1", "function"),
        ("?function=faults.echo&chunksize=0", "chunksize"),
        ("?function=faults.echo&chunksize=-1", "chunksize"),
        ("?function=faults.echo&chunksize=1.5", "chunksize"),
        ("?function=faults.echo&chunksize=x", "chunksize"),
        ("?function=faults.echo&chunksize=", "chunksize"),
        ("?function=faults.echo&run_timeout=NaN", "run_timeout"),
        ("?function=faults.echo&run_timeout=-1", "run_timeout"),
        ("?function=faults.echo&run_timeout=86401", "run_timeout"),
        ("?function=faults.echo&queue_timeout=1e308", "queue_timeout"),
        ("?function=faults.echo&retry_delay=inf", "retry_delay"),
        ("?function=faults.echo&priority=101", "priority"),
        ("?function=faults.echo&priority=1.0", "priority"),
        ("?function=faults.echo&priority=", "priority"),
        ("?function=faults.echo&retries=-1", "retries"),
        ("?function=faults.echo&retries=99999999999999999999", "retries"),
        ("?function=faults.echo&retries=1&retries=1", "retries"),
        ("?function=faults.echo&iterable=1", "iterable"),
        ("?function=faults.echo&chunksizes=1", "chunksizes"),
    ];
    for path in STREAMS {
        for (query, member) in table {
            let answer = server.send("POST", &format!("{path}{query}"), &ndjson, Some(b"1\n"));
            let problem = answer.problem(400, "invalid-request");
            assert_eq!(problem["member"], member, "{path}{query}: {problem}");
        }
        let send = |query: &str, headers: &[(&str, &str)]| {
            server.send("POST", &format!("{path}{query}"), headers, Some(b"1\n"))
        };
        send("?function=faults.ecco", &ndjson).problem(404, "unknown-function");
        send("?function=faults.echo", &[("content-type", "application/json")])
            .problem(415, "unsupported-media-type");
        send("?function=faults.echo&pool=nowhere", &ndjson).problem(404, "unknown-pool");
        server.get(&format!("{path}?function=faults.echo")).problem(405, "method-not-allowed");
    }
}

/// A stream of one item with these options in its query.
fn with_options(options: &str) {
    let server = serve(2);
    let (mut sender, mut receiver) =
        begin(&server, &format!("/v1/imap/stream?function=faults.echo&{options}"));
    sender.send("1\n");
    sender.finish();
    let line = receiver.record();
    assert_eq!((receiver.status, &line["value"]), (200, &json!(1)), "{options}: {line}");
}

#[test]
fn options_go_in_the_query() {
    with_options(
        "pool=python&run_timeout=5&queue_timeout=5&priority=-3&retries=1&retry_delay=0.1&chunksize=2",
    );
}

#[test]
fn those_that_are_lists_go_there_too() {
    with_options("retries=1&retry_on=function-raised");
    with_options("tags=a");
}

#[test]
fn and_those_that_change_nothing_here() {
    with_options("result_ttl=5");
    with_options("durable=false");
}
