//! `--result-limit` under `on_error: collect`: all records together, failures too, and nothing more is kept.

use serde_json::json;

use crate::support::{Server, fixture, proc};

#[test]
fn failures_count_as_values_do() {
    let server = Server::start(&["--builtin", "--result-limit", "64KiB"]);
    for function in ["builtin.fail", "builtin.echo"] {
        let ask = |n: usize, chunksize: usize| {
            let items = vec!["a failure is told in some more words than its message"; n];
            let body = json!({"function": function, "iterable": items, "chunksize": chunksize,
                              "on_error": "collect"});
            server.post("/v1/map", &body)
        };
        for chunksize in [1, 100, 5_000] {
            assert_eq!(ask(100, chunksize).value().as_array().map(Vec::len), Some(100));
            assert_eq!(ask(5_000, chunksize).outcome("result-too-large")["limit"], 64 << 10);
        }
    }
}

#[test]
fn what_is_lost_is_not_kept() {
    let file = fixture("parts.py");
    let server = Server::start(&[&file, "--builtin", "--result-limit", "1MiB"]);
    let ask = |function: &str, n: usize| {
        let body = json!({"function": function, "iterable": vec!["x".repeat(900_000); n],
                          "chunksize": 1, "on_error": "collect"});
        server.post("/v1/map", &body)
    };
    // The body itself, and what is needed once.
    ask("parts.pid", 40).value();
    let before = proc::peak_memory(server.pid());
    ask("builtin.echo", 40).outcome("result-too-large");
    let grown = proc::peak_memory(server.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "{} MiB more", grown >> 20);
    assert!(ask("builtin.echo", 1).status == 200, "one fits");
}

#[test]
fn many_small_records_are_no_more_than_their_text() {
    // The text of all is about 12 MB.
    let server = Server::start(&["--builtin", "--result-limit", "16MiB"]);
    let items: Vec<u64> = (0..500_000).map(|i| i % 10).collect();
    let body = json!({"function": "builtin.echo", "iterable": items, "on_error": "collect"});
    let got = server.post("/v1/map", &body).value();
    let records = got.as_array().expect("an array");
    assert!(records.iter().zip(&items).all(|(record, item)| record["value"] == *item), "in order");
    assert_eq!(records.len(), items.len());
}
