//! One queue between producers and consumers, in workers and over HTTP, while consumers are killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{call, make, reference, start, submit};
use crate::support::{Client, Noise, Server, proc, scaled, wait_until};

const HALF: usize = 4;
/// Deaths of one function that no quarantine minds.
const KILLS: usize = 9;

/// A consumer in a worker, again after each death, until it gets null.
fn consume(client: &Client, path: &str) {
    loop {
        let id = submit(client, "consume", &json!([reference("queues/q"), path]));
        loop {
            let answer = client.result(&id, 30.0);
            match answer.status {
                200 => return,
                408 => {}
                _ => break drop(answer.outcome("worker-died")),
            }
        }
    }
}

/// Kills workers that consume, one after the other; how many.
fn kill_consumers(server: &Server, over: &AtomicBool) -> usize {
    let mut noise = Noise::new(7);
    let mut kills = 0;
    while kills < KILLS && !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20 + noise.below(150)));
        let consumes = |all: &Value| all["current_function"] == "sharing.consume";
        let workers: Vec<_> = server.workers().into_iter().filter(|worker| consumes(&worker.all)).collect();
        if workers.is_empty() {
            continue;
        }
        let which = usize::try_from(noise.below(workers.len() as u64)).unwrap_or(0);
        proc::signal(workers[which].pid, Signal::SIGKILL);
        kills += 1;
    }
    kills
}

/// A consumer over HTTP, until it gets null.
fn receive(client: &Client) -> Vec<u64> {
    let get = || call(client, "queues/q/get", &json!({"timeout": 30})).value().as_u64();
    std::iter::from_fn(get).collect()
}

fn send(client: &Client, items: std::ops::Range<usize>) {
    for item in items {
        call(client, "queues/q/put", &json!({"obj": item, "timeout": 50})).value();
    }
}

/// Each consumer takes one null; one that dies with it asks for another.
fn end_consumers(client: &Client, ended: impl Fn() -> bool) {
    let empty = || call(client, "queues/q/empty", &json!({})).value() == true;
    wait_until(Duration::from_secs(60), "the queue is empty", empty);
    let mut nulls = 0;
    while !ended() {
        if nulls < 2 * HALF || empty() {
            call(client, "queues/q/put", &json!({"obj": null})).value();
            nulls += 1;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_item_vanishes_and_none_comes_twice() {
    let part = scaled(100_000) / (2 * HALF);
    let total = part * 2 * HALF;
    let server = start(&["--workers", "8"]);
    make(&server, "queues/q", &json!({"maxsize": 1000}));
    let notes = tempfile::tempdir().expect("a temporary folder");
    let note = |which: usize| notes.path().join(which.to_string()).to_string_lossy().into_owned();
    let over = AtomicBool::new(false);
    let mut all: Vec<u64> = Vec::new();
    let mut kills = 0;
    thread::scope(|scope| {
        let in_workers: Vec<_> = (0..HALF)
            .map(|which| (server.keeping(), note(which)))
            .map(|(client, path)| scope.spawn(move || consume(&client, &path)))
            .collect();
        let clients = || (0..HALF).map(|_| server.keeping());
        let over_http: Vec<_> = clients().map(|client| scope.spawn(move || receive(&client))).collect();
        let killer = scope.spawn(|| kill_consumers(&server, &over));
        let producers: Vec<_> = (0..HALF)
            .map(|which| submit(&server, "produce", &json!([reference("queues/q"), which * part, part])))
            .collect();
        let posted: Vec<_> = (HALF..2 * HALF)
            .zip(clients())
            .map(|(which, client)| scope.spawn(move || send(&client, which * part..(which + 1) * part)))
            .collect();
        posted.into_iter().for_each(|thread| thread.join().expect("a producer"));
        for id in &producers {
            while server.result(id, 30.0).status != 200 {}
        }
        over.store(true, Ordering::Relaxed);
        kills = killer.join().expect("the killer");
        end_consumers(&server, || {
            in_workers.iter().all(|thread| thread.is_finished())
                && over_http.iter().all(|thread| thread.is_finished())
        });
        for thread in over_http {
            all.extend(thread.join().expect("a consumer over HTTP"));
        }
    });
    for which in 0..HALF {
        let text = std::fs::read_to_string(note(which)).unwrap_or_default();
        all.extend(text.lines().map(|line| line.parse::<u64>().expect("an item")));
    }
    let mut counts = BTreeMap::new();
    all.iter().for_each(|item| *counts.entry(*item).or_insert(0_u32) += 1);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "delivered twice: {twice:?}");
    // What a killed function had in its hands, got and not yet noted, is its own: at most one item each.
    let missing = total - counts.len();
    assert!(missing <= kills, "{missing} of {total} items are gone after {kills} kills");
    println!("{total} items, {kills} kills, {missing} in the hands of the dead");
}
