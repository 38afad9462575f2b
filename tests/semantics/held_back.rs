//! A client that waits for one item gets it, however much has come behind it; and memory stays bounded.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::exchange::{End, end_line, post};
use crate::support::{Server, fixture, never_within, proc, wait_until};

const MEGABYTE: usize = 1_000_000;

fn serve() -> (Server, TempDir) {
    let file = fixture("parts.py");
    let server = Server::start(&[&file, "--workers", "2", "--write-stall", "60s"]);
    (server, tempfile::tempdir().expect("a folder can be made"))
}

fn words(folder: &TempDir, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Items for `large_but_late`.
fn late_items(folder: &TempDir, how: &str, n: usize) -> Vec<Value> {
    let path = folder.path().join("late");
    (0..n).map(|i| json!([path, i, how])).collect()
}

/// All lines come, in order, each of a megabyte but those in `failed`.
fn comes_whole(server: &Server, body: &Value, n: usize, failed: &[usize]) {
    let text = server.post("/v1/imap", body).text_whole();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), n + 1);
    for (i, line) in lines[..n].iter().enumerate() {
        assert!(line.starts_with(&format!("{{\"index\":{i},")), "in order: {}", &line[..40]);
        assert_eq!(line.len() > MEGABYTE, !failed.contains(&i), "item {i}: {}", &line[..40]);
    }
    assert_eq!(serde_json::from_str::<Value>(lines[n]).ok(), Some(end_line(n, failed.len())));
}

#[test]
fn an_item_that_is_run_again_is_not_held_back_by_those_behind_it() {
    let (server, folder) = serve();
    let body = json!({"function": "parts.large_but_late", "iterable": late_items(&folder, "raise", 13),
                      "retries": 1});
    comes_whole(&server, &body, 13, &[]);
}

#[test]
fn nor_is_what_a_death_left_of_a_chunk() {
    let (server, folder) = serve();
    for chunksize in [2, 3, 4] {
        let _ = fs::remove_file(folder.path().join("late"));
        let body = json!({"function": "parts.large_but_late", "iterable": late_items(&folder, "die", 13),
                          "chunksize": chunksize});
        comes_whole(&server, &body, 13, &[0]);
    }
}

/// Each of many items fails once and is a megabyte then; the client reads nothing meanwhile. What is held, what
/// the kernel keeps for the connection and what two workers have before them is 4 MiB, about as much and up to 16
/// items each: together about 40.
fn stays_bounded(verb: &str) {
    const N: usize = 100;
    const MADE_MAX: usize = 60;
    let (server, folder) = serve();
    let path = folder.path().join("runs");
    let items: Vec<Value> = (0..N).map(|i| json!([path, i])).collect();
    let body = json!({"function": "parts.large_at_last", "iterable": items, "retries": 1, "retry_delay": 4});
    let before = proc::peak_memory(server.pid());
    let mut receiver = post(&server, &format!("/v1/{verb}"), &body);
    let again = || words(&folder, "runs").iter().filter(|word| *word == "again").count();
    wait_until(Duration::from_secs(20), "each has failed, and some run again", || {
        words(&folder, "runs").len() - again() == N && again() > 3
    });
    never_within(Duration::from_secs(2), "what nobody reads is made", || again() > MADE_MAX);
    let grown = proc::peak_memory(server.pid()).saturating_sub(before);
    assert!(grown < (MADE_MAX * MEGABYTE) as u64, "{} MiB more", grown >> 20);
    let (lines, end) = receiver.rest();
    assert_eq!((lines.len(), end), (N + 1, End::Whole));
    assert_eq!(again(), N);
}

#[test]
fn what_is_run_again_waits_for_a_client_that_does_not_read() {
    stays_bounded("imap");
}

#[test]
fn and_so_it_does_unordered() {
    stays_bounded("imap_unordered");
}
