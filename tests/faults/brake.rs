//! Workers that die in a row: ten deaths are free, then replacing them slows down, and recovers by itself.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Server, late, on_time, proc, promised, wait_until};

/// From now until `/readyz` is 200; whether it was 503 `unavailable` in between.
#[track_caller]
fn until_ready(server: &Server, bound: Duration) -> (Duration, bool) {
    let start = Instant::now();
    let mut unavailable = false;
    loop {
        let answer = server.get("/readyz");
        if answer.status == 200 {
            return (start.elapsed(), unavailable);
        }
        answer.problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some(), "Retry-After");
        unavailable = true;
        promised(start.elapsed(), bound, "ready again");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn pids(server: &Server) -> Vec<i32> {
    server.workers().iter().map(|worker| worker.pid).collect()
}

/// The only worker dies idle: a death of the pool, and of no function (which would be quarantined).
#[track_caller]
fn die(server: &Server) {
    let victim = pids(server)[0];
    proc::signal(victim, Signal::SIGKILL);
    wait_until(Duration::from_secs(5), "the death is seen", || !pids(server).contains(&victim));
}

#[test]
fn eleven_deaths_in_ten_seconds_slow_the_respawn() {
    on_time(|| {
        let server = Server::alone(&["--workers", "1"]);
        let first = Instant::now();
        for death in 1..=10 {
            die(&server);
            let (gap, _) = until_ready(&server, Duration::from_secs(2));
            promised(gap, Duration::from_millis(300), &format!("death {death}, which is free,"));
        }
        promised(first.elapsed(), Duration::from_secs(10), "ten deaths in a row");
        let mut gaps = Vec::new();
        for _ in 11..=15 {
            die(&server);
            let (gap, unavailable) = until_ready(&server, Duration::from_secs(10));
            if !unavailable {
                late(&format!("/readyz is 503 while no worker is left; gaps {gaps:?}, then {gap:?}"));
            }
            assert_eq!(server.get("/livez").status, 200);
            gaps.push(gap);
        }
        let longest = gaps.iter().max().copied().unwrap_or_default();
        if longest < Duration::from_millis(400) {
            late(&format!("the respawn slows down: {gaps:?}"));
        }
        assert_eq!(server.apply("square", &json!([4])).value(), 16, "it recovered by itself");
    });
}

#[test]
fn kills_by_the_server_never_count() {
    on_time(|| {
        let server = Server::alone(&["--workers", "1"]);
        for kill in 1..=15 {
            let id = server.submit("nap", &json!([600]));
            server.worker_of(&id);
            server.cancel(&id).value();
            let (gap, _) = until_ready(&server, Duration::from_secs(2));
            promised(gap, Duration::from_millis(300), &format!("cancel {kill}"));
        }
    });
}

#[test]
fn work_that_waits_out_the_brake_is_done() {
    let server = Server::alone(&["--workers", "1"]);
    for _ in 0..12 {
        until_ready(&server, Duration::from_secs(10));
        die(&server);
    }
    let id = server.submit("square", &json!([5]));
    assert_eq!(server.result(&id, 20.0).value(), 25);
}
