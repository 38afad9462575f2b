//! `forkpool.progress()`: in the job, in the list, in the events.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{BOUND, call, serve};
use crate::events::reader::follow;
use crate::support::{Server, wait_until};

/// A call that says these steps and then runs until the gate is opened.
struct Reporting {
    id: String,
    _folder: TempDir,
    gate: PathBuf,
}

impl Reporting {
    fn start(server: &Server, steps: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let gate = folder.path().join("open");
        let id = server.post("/v1/apply_async", &call("report", &json!([steps, gate]))).accepted();
        Self { id, _folder: folder, gate }
    }

    fn open(&self) {
        std::fs::write(&self.gate, "").expect("written");
    }
}

fn progress(server: &Server, id: &str) -> Value {
    server.job(id)["progress"].clone()
}

#[test]
fn what_a_call_says_is_in_its_job_the_list_and_the_events() {
    let server = serve(&[]);
    let steps = json!([[1, 4, "one"], [2.5, 4, "half\n\u{1e}é"]]);
    let call = Reporting::start(&server, &steps);
    let said = json!({"done": 2.5, "total": 4, "message": "half\n\u{1e}é"});
    wait_until(BOUND, "the job shows it", || progress(&server, &call.id) == said);
    wait_until(BOUND, "the list shows it", || server.get("/v1/jobs").value()["items"][0]["progress"] == said);
    let mut follower = follow(&server, &call.id, None);
    let told = loop {
        let event = follower.event();
        if event.name == "progress" {
            break event;
        }
    };
    assert_eq!(told.data, said);
    call.open();
    let rest = follower.rest();
    assert!(rest.iter().all(|event| event.name != "progress"), "once: {rest:?}");
    assert_eq!(server.result(&call.id, 10.0).value(), 2);
    assert_eq!(progress(&server, &call.id), said, "it stands after the end");
    let back: Vec<_> = follow(&server, &call.id, Some(&told.id)).rest();
    assert!(back.iter().all(|event| event.name != "progress"), "told before: {back:?}");
}

#[test]
fn the_last_words_of_each_call_are_kept() {
    let server = serve(&["--workers", "1"]);
    let ids: Vec<String> = (0..50)
        .map(|at| server.post("/v1/apply_async", &call("say", &json!([at, 50, format!("{at}")]))).accepted())
        .collect();
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(server.result(id, 10.0).value(), at);
        assert_eq!(progress(&server, id), json!({"done": at, "total": 50, "message": format!("{at}")}));
    }
    let quiet = server.post("/v1/apply_async", &call("outside", &json!([]))).accepted();
    server.result(&quiet, 10.0).value();
    assert_eq!(progress(&server, &quiet), json!({"done": 1, "total": 1}));
}

#[test]
fn a_flood_of_words_harms_nobody() {
    let server = serve(&["--workers", "1"]);
    let id = server.post("/v1/apply_async", &call("say_often", &json!([200_000]))).accepted();
    wait_until(BOUND, "some of it is seen", || progress(&server, &id)["total"] == 200_000);
    assert_eq!(server.result(&id, 60.0).value(), 200_000);
    assert_eq!(progress(&server, &id), json!({"done": 200_000, "total": 200_000, "message": "199999"}));
}

#[test]
fn the_words_of_one_that_died_or_was_cancelled_stand() {
    let server = serve(&[]);
    let id = server.post("/v1/apply_async", &call("say_and_die", &json!([7]))).accepted();
    server.result(&id, 10.0).outcome("worker-died");
    let said = json!({"done": 7, "total": 10, "message": "the last words"});
    assert_eq!(progress(&server, &id), said);
    let call = Reporting::start(&server, &json!([[1, 2, null]]));
    wait_until(BOUND, "it has spoken", || progress(&server, &call.id)["total"] == 2);
    server.cancel(&call.id).value();
    assert_eq!(progress(&server, &call.id), json!({"done": 1, "total": 2}));
}

#[test]
fn of_a_map_items_are_counted_and_the_message_is_shown() {
    let server = serve(&["--workers", "1"]);
    let body = json!({"function": "inside.say_in_item", "iterable": [1, 2, 3], "chunksize": 3});
    let id = server.post("/v1/map_async", &body).accepted();
    assert_eq!(server.result(&id, 10.0).value(), json!([1, 2, 3]));
    assert_eq!(progress(&server, &id), json!({"done": 3, "total": 3, "message": "item 3"}));
}

#[test]
fn what_is_no_progress_is_the_functions_error() {
    let server = serve(&[]);
    for (args, words) in [
        (json!([-1, 2]), "done must be finite and not negative, not -1"),
        (json!([1, "2"]), "total must be a number, not str"),
        (json!([1, 2, 3]), "message must be a str or None, not int"),
    ] {
        let problem = server.post("/v1/apply", &call("say", &args)).outcome("function-raised");
        assert_eq!(problem["exception"]["message"], format!("forkpool.progress: {words}"), "{problem}");
    }
}
