//! Who waits behind whom: a task waits behind another for 10 ms at most while a worker idles.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Gate, Server, on_time, promised};

/// 100 squares from four clients while one worker sleeps: how long they took in all.
fn hundred_squares(server: &Server) -> Duration {
    let clients: Vec<_> = (0..4).map(|_| server.keeping()).collect();
    // Their connections are there before the clock starts.
    clients.iter().for_each(|client| assert_eq!(client.get("/livez").status, 200));
    let start = Instant::now();
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(move || {
                (0..25).for_each(|i| assert_eq!(client.apply("square", &json!([i])).value(), i * i));
            });
        }
    });
    start.elapsed()
}

fn head_of_line(quick_before: usize) {
    let server = Server::alone(&[]);
    let client = server.keeping();
    (0..quick_before).for_each(|_| assert_eq!(client.apply("hold", &json!([""])).value(), ""));
    (0..50).for_each(|i| assert_eq!(client.apply("square", &json!([i])).value(), i * i));
    let gate = Gate::shut();
    let id = server.submit("hold", &json!([gate.path()]));
    let took = hundred_squares(&server);
    assert_eq!(server.job(&id)["ready"], false, "the one before the gate still runs");
    promised(took, Duration::from_secs(1), "100 squares beside one that takes long");
    gate.open();
    assert_eq!(server.result(&id, 10.0).value(), gate.path());
}

#[test]
fn nobody_waits_behind_a_sleep() {
    on_time(|| head_of_line(0));
}

#[test]
fn nor_behind_one_that_was_quick_a_thousand_times() {
    on_time(|| head_of_line(1_000));
}

#[test]
fn a_crowd_that_was_handed_out_with_the_sleep_does_not_wait_for_it() {
    on_time(|| {
        let server = Server::alone(&[]);
        let client = server.keeping();
        (0..1_000).for_each(|_| assert_eq!(client.apply("hold", &json!([""])).value(), ""));
        // All at once: some lie in the pipe of the one that stops at the gate when it does.
        let gate = Gate::shut();
        let crowd: Vec<_> = (0..60).map(|i| (i, if i == 20 { gate.path() } else { String::new() })).collect();
        let start = Instant::now();
        let ids: Vec<_> = crowd.iter().map(|(i, gate)| (*i, client.submit("hold", &json!([gate])))).collect();
        let submitted = start.elapsed();
        for (_, id) in ids.iter().filter(|(i, _)| *i != 20) {
            assert_eq!(client.result(id, 20.0).value(), "");
        }
        promised(
            start.elapsed() - submitted,
            Duration::from_secs(1),
            "59 that do nothing beside one that takes long",
        );
        assert_eq!(client.job(&ids[20].1)["ready"], false, "that one still runs");
        gate.open();
        assert_eq!(client.result(&ids[20].1, 20.0).value(), gate.path());
    });
}

#[test]
fn work_is_spread_over_all_workers() {
    on_time(|| {
        let server = Server::alone(&["--workers", "4"]);
        let start = Instant::now();
        let ids: Vec<_> = (0..8).map(|_| server.submit("nap", &json!([0.4]))).collect();
        ids.iter().for_each(|id| assert_eq!(server.result(id, 20.0).value(), 0.4));
        promised(start.elapsed(), Duration::from_millis(1_150), "8 naps of 0.4 s on 4 workers");
    });
}

#[test]
fn a_map_does_not_keep_others_out() {
    let server = Server::start(&[]);
    let body = json!({"function": "faults.nap", "iterable": vec![0.02; 400], "chunksize": 1});
    let id = server.post("/v1/map_async", &body).accepted();
    server.worker_of(&id);
    let answer = server.apply("square", &json!([3]));
    assert_eq!(answer.value(), 9);
    server.cancel(&id).value();
}

#[test]
fn jobs_start_in_the_order_of_their_coming() {
    let server = Server::start(&["--workers", "1"]);
    let ids: Vec<_> = (0..30).map(|i| server.submit("echo", &json!([i]))).collect();
    ids.iter().for_each(|id| drop(server.result(id, 20.0).value()));
    let started = |id: &String| server.job(id)["started_at"].as_str().expect("a time").to_owned();
    let times: Vec<_> = ids.iter().map(started).collect();
    assert!(times.is_sorted(), "{times:?}");
}
