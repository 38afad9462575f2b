//! What a job's stream tells from its beginning to its end, to who was there and to who comes later.

use serde_json::{Value, json};

use crate::support::Gate;

use super::reader::{BOUND, follow, log_text, names, serve, states};

#[test]
fn a_job_tells_its_life_while_it_lives() {
    let server = serve(&["--workers", "1"]);
    let (head, gates) = (Gate::shut(), [Gate::shut(), Gate::shut()]);
    let before = server.submit("hold", &json!([head.path()]));
    let args = json!([["", gates[0].path(), gates[1].path()]]);
    let body = json!({"function": "verbs.say_at_gates", "args": args});
    let id = server.post("/v1/apply_async", &body).accepted();
    let mut follower = follow(&server, &id, None);
    assert!(follower.head.contains(&format!("forkpool-job: {id}")), "{}", follower.head);

    let queued = follower.event();
    assert_eq!((queued.name.as_str(), &queued.data["state"]), ("state", &json!("queued")));
    assert_eq!(queued.data["attempts"], 0, "{queued:?}");
    let progress = follower.event();
    assert_eq!((progress.name.as_str(), &progress.data), ("progress", &json!({"done": 0, "total": 1})));
    assert_eq!(server.job(&before)["ready"], false, "told while it waits");
    head.open();

    let running = follower.event();
    assert_eq!((running.name.as_str(), &running.data["state"]), ("state", &json!("running")));
    assert_eq!(running.data["at"], server.job(&id)["started_at"], "{running:?}");
    let log = follower.event();
    assert_eq!((log.name.as_str(), &log.data["text"]), ("log", &json!("line 0: é€𝄞\n")));
    assert_eq!(server.job(&id)["ready"], false, "told while it runs");
    gates.iter().for_each(Gate::open);

    let rest = follower.rest();
    assert_eq!(log_text(&rest), "line 1: é€𝄞\nline 2: é€𝄞\n");
    let names = names(&rest);
    assert_eq!(names[names.len() - 3..], ["progress", "state", "end"], "{rest:?}");
    assert_eq!(rest.last().expect("events").data, server.job(&id), "the end's data is the job");
}

#[test]
fn who_comes_late_is_told_all_of_it() {
    let server = serve(&[]);
    let body = json!({"function": "verbs.say", "args": [500, 0.0]});
    let id = server.post("/v1/apply_async", &body).accepted();
    assert_eq!(server.result(&id, 10.0).value(), 500);
    let events = follow(&server, &id, None).rest();
    assert_eq!(states(&events), ["queued", "running", "succeeded"]);
    assert_eq!(log_text(&events), server.get(&format!("/v1/jobs/{id}/logs")).text_whole());
    let mut ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "no two events have one id: {events:?}");
    let again = follow(&server, &id, None).rest();
    assert_eq!(format!("{events:?}"), format!("{again:?}"), "the same to everybody");
}

#[test]
fn output_is_whole_up_to_its_limit_and_then_marked() {
    let server = serve(&["--log-limit", "1KiB"]);
    let body = json!({"function": "verbs.say", "args": [200, 0.0]});
    let id = server.post("/v1/apply_async", &body).accepted();
    let live = follow(&server, &id, None).rest();
    let late = follow(&server, &id, None).rest();
    for events in [live, late] {
        let cuts: Vec<&Value> =
            events.iter().filter(|event| event.name == "log").map(|log| &log.data).collect();
        assert_eq!(cuts.last(), Some(&&json!({"text": "", "cut": true})));
        assert!(cuts[..cuts.len() - 1].iter().all(|data| data.get("cut").is_none()), "{cuts:?}");
        let text = log_text(&events);
        // A character that the limit tears is one that no text has.
        let whole = text.trim_end_matches('\u{FFFD}');
        assert!(
            text.len() >= 1_024 - 3 && whole.len() <= 1_024 && whole.starts_with("line 0"),
            "{}",
            text.len()
        );
    }
}

#[test]
fn each_attempt_is_told() {
    let server = serve(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("count");
    let gates = [Gate::shut(), Gate::shut(), Gate::shut()];
    let args = json!([path, gates.each_ref().map(Gate::path)]);
    let body = json!({"function": "verbs.raise_until_at_gates", "args": args, "retries": 5});
    let id = server.post("/v1/apply_async", &body).accepted();
    let mut follower = follow(&server, &id, None);
    for (attempt, gate) in (1..).zip(&gates) {
        let told = loop {
            let event = follower.event();
            if event.name == "state" && event.data["state"] == "running" {
                break event;
            }
            assert_ne!(event.name, "end", "before attempt {attempt} was told: {event:?}");
        };
        assert_eq!(told.data["attempts"], attempt);
        gate.open();
    }
    assert_eq!(states(&follower.rest()), ["succeeded"]);
}

#[test]
fn a_failure_and_a_cancel_are_ends() {
    let server = serve(&[]);
    let id = server.submit("fail", &json!(["two\nlines"]));
    let events = follow(&server, &id, None).rest();
    assert_eq!(states(&events).last(), Some(&"failed"));
    let end = events.last().expect("events");
    assert_eq!((end.name.as_str(), &end.data["error"]["code"]), ("end", &json!("function-raised")));

    let id = server.submit("nap", &json!([600]));
    let mut follower = follow(&server, &id, None);
    server.worker_of(&id);
    server.cancel(&id).value();
    let events = follower.rest();
    assert_eq!(states(&events).last(), Some(&"cancelled"));
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("end"));
}

#[test]
fn a_synchronous_job_can_be_followed_too() {
    let server = serve(&[]);
    let gate = Gate::shut();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| server.apply("hold", &json!([gate.path()])));
        let mut id = None;
        crate::support::wait_until(BOUND, "the call's job is listed", || {
            id = server.get("/v1/jobs").value()["items"][0]["id"].as_str().map(str::to_owned);
            id.is_some()
        });
        let mut follower = follow(&server, &id.expect("an id"), None);
        gate.open();
        assert_eq!(names(&follower.rest()).last(), Some(&"end"));
        assert_eq!(call.join().expect("the client thread ends well").value(), gate.path());
    });
}
