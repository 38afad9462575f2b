//! `Last-Event-ID`: a stream goes on where it was cut, with nothing twice and nothing missing.

use serde_json::json;

use super::reader::{Event, follow, log_text, names, serve};

#[test]
fn a_cut_stream_goes_on_after_any_event() {
    let server = serve(&[]);
    let body = json!({"function": "verbs.say", "args": [2_000, 0.0]});
    let id = server.post("/v1/apply_async", &body).accepted();
    server.result(&id, 20.0).value();
    let all = follow(&server, &id, None).rest();
    assert!(all.iter().filter(|event| event.name == "log").count() >= 4, "{:?}", names(&all));
    for (at, event) in all.iter().enumerate() {
        let rest = follow(&server, &id, Some(&event.id)).rest();
        let want = if event.name == "end" { &all[at..] } else { &all[at + 1..] };
        assert_eq!(format!("{rest:?}"), format!("{want:?}"), "after {event:?}");
    }
}

#[test]
fn a_running_job_is_followed_by_pieces() {
    let server = serve(&["--workers", "1"]);
    let body = json!({"function": "verbs.say", "args": [20, 0.05]});
    let id = server.post("/v1/apply_async", &body).accepted();
    let mut all: Vec<Event> = Vec::new();
    loop {
        let last = all.last().map(|event| event.id.clone());
        let mut follower = follow(&server, &id, last.as_deref());
        all.push(follower.event());
        follower.leave();
        if all.last().is_some_and(|event| event.name == "end") {
            break;
        }
    }
    assert_eq!(log_text(&all), server.get(&format!("/v1/jobs/{id}/logs")).text_whole());
    assert_eq!(names(&all)[0], "state");
}
