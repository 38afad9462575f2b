//! f13 for chunks: where only all values together are too large, no item is blamed.

use serde_json::json;

use crate::support::{Server, fixture};

#[test]
fn f13_no_index_where_none_is_to_blame() {
    let file = fixture("parts.py");
    let server = Server::start(&[&file, "--builtin", "--result-limit", "64KiB"]);
    let text = "x".repeat(40_000);
    for function in ["builtin.echo", "parts.say_odd"] {
        let ask = |verb: &str, items: &[&str]| {
            let body = json!({"function": function, "iterable": items, "chunksize": 2});
            server.post(&format!("/v1/{verb}"), &body)
        };
        let problem = ask("map", &["a", "b", &text, &text, "c"]).outcome("result-too-large");
        assert!(problem.get("index").is_none(), "{function}: {problem}");
        assert_eq!(problem["limit"], 64 << 10);
    }
    // One that is told has its own.
    let body = json!({"function": "builtin.fail", "iterable": [1, 2, 3], "chunksize": 2});
    let told = server.post("/v1/map", &body).outcome("invalid-arguments");
    assert!(told["index"] == 0 || told["index"] == 2, "the first of a chunk: {told}");
}

#[test]
fn f13_an_item_may_be_as_large_as_a_value() {
    let server = Server::start(&["--builtin", "--result-limit", "64KiB"]);
    let limit = 64 << 10;
    // With its quotes it has the limit's size, and then one byte more.
    let (exact, over) = ("x".repeat(limit - 2), "x".repeat(limit - 1));
    let body = json!({"function": "builtin.echo", "iterable": [exact, over, exact], "chunksize": 3});
    let answer = server.post("/v1/imap", &body).text_whole();
    let lines: Vec<serde_json::Value> =
        answer.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!((&lines[0]["value"], &lines[2]["value"]), (&json!(exact), &json!(exact)));
    let error = &lines[1]["error"];
    assert_eq!(error["code"], "result-too-large", "{error}");
    let detail = error["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(&format!("the value is {} bytes", limit + 1)), "{detail}");
}
