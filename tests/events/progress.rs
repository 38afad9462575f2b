//! Progress of maps, item by item, while their chunks run: in the stream and in the job itself.

use serde_json::json;

use super::reader::{BOUND, Event, follow, serve};
use crate::support::{Server, late, on_time, wait_until};

/// The steps that a stream told.
fn steps(events: &[Event], total: u64) -> Vec<u64> {
    let progress = events.iter().filter(|event| event.name == "progress");
    let read = |event: &Event| {
        assert_eq!(event.data["total"], total, "{event:?}");
        event.data["done"].as_u64().expect("a number")
    };
    progress.map(read).collect()
}

/// Follows one chunk of `total` items that each take a tenth of a second.
fn one_chunk(server: &Server, function: &str, items: &serde_json::Value, total: u64) {
    let body = json!({"function": function, "iterable": items, "chunksize": total});
    let id = server.post("/v1/map_async", &body).accepted();
    let mut follower = follow(server, &id, None);
    let mut seen = 0;
    wait_until(BOUND, "the job itself tells the items of a running chunk", || {
        let job = server.job(&id);
        if job["ready"] != false {
            late(&format!("it has ended: {job}"));
        }
        seen = job["progress"]["done"].as_u64().expect("a number");
        seen > 0
    });
    if seen >= total {
        late(&format!("all {seen} items are done"));
    }
    let steps = steps(&follower.rest(), total);
    assert!(steps.is_sorted(), "{steps:?}");
    assert_eq!(steps.last(), Some(&total), "{steps:?}");
    // From the beginning, and each item but for those between two looks of a busy machine.
    if steps.first() != Some(&0) || (steps.len() as u64) < total / 2 {
        late(&format!("{steps:?}"));
    }
}

#[test]
fn python_items_are_told_as_they_are_done() {
    on_time(|| {
        let server = serve(&[]);
        let items: Vec<_> = (0..20).map(|number| json!([0.1, number])).collect();
        one_chunk(&server, "verbs.nap_echo", &json!(items), 20);
    });
}

#[test]
fn native_items_are_told_as_they_are_done() {
    on_time(|| {
        let server = serve(&["--builtin"]);
        one_chunk(&server, "builtin.sleep", &json!(vec![0.1; 20]), 20);
    });
}

#[test]
fn chunks_of_several_workers_count_together() {
    on_time(|| {
        let server = serve(&["--workers", "2"]);
        let items: Vec<_> = (0..20).map(|number| json!([0.1, number])).collect();
        let body = json!({"function": "verbs.nap_echo", "iterable": items, "chunksize": 10});
        let id = server.post("/v1/map_async", &body).accepted();
        let steps = steps(&follow(&server, &id, None).rest(), 20);
        assert!(steps.is_sorted() && steps.last() == Some(&20), "{steps:?}");
        if steps.len() < 8 {
            late(&format!("{steps:?}"));
        }
    });
}

#[test]
fn collected_items_count_once() {
    on_time(|| {
        let server = serve(&["--workers", "1"]);
        let items: Vec<_> = (0..10).map(|number| json!([0.1, number])).collect();
        let body =
            json!({"function": "verbs.nap_echo", "iterable": items, "chunksize": 10, "on_error": "collect"});
        let id = server.post("/v1/map_async", &body).accepted();
        let steps = steps(&follow(&server, &id, None).rest(), 10);
        assert!(steps.is_sorted() && steps.last() == Some(&10), "{steps:?}");
        if steps.len() < 5 {
            late(&format!("{steps:?}"));
        }
    });
}
