//! Streams at the server's end, and streams in which nothing happens.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Gate, on_time, promised};

use super::reader::{Next, follow, names, serve, states};

#[test]
fn at_a_drain_each_stream_ends_with_an_event_that_says_why() {
    on_time(|| {
        let mut server = serve(&["--workers", "1"]);
        let gate = Gate::shut();
        let running = server.submit("hold", &json!([gate.path()]));
        server.worker_of(&running);
        let queued = server.submit("square", &json!([3]));
        let mut of_running = follow(&server, &running, None);
        let mut of_queued = follow(&server, &queued, None);
        assert_eq!(of_queued.event().data["state"], "queued");
        server.signal(Signal::SIGTERM);
        let start = Instant::now();
        let events = of_queued.rest();
        promised(start.elapsed(), Duration::from_secs(1), "the end of a stream of what won't start");
        let last = events.last().expect("an event");
        assert_eq!((last.name.as_str(), &last.data["code"]), ("draining", &json!("draining")), "{events:?}");
        gate.open();
        let events = of_running.rest();
        assert_eq!(states(&events).last(), Some(&"succeeded"), "running work gets its outcome: {events:?}");
        assert_eq!(names(&events).last(), Some(&"end"));
        assert!(server.ended(Duration::from_secs(10)).success(), "exit 0");
    });
}

#[test]
fn at_the_drain_limit_the_end_is_told() {
    let mut server = serve(&["--drain-limit", "1"]);
    let id = server.submit("nap", &json!([600]));
    server.worker_of(&id);
    let mut follower = follow(&server, &id, None);
    server.signal(Signal::SIGTERM);
    let events = follower.rest();
    let last = events.last().expect("an event");
    assert_eq!(
        (last.name.as_str(), &last.data["error"]["code"]),
        ("end", &json!("interrupted")),
        "{events:?}"
    );
    assert!(server.ended(Duration::from_secs(10)).success(), "exit 0");
}

#[test]
fn silence_is_broken_by_comments() {
    let server = serve(&["--idle-timeout", "1"]);
    let id = server.submit("nap", &json!([600]));
    server.worker_of(&id);
    let mut follower = follow(&server, &id, None);
    let begin = [follower.event(), follower.event(), follower.event()];
    assert!(matches!(begin.last(), Some(event) if event.name == "progress"), "{begin:?}");
    let start = Instant::now();
    assert!(matches!(follower.next_within(Duration::from_secs(20)), Next::Comment));
    assert!(start.elapsed() > Duration::from_secs(10), "not all the time: {:?}", start.elapsed());
    server.cancel(&id).value();
    assert_eq!(names(&follower.rest()).last(), Some(&"end"));
}
