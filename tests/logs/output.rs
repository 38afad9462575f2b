//! What tasks print: marks of levels, control characters, lines that are written over.

use serde_json::{Value, json};

use super::{BOUND, Logged};
use crate::support::wait_until;

/// Has a task write these pieces; its job.
fn write(server: &Logged, pieces: &[&str], pause: f64) -> String {
    let job = server.submit("write", &json!([pieces, pause]), &json!({}));
    server.result(&job, 10.0).value();
    job
}

/// Levels and texts of the lines that a job has printed, once there are so many.
fn printed(server: &Logged, job: &str, count: usize) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    wait_until(BOUND, "the lines are in the log", || {
        lines = server.lines();
        lines.retain(|line| line["target"] == "forkpool::output" && line["job"] == job);
        lines.len() >= count
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.iter().map(|line| (text(&line["level"]), text(&line["message"]))).collect()
}

fn kept(server: &Logged, job: &str) -> String {
    server.get(&format!("/v1/jobs/{job}/logs")).text_whole()
}

#[test]
fn a_mark_gives_its_line_a_level_and_is_seen_by_nobody() {
    let server = Logged::with_filter("debug", &[]);
    let text = "\x1e<3>bad\n\x1e<4>odd\n\x1e<6>said\n\x1e<7>detail\nplain\n\x1e<9>none\nin \x1e<3>it\n";
    let job = write(&server, &[text], 0.0);
    let shown = "bad\nodd\nsaid\ndetail\nplain\n\x1e<9>none\nin \x1e<3>it\n";
    assert_eq!(kept(&server, &job), shown);
    let lines = printed(&server, &job, 7);
    let want = [
        ("ERROR", "bad"),
        ("WARN", "odd"),
        ("INFO", "said"),
        ("DEBUG", "detail"),
        ("INFO", "plain"),
        ("INFO", "\x1e<9>none"),
        ("INFO", "in \x1e<3>it"),
    ];
    assert_eq!(lines, want.map(|(level, line)| (level.to_owned(), line.to_owned())));
    // The bytes that are escaped are none that a terminal knows.
    assert!(!server.errors().contains('\x1e'));
    let events = server.get(&format!("/v1/jobs/{job}/events")).text_whole();
    assert!(events.contains("bad\\nodd\\nsaid") && !events.contains("<3>bad"), "{events}");
}

#[test]
fn a_mark_that_comes_in_pieces_is_one() {
    let server = Logged::serve(&[]);
    let job = write(&server, &["first\n\x1e", "<", "3", ">second\n", "\x1e<4>", "third\n"], 0.05);
    assert_eq!(kept(&server, &job), "first\nsecond\nthird\n");
    let lines = printed(&server, &job, 3);
    assert_eq!(lines.iter().map(|(level, _)| level.as_str()).collect::<Vec<_>>(), ["INFO", "ERROR", "WARN"]);
    // What only begins as one is there when its task has ended, and is none of the next one's.
    let begun = write(&server, &["x\n\x1e<6"], 0.0);
    assert_eq!(kept(&server, &begun), "x\n\x1e<6");
    let next = write(&server, &[">y\n"], 0.0);
    assert_eq!(kept(&server, &next), ">y\n");
}

#[test]
fn a_mark_takes_no_room_of_what_is_kept() {
    let server = Logged::serve(&["--log-limit", "1KiB", "--worker-output=job"]);
    let line = "\x1e<6>0123456\n";
    let job = write(&server, &[&line.repeat(128)], 0.0);
    assert_eq!(kept(&server, &job), "0123456\n".repeat(128), "1 KiB, and nothing was cut");
}

#[test]
fn a_processs_marks_are_seen_by_nobody_either() {
    let server = Logged::serve(&[]);
    let body = json!({"target": "faults.write", "args": [["\x1e<3>bad\n", "\x1e<"]]});
    let id = server.post("/v1/processes", &body).json()["id"].as_str().expect("an id").to_owned();
    server.post(&format!("/v1/processes/{id}/join"), &json!({"timeout": 10})).value();
    let output = server.get(&format!("/v1/processes/{id}/output")).text_whole();
    assert_eq!(output, "bad\n\x1e<");
    let line = server.line("bad", "process", &id);
    assert_eq!((&line["level"], &line["name"]), (&json!("ERROR"), &json!("Process-1")));
}

#[test]
fn f8_control_characters_are_escaped_and_only_the_last_frame_is_told() {
    let server = Logged::serve(&[]);
    let text =
        "\r 10%\r 50%\r100%\nx\r2026-11-29T00:00:00Z ERROR forkpool: fake\0\nesc\x1b[31m\x07\u{85}\u{202e}\n";
    // By a surrogate Python writes the byte 0xFF.
    let job = server.submit("write", &json!([[text]]), &json!({}));
    server.result(&job, 10.0).value();
    assert_eq!(kept(&server, &job), text, "the job's own log is as it was written");
    let lines = printed(&server, &job, 3);
    let want = ["100%", "2026-11-29T00:00:00Z ERROR forkpool: fake\0", "esc\x1b[31m\x07\u{85}\u{202e}"];
    assert_eq!(lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(), want);
    let errors = server.errors();
    assert!(!errors.contains(|letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}'));
}
