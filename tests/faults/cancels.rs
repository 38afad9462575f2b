//! Cancels at random beside jobs that must succeed: a cancel never hits the next task.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, Noise, Server, scaled};

/// Submits jobs of a few milliseconds and cancels each at a random moment: the value or the cancel, nothing
/// else.
fn cancel_at_random(client: &Client, count: usize, noise: &mut Noise) -> (usize, usize) {
    let (mut cancelled, mut ended) = (0, 0);
    for _ in 0..count {
        let nap = f64::from(u32::try_from(noise.below(3_000)).unwrap_or(0)) / 1e6;
        let id = client.submit("nap", &json!([nap]));
        thread::sleep(Duration::from_micros(noise.below(4_000)));
        client.cancel(&id).value();
        let answer = client.result(&id, 20.0);
        match answer.status {
            200 => {
                assert_eq!(answer.value(), nap);
                ended += 1;
            }
            _ => {
                answer.outcome("cancelled");
                cancelled += 1;
            }
        }
    }
    (cancelled, ended)
}

/// Submits jobs in small crowds; every one must succeed with its own value.
fn all_succeed(client: &Client, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for crowd in numbers.chunks(16) {
        let ids: Vec<String> = crowd.iter().map(|i| client.submit("square", &json!([i]))).collect();
        for (i, id) in crowd.iter().zip(&ids) {
            assert_eq!(client.result(id, 20.0).value(), i * i, "job {i}");
        }
    }
}

fn cancels_beside_jobs(workers: usize) {
    let server = Server::start(&["--workers", &workers.to_string()]);
    let before = server.fds();
    let count = scaled(10_000);
    let start = Instant::now();
    let (cancelled, ended) = thread::scope(|scope| {
        let halves: Vec<_> = [0xcafe, 0xf00d]
            .map(|seed| {
                let client = server.keeping();
                scope.spawn(move || cancel_at_random(&client, count / 2, &mut Noise::new(seed)))
            })
            .into_iter()
            .collect();
        let client = server.keeping();
        let jobs = scope.spawn(move || all_succeed(&client, count));
        jobs.join().expect("every job beside the cancels succeeds");
        halves
            .into_iter()
            .map(|half| half.join().expect("every cancel is told"))
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    });
    let took = start.elapsed();
    println!("{cancelled} cancelled, {ended} ended first, {count} beside them, in {took:?}");
    assert!(cancelled > 0, "some were cancelled");
    server.whole_again(Instant::now(), Duration::from_secs(10), workers, &[]);
    assert_eq!(server.get("/readyz").status, 200, "kills by the server itself set off no brake");
    assert_eq!(server.apply("square", &json!([12])).value(), 144);
    server.nothing_left(before);
}

#[test]
fn random_cancels_never_hit_the_next_task() {
    cancels_beside_jobs(2);
}

#[test]
fn random_cancels_in_a_pool_of_one() {
    cancels_beside_jobs(1);
}

#[test]
fn a_hundred_cancels_of_running_work_set_off_no_brake() {
    let server = Server::start(&[]);
    for i in 0..100 {
        let id = server.submit("nap", &json!([60]));
        server.worker_of(&id);
        server.cancel(&id).value();
        server.result(&id, 5.0).outcome("cancelled");
        assert_eq!(server.apply("square", &json!([i])).value(), i * i);
    }
    server.whole_again(Instant::now(), Duration::from_secs(10), 2, &[]);
}
