//! The server goes down while objects are waited for.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::rules::becomes;
use super::{acquire, asked, make, server};
use crate::support::Server;

const BOUND: Duration = Duration::from_secs(10);

#[test]
fn waits_end_with_503_draining() {
    let mut server: Server = server(&[]);
    make(&server, "events/e", &json!({}));
    make(&server, "queues/q", &json!({"maxsize": 1}));
    make(&server, "locks/l", &json!({}));
    make(&server, "conditions/c", &json!({}));
    acquire(&server, "locks/l", "a");
    acquire(&server, "conditions/c", "a");
    let mut waiting = vec![
        asked(&server, "queues/q/get", &json!({"timeout": 60})),
        asked(&server, "events/e/wait", &json!({"timeout": 60})),
        asked(&server, "locks/l/acquire", &json!({"timeout": 60})),
        asked(&server, "conditions/c/wait", &json!({"owner": "a", "timeout": 60})),
    ];
    becomes(&server, "queues/q", "getters", &json!(1));
    becomes(&server, "events/e", "waiting", &json!(1));
    becomes(&server, "locks/l", "waiting", &json!(1));
    becomes(&server, "conditions/c", "sleeping", &json!(1));
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    for waiter in &mut waiting {
        let answer = waiter.answer(BOUND);
        answer.problem(503, "draining");
        assert!(answer.header("retry-after").is_some());
    }
    drop(waiting);
    assert!(server.ended(BOUND).success());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
