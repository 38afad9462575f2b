//! A worker that dies after the last item of its chunk and before its answer: what ran is not run again.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Server, fixture};

#[test]
fn f03_each_item_ran_once() {
    let server = Server::start(&[&fixture("parts.py"), "--workers", "1"]);
    let folder = tempfile::tempdir().expect("a folder can be made");
    for spread in [false, true] {
        let path = folder.path().join(format!("ran-{spread}"));
        let words = ["a", "b", "c", "d", "e"];
        let items: Vec<Value> = words
            .iter()
            .map(|word| if spread { json!([[path, word]]) } else { json!([path, word]) })
            .collect();
        let verb = if spread { "starmap" } else { "map" };
        let body = json!({"function": "parts.bomb_at_the_end", "iterable": items, "chunksize": 5,
                          "on_error": "collect"});
        let got = server.post(&format!("/v1/{verb}"), &body).value();
        let ran = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(ran.split_whitespace().collect::<Vec<_>>(), words, "{verb}: {got}");
        // What a PART told before the last item may have its value.
        let last = &got[4]["error"];
        assert_eq!((&last["code"], &last["index"]), (&json!("worker-died"), &json!(4)), "{verb}: {got}");
    }
}
