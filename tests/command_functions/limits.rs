//! `--result-limit` for commands: of each item where items have records, of all where a map has one value.

use serde_json::{Value, json};

use crate::support::Server;

#[test]
fn items_with_records_do_not_share_a_limit() {
    let server = Server::bare(&["--command", "cat=cat", "--result-limit", "1KiB", "--workers", "1"]);
    let (text, over) = ("x".repeat(800), "x".repeat(1_100));
    // Records that are older than 5 ms are sent ahead: of many pairs some are quick.
    let items: Vec<&str> = (0..101).map(|i| if i == 50 { over.as_str() } else { text.as_str() }).collect();
    let body = json!({"function": "cat", "iterable": items, "chunksize": 2});
    let answer = server.post("/v1/imap", &body).text_whole();
    let lines: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (i, line) in lines[..101].iter().enumerate() {
        if i == 50 {
            assert_eq!(line["error"]["code"], "result-too-large", "{line}");
        } else {
            assert_eq!(line["value"], text, "item {i}: {line}");
        }
    }
    assert_eq!(lines[101], json!({"end": true, "done": 101, "failed": 1}));
    // Together they have one value, and that is too large.
    let map = json!({"function": "cat", "iterable": [text, text], "chunksize": 2});
    server.post("/v1/map", &map).outcome("result-too-large");
    assert_eq!(server.post("/v1/apply", &json!({"function": "cat", "args": [text]})).value(), text);
}
