//! Retries of many items of one chunk: time in proportion to their number, and the server answers meanwhile.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, promised};

/// Enough that looking through the chunk for each of them shows.
const ITEMS: usize = 40_000;
/// No look at `/livez` may take longer: the machine may be busy, the server's thread may not.
const LIVE: Duration = Duration::from_secs(15);

fn fails(server: &Server, items: usize, retries: u32) -> Vec<Value> {
    let body = json!({"function": "builtin.fail", "iterable": vec!["x"; items], "chunksize": items,
                      "on_error": "collect", "retries": retries});
    let got = server.post("/v1/map", &body).value();
    got.as_array().cloned().unwrap_or_else(|| panic!("no array: {got}"))
}

#[test]
fn a_chunk_of_failures_is_run_again_item_by_item_and_nobody_waits_for_it() {
    let server = Server::start(&["--builtin", "--workers", "1"]);
    thread::scope(|scope| {
        let map = scope.spawn(|| fails(&server, ITEMS, 1));
        let mut looks = 0;
        while !map.is_finished() {
            let look = server.get("/livez");
            assert_eq!(look.status, 200);
            promised(look.took, LIVE, "a look at /livez");
            looks += 1;
        }
        let got = map.join().expect("the map ends well");
        assert!(looks > 0);
        assert_eq!(got.len(), ITEMS);
        for (i, record) in got.iter().enumerate() {
            assert_eq!(
                (&record["error"]["index"], &record["error"]["code"]),
                (&json!(i), &json!("function-raised"))
            );
        }
    });
}

#[test]
fn each_item_that_is_run_again_is_the_one_that_failed() {
    let server = Server::start(&["--builtin", "--workers", "2"]);
    // Of unequal length, some with commas and brackets in them: cut at the right places.
    let words: Vec<Value> = (0..200)
        .map(|i| if i % 3 == 0 { json!(i) } else { json!(format!("{}],[\"{i}", "y".repeat(i))) })
        .collect();
    let body = json!({"function": "builtin.fail", "iterable": words, "chunksize": 50, "on_error": "collect",
                      "retries": 2});
    let got = server.post("/v1/map", &body).value();
    for (i, word) in words.iter().enumerate() {
        let error = &got[i]["error"];
        if i % 3 == 0 {
            assert_eq!(error["code"], "invalid-arguments", "item {i}: {error}");
        } else {
            assert_eq!(error["exception"]["message"], *word, "item {i}: {error}");
        }
    }
}
