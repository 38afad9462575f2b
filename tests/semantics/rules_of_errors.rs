//! Rules 6, 7, 11 and 12: errors of items, of workers, of values; by every verb.

use serde_json::{Value, json};

use super::exchange::{begin, end_line, is_error, records, serve};

const IMAPS: [&str; 2] = ["imap", "imap_unordered"];

#[test]
fn rule_06_imap_goes_on_after_an_error() {
    let server = serve(2);
    for verb in IMAPS {
        for chunksize in [None, Some(1), Some(2), Some(5), Some(100)] {
            let mut body = json!({"function": "faults.fail_on", "iterable": [0, 1, -2, 3, 4]});
            if let Some(chunksize) = chunksize {
                body["chunksize"] = json!(chunksize);
            }
            let mut lines = records(&server.post(&format!("/v1/{verb}"), &body));
            assert_eq!(lines.pop(), Some(end_line(5, 1)), "{verb}, chunksize {chunksize:?}");
            lines.sort_by_key(|line| line["index"].as_u64());
            let wanted = [json!(0), json!(1), Value::Null, json!(3), json!(4)];
            for (index, (line, value)) in lines.iter().zip(&wanted).enumerate() {
                assert_eq!(line["index"], index, "{verb}, chunksize {chunksize:?}: {line}");
                if value.is_null() {
                    is_error(&line["error"], index, "function-raised");
                    assert_eq!(line["error"]["exception"]["args"], json!(["negative", -2]), "{line}");
                } else {
                    assert_eq!(&line["value"], value, "{verb}, chunksize {chunksize:?}: {line}");
                }
            }
            assert_eq!(lines.len(), 5, "the chunk trap loses nothing here: {lines:?}");
        }
    }
}

#[test]
fn rule_06_an_error_is_told_at_its_place() {
    let server = serve(2);
    let body = json!({"function": "faults.fail_on", "iterable": [-1, 5, -3, -4, 7]});
    let lines = records(&server.post("/v1/imap", &body));
    let indexes: Vec<_> = lines.iter().filter_map(|line| line["index"].as_u64()).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert_eq!(lines.last(), Some(&end_line(5, 3)));
}

#[test]
fn rule_07_what_is_ready_early_is_held_until_the_gap_fills() {
    let server = serve(4);
    let naps = [0.5, 0.0, 0.2, 0.0, 0.1, 0.0, 0.3, 0.0];
    let items: Vec<Value> = (0..8).map(|i| json!([naps[i], i])).collect();
    let body = json!({"function": "verbs.nap_echo", "iterable": items});
    let lines = records(&server.post("/v1/imap", &body));
    let wanted: Vec<Value> = (0..8).map(|i| json!({"index": i, "value": i})).collect();
    assert_eq!(lines[..8], wanted);
}

#[test]
fn rule_07_an_error_of_the_iterable_is_told_at_its_index() {
    let server = serve(2);
    let (mut sender, mut receiver) = begin(&server, "/v1/imap/stream?function=faults.square");
    sender.send("1\n2\n3\n");
    for (i, square) in [1, 4, 9].iter().enumerate() {
        assert_eq!(receiver.record(), json!({"index": i, "value": square}));
    }
    sender.send("{\"never\n4\n");
    sender.finish();
    let line = receiver.record();
    assert_eq!((&line["index"], &line["error"]["code"]), (&json!(3), &json!("invalid-json")), "{line}");
    let (rest, _) = receiver.rest();
    assert!(!rest.iter().any(|line| line.contains("\"index\"")), "nothing comes after it: {rest:?}");
}

/// What a word makes the function do, and what its outcome says.
fn base_exceptions() -> [(&'static str, &'static str, Value); 3] {
    [
        ("leave", "SystemExit", json!([4])),
        ("interrupt", "KeyboardInterrupt", json!([])),
        ("raise", "LookupError", json!(["asked to", 7])),
    ]
}

#[test]
fn rule_11_a_base_exception_is_an_outcome_and_the_worker_lives() {
    let server = serve(1);
    let worker = server.workers()[0].pid;
    for (word, kind, arguments) in base_exceptions() {
        let ask = |verb: &str, member: &str, given: Value| {
            server.post(&format!("/v1/{verb}"), &json!({"function": "verbs.odd_one", member: given}))
        };
        let problem = ask("apply", "args", json!([word])).outcome("function-raised");
        assert_eq!(
            (&problem["exception"]["type"], &problem["exception"]["args"]),
            (&json!(kind), &arguments)
        );
        let problem = ask("map", "iterable", json!(["a", word, "b"])).outcome("function-raised");
        assert_eq!((&problem["exception"]["type"], &problem["index"]), (&json!(kind), &json!(1)));
        for verb in IMAPS {
            let lines = records(&ask(verb, "iterable", json!(["a", word, "b"])));
            assert_eq!(lines.last(), Some(&end_line(3, 1)), "{verb}, {word}: {lines:?}");
            let failed: Vec<_> = lines.iter().filter(|line| line.get("error").is_some()).collect();
            assert_eq!(failed.len(), 1, "{verb}, {word}: {lines:?}");
            is_error(&failed[0]["error"], 1, "function-raised");
            assert_eq!(failed[0]["error"]["exception"]["type"], kind);
        }
        assert_eq!(server.apply("pid", &json!([])).value(), worker, "{word}: the worker lives");
    }
}

#[test]
fn rule_11_a_death_is_an_outcome_and_the_next_call_works() {
    let server = serve(2);
    for (word, exit_code, signal) in [("die", Some(9), None), ("kill", None, Some("SIGKILL"))] {
        let body = json!({"function": "verbs.odd_one", "args": [word]});
        let problem = server.post("/v1/apply", &body).outcome("worker-died");
        assert_eq!(problem["exit_code"].as_i64(), exit_code, "{problem}");
        assert_eq!(problem["signal"].as_str(), signal, "{problem}");
        assert_eq!(server.apply("square", &json!([3])).value(), 9);
        let body = json!({"function": "verbs.odd_one", "iterable": ["a", word, "b"], "chunksize": 1});
        assert_eq!(server.post("/v1/map", &body).outcome("worker-died")["index"], 1);
        let lines = records(&server.post("/v1/imap", &body));
        assert_eq!(lines.last(), Some(&end_line(3, 1)), "{lines:?}");
        is_error(&lines[1]["error"], 1, "worker-died");
        assert_eq!(lines[1]["error"]["exit_code"].as_i64(), exit_code, "{lines:?}");
    }
}

#[test]
fn rule_12_a_value_that_cannot_be_said_is_an_outcome_with_its_path() {
    let server = serve(2);
    for (word, path) in [("set", "$"), ("nan", "$[1]")] {
        let body = json!({"function": "verbs.odd_one", "args": [word]});
        assert_eq!(server.post("/v1/apply", &body).outcome("result-not-json")["path"], path);
        for chunksize in [1, 3] {
            let items = json!(["a", word, "b"]);
            let body = json!({"function": "verbs.odd_one", "iterable": items, "chunksize": chunksize});
            let problem = server.post("/v1/map", &body).outcome("result-not-json");
            assert_eq!((&problem["index"], &problem["path"]), (&json!(1), &json!(path)), "{problem}");
            for verb in IMAPS {
                let mut lines = records(&server.post(&format!("/v1/{verb}"), &body));
                assert_eq!(lines.pop(), Some(end_line(3, 1)), "{verb}: {lines:?}");
                lines.sort_by_key(|line| line["index"].as_u64());
                assert_eq!((&lines[0]["value"], &lines[2]["value"]), (&json!("a"), &json!("b")));
                is_error(&lines[1]["error"], 1, "result-not-json");
                assert_eq!(lines[1]["error"]["path"], path, "{verb}, chunksize {chunksize}: {lines:?}");
            }
        }
    }
}

#[test]
fn rule_12_an_argument_that_cannot_be_said_costs_its_own_request_alone() {
    let server = serve(1);
    let beside = server.submit("nap", &json!([0.5]));
    for arguments in ["[NaN]", "[1e400]", "[\"\\x\"]", "[1", "[{1: 2}]"] {
        let text = format!("{{\"function\": \"faults.echo\", \"args\": {arguments}}}");
        server.post_text("/v1/apply", &text).problem(400, "invalid-json");
        let text = text.replace("args", "iterable");
        for verb in ["map", "imap", "imap_unordered"] {
            server.post_text(&format!("/v1/{verb}"), &text).problem(400, "invalid-json");
        }
    }
    assert_eq!(server.result(&beside, 5.0).value(), 0.5);
}

#[test]
fn rule_12_an_exception_keeps_its_type_message_and_arguments() {
    let server = serve(1);
    let body = json!({"function": "verbs.odd_one", "iterable": ["raise"]});
    let by_map = server.post("/v1/map", &body).outcome("function-raised")["exception"].clone();
    let lines = records(&server.post("/v1/imap", &body));
    let by_imap = lines[0]["error"]["exception"].clone();
    let body = json!({"function": "verbs.odd_one", "args": ["raise"]});
    let by_apply = server.post("/v1/apply", &body).outcome("function-raised")["exception"].clone();
    for exception in [&by_map, &by_imap, &by_apply] {
        assert_eq!(exception["type"], "LookupError");
        assert_eq!(exception["args"], json!(["asked to", 7]));
        assert_eq!(exception["message"], "('asked to', 7)");
        let traceback = exception["traceback"].as_str().unwrap_or_default();
        assert!(traceback.contains("in odd_one"), "the function's own frames: {exception}");
    }
}
