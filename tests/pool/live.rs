//! Large arguments, values and chunks hold up nobody else: what is long is done beside the server's thread, or in
//! turns.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Looks, Server, on_time, promised, scaled};

/// Of the longest look at `/livez`, however busy the machine is; a server that is held up by a large text lets one wait
/// for a good part of the whole.
const LIVE: Duration = Duration::from_millis(250);
const MIB: usize = 1 << 20;

fn live_meanwhile(server: &Server, what: &str, work: impl FnOnce(&Server) + Send) {
    let looks = Looks::during(server, work);
    let bound = LIVE.max(looks.elapsed / 10);
    promised(looks.percentile(100), bound, &format!("{} looks at /livez beside {what}", looks.count()));
}

/// The text of a large value, of many small ones.
fn brackets() -> String {
    format!("[{}]", vec!["[]"; 4 * MIB].join(","))
}

/// Asks, and compares the answer with the text of a value.
fn answers(server: &Server, path: &str, body: &str, wanted: &str) {
    let answer = server.post_text(path, body);
    assert_eq!(answer.status, 200, "{path}");
    assert!(answer.body == wanted.as_bytes(), "{path}: another text came back");
}

#[test]
fn the_server_answers_while_large_values_come_and_go() {
    on_time(|| {
        let server = Server::alone(&["--builtin", "--workers", "1"]);
        let brackets = brackets();
        let body = format!("{{\"function\":\"builtin.echo\",\"args\":[{brackets}]}}");
        live_meanwhile(&server, "a large value", |server| answers(server, "/v1/apply", &body, &brackets));
        let body = format!("{{\"function\":\"builtin.echo\",\"chunksize\":4194304,\"iterable\":{brackets}}}");
        live_meanwhile(&server, "a map in one chunk", |server| answers(server, "/v1/map", &body, &brackets));
        let few = 400_000;
        let body = format!(
            "{{\"function\":\"builtin.echo\",\"chunksize\":{few},\"on_error\":\"collect\",\"iterable\":[{}]}}",
            vec!["[]"; few].join(",")
        );
        let records = format!("[{}]", vec!["{\"value\":[]}"; few].join(","));
        live_meanwhile(&server, "records in one chunk", |server| answers(server, "/v1/map", &body, &records));
    });
}

#[test]
fn the_server_answers_while_a_long_line_comes_and_goes() {
    on_time(|| {
        let server = Server::alone(&["--builtin", "--workers", "1"]);
        let brackets = brackets();
        let lines = format!("1\n{brackets}\n\n2\n");
        let wanted = format!(
            "{{\"index\":0,\"value\":1}}\n{{\"index\":1,\"value\":{brackets}}}\n{{\"index\":2,\"value\":2}}\n\
             {{\"end\":true,\"done\":3,\"failed\":0}}\n"
        );
        live_meanwhile(&server, "a long line", |server| {
            let headers = [("content-type", "application/x-ndjson")];
            let target = "/v1/imap/stream?function=builtin.echo&chunksize=4";
            let answer = server.send("POST", target, &headers, Some(lines.as_bytes()));
            assert_eq!(answer.status, 200);
            assert!(answer.body == wanted.as_bytes(), "another text came back");
        });
    });
}

#[test]
fn the_server_answers_while_large_bytes_are_decoded() {
    on_time(|| {
        let server = Server::alone(&["--builtin", "--workers", "1"]);
        let bytes: Vec<u8> = (0..=250_u8).cycle().take(16 * MIB).collect();
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let body = json!({"function": "builtin.echo", "args": [{"$bytes": text}]}).to_string();
        live_meanwhile(&server, "raw bytes", |server| {
            let headers = [
                ("content-type", "application/json"),
                ("accept", "application/octet-stream"),
                ("idempotency-key", "large"),
            ];
            let answer = server.send("POST", "/v1/apply", &headers, Some(body.as_bytes()));
            assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
            assert!(answer.body == bytes, "other bytes came back");
        });
    });
}

/// That they do so in turns, the scheduler's own tests count.
#[test]
fn many_jobs_end_by_a_cancel_or_with_their_pool() {
    on_time(|| {
        let server = Server::alone(&["--builtin", "--workers", "1"]);
        for end in ["DELETE", "cancel"] {
            let pool = json!({"name": "crowded", "runtime": "native", "processes": 1});
            assert_eq!(server.post("/v1/pools", &pool).status, 201);
            let client = server.keeping();
            let body =
                json!({"function": "builtin.sleep", "args": [600], "pool": "crowded", "tags": ["many"]});
            let body = body.to_string();
            let jobs = scaled(5_000);
            for _ in 0..jobs {
                assert_eq!(client.post_text("/v1/apply_async", &body).status, 202);
            }
            if end == "cancel" {
                let cancelled = server.post("/v1/jobs/cancel", &json!({"tag": "many"})).value();
                assert_eq!(cancelled, json!({"cancelled": jobs}));
            }
            assert_eq!(server.delete("/v1/pools/crowded").status, 204);
            let list: Value = server.get("/v1/jobs?state=queued").value();
            assert_eq!(list["items"], json!([]), "every job has ended");
        }
    });
}
