//! A function that keeps killing workers rests; the others don't notice.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{make, server, submit};
use crate::support::{Client, Gate, on_time, promised};

/// The documented first rest.
const REST: Duration = Duration::from_secs(10);

fn die(client: &Client) -> crate::support::Answer {
    client.post("/v1/apply", &json!({"function": "life.die"}))
}

#[test]
fn the_tenth_death_begins_a_rest_that_ends() {
    on_time(|| {
        let server = server(&[]);
        make(&server, "other", &json!({"processes": 1})).json();
        for _ in 0..9 {
            die(&server).outcome("worker-died");
        }
        // The ninth was free; this one is the tenth.
        die(&server).outcome("worker-died");
        let start = Instant::now();
        let answer = die(&server);
        let problem = answer.problem(503, "function-quarantined");
        let wait: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(0);
        assert!((1..=11).contains(&wait) && problem["retry_after"] == wait, "{problem}");
        let submissions = [
            ("/v1/apply_async", json!({"function": "life.die"})),
            ("/v1/map", json!({"function": "life.die", "iterable": [1]})),
            ("/v1/apply", json!({"function": "life.die", "pool": "other"})),
        ];
        for (path, body) in &submissions {
            server.post(path, body).problem(503, "function-quarantined");
        }
        for i in 0..50 {
            let square = server.apply("square", &json!([i]));
            assert_eq!(square.value(), i * i);
            promised(square.took, Duration::from_secs(1), "a call while no brake is on");
        }
        assert_eq!(server.get("/readyz").status, 200);
        thread::sleep((REST + Duration::from_millis(200)).saturating_sub(start.elapsed()));
        die(&server).outcome("worker-died");
    });
}

#[test]
fn what_waits_is_kept_until_the_rest_is_over_and_others_pass() {
    on_time(|| {
        let server = server(&[]);
        // Both workers are held until everything is there.
        let gate = Gate::shut();
        let held = [(); 2].map(|()| submit(&server, "python", "hold_at", &json!([gate.path()])));
        let items: Vec<i32> = (0..24).map(|i| if i < 12 { -1 } else { i }).collect();
        let dying: Vec<String> =
            items.iter().map(|x| submit(&server, "python", "sometimes_die", &json!([x]))).collect();
        let squares: Vec<String> = (0..20).map(|i| server.submit("square", &json!([i]))).collect();
        server.pools_turn();
        let opened = Instant::now();
        gate.open();
        held.iter().for_each(|id| drop(server.result(id, 10.0).value()));
        let start = Instant::now();
        for (i, id) in squares.iter().enumerate() {
            assert_eq!(server.result(id, 8.0).value(), i * i);
        }
        promised(start.elapsed(), REST, "calls that don't wait behind those that rest");
        let states: Vec<Value> = dying.iter().map(|id| server.job(id)["state"].clone()).collect();
        let queued = states.iter().filter(|state| **state == "queued").count();
        assert!((10..=14).contains(&queued), "the rest of them waits: {states:?}");
        let cancelled = dying.last().cloned().unwrap_or_default();
        server.cancel(&cancelled).value();
        server.result(&cancelled, 1.0).outcome("cancelled");
        for (x, id) in items.iter().zip(&dying).take(23) {
            let answer = server.result(id, 30.0);
            if *x < 0 {
                answer.outcome("worker-died");
            } else {
                assert_eq!(answer.value(), *x);
            }
        }
        assert!(opened.elapsed() > REST - Duration::from_secs(1), "{:?}", opened.elapsed());
    });
}
