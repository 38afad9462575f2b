//! A value that is not taken costs its own item and nothing else.

use serde_json::{Value, json};

use super::exchange::{is_error, records};
use crate::support::{Server, fixture};

fn serve() -> Server {
    Server::start(&[&fixture("parts.py"), "--workers", "1"])
}

fn pid(server: &Server) -> Value {
    server.post("/v1/apply", &json!({"function": "parts.pid", "args": [0]})).value()
}

/// The items as one chunk.
fn collected(server: &Server, items: &Value) -> Vec<Value> {
    let body =
        json!({"function": "parts.say_odd", "iterable": items, "chunksize": 100, "on_error": "collect"});
    server.post("/v1/map", &body).value().as_array().cloned().expect("an array")
}

#[test]
fn a_number_beyond_a_double_is_its_items_failure() {
    let server = serve();
    let worker = pid(&server);
    let items = json!(["a", "huge", "b", "negative", "c", 3]);
    let got = collected(&server, &items);
    for i in [1, 3] {
        is_error(&got[i]["error"], i, "result-not-json");
        assert!(got[i].to_string().contains("out of range"), "{}", got[i]);
    }
    for (i, value) in [(0, json!("a")), (2, json!("b")), (4, json!("c")), (5, json!(3))] {
        assert_eq!(got[i], json!({"value": value}));
    }
    let body = json!({"function": "parts.say_odd", "iterable": items, "chunksize": 100});
    let lines = records(&server.post("/v1/imap", &body));
    let codes: Vec<&Value> = lines.iter().map(|line| &line["error"]["code"]).collect();
    let (none, odd) = (Value::Null, json!("result-not-json"));
    assert_eq!(codes, [&none, &odd, &none, &odd, &none, &none, &none]);
    assert_eq!(pid(&server), worker, "the worker lives");
}

#[test]
fn a_record_is_as_deep_as_a_value_may_be() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (config, value) = (folder.path().join("forkpool.toml"), folder.path().join("value"));
    let text =
        format!("[commands.deep]\nargv = [\"cat\", {:?}]\noutput = \"json\"\n", value.to_string_lossy());
    std::fs::write(&config, text).expect("the file can be written");
    let server = Server::bare(&["--config", &config.to_string_lossy(), "--workers", "1"]);
    let worker = server.workers_of("command")[0].pid;
    for (depth, taken) in [(1, true), (998, true), (999, true), (1_000, true), (1_001, false)] {
        let nested = ["[".repeat(depth), "]".repeat(depth)].concat();
        std::fs::write(&value, &nested).expect("the file can be written");
        let body = json!({"function": "deep", "iterable": [1, 2, 3], "chunksize": 3});
        let lines = server.post("/v1/imap", &body).text_whole();
        assert_eq!(lines.lines().count(), 4);
        for line in lines.lines().take(3) {
            // Deeper than the reader of these tests takes.
            let said = if taken { format!("\"value\":{nested}}}") } else { "\"result-not-json\"".to_owned() };
            assert!(line.contains(&said), "{depth} deep: {line}");
        }
    }
    assert_eq!(server.workers_of("command")[0].pid, worker, "the worker lives");
}
