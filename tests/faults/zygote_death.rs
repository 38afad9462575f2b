//! f41, f42: the zygote dies or stops. Running jobs go on; the next death is healed by a new zygote.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Gate, Server, on_time, proc, wait_until};

/// A new zygote executes and preloads before it forks; how long that takes is no promise.
const HEALED: Duration = Duration::from_secs(10);

#[test]
fn f41_kill_9_of_the_zygote_at_rest() {
    on_time(|| {
        let server = Server::start(&[]);
        server.apply("square", &json!([2])).value();
        let before = server.fds();
        let zygote = server.zygote();
        proc::signal(zygote, Signal::SIGKILL);
        for i in 0..20 {
            assert_eq!(server.apply("square", &json!([i])).value(), i * i, "the workers outlive it");
        }
        let victim = server.workers()[0].pid;
        let killed = Instant::now();
        proc::signal(victim, Signal::SIGKILL);
        server.whole_again(killed, HEALED, 2, &[victim]);
        assert_ne!(server.zygote(), zygote, "a new zygote");
        assert_eq!(server.apply("square", &json!([9])).value(), 81);
        server.nothing_left(before);
    });
}

#[test]
fn f41_kill_9_of_the_zygote_under_running_jobs() {
    on_time(|| {
        let server = Server::start(&[]);
        let before = server.fds();
        let gate = Gate::shut();
        let running = server.submit("hold", &json!([gate.path()]));
        let worker = server.worker_of(&running);
        let zygote = server.zygote();
        proc::signal(zygote, Signal::SIGKILL);
        wait_until(Duration::from_secs(10), "it is reaped", || proc::stat(zygote).is_none());
        // The other worker dies as well, with the zygote just gone.
        let other = server.workers().into_iter().find(|w| w.pid != worker.pid).expect("two workers").pid;
        let killed = Instant::now();
        proc::signal(other, Signal::SIGKILL);
        server.whole_again(killed, HEALED, 2, &[other]);
        gate.open();
        assert_eq!(server.result(&running, 10.0).value(), gate.path(), "the running job ends well");
        server.apply("exit_now", &json!([3])).outcome("worker-died");
        server.whole_again(Instant::now(), HEALED, 2, &[other]);
        server.nothing_left(before);
    });
}

#[test]
fn f41_again_and_again() {
    on_time(|| {
        let server = Server::start(&[]);
        let before = server.fds();
        for i in 0..5 {
            let (zygote, victim) = (server.zygote(), server.workers()[0].pid);
            proc::signal(zygote, Signal::SIGKILL);
            proc::signal(victim, Signal::SIGKILL);
            server.whole_again(Instant::now(), HEALED, 2, &[victim]);
            assert_eq!(server.apply("square", &json!([i])).value(), i * i);
        }
        server.nothing_left(before);
    });
}

#[test]
fn f42_a_stopped_zygote_is_replaced_after_the_start_clock() {
    on_time(|| {
        let server = Server::start(&["--start-timeout", "5"]);
        let zygote = server.zygote();
        proc::signal(zygote, Signal::SIGSTOP);
        let victim = server.workers()[0].pid;
        let killed = Instant::now();
        proc::signal(victim, Signal::SIGKILL);
        for i in 0..10 {
            assert_eq!(
                server.apply("square", &json!([i])).value(),
                i * i,
                "the other worker serves meanwhile"
            );
        }
        server.whole_again(killed, Duration::from_secs(5) + HEALED, 2, &[victim]);
        wait_until(Duration::from_secs(10), "the stopped one is gone", || proc::stat(zygote).is_none());
        assert_ne!(server.zygote(), zygote, "a new zygote");
    });
}

#[test]
fn the_zygote_has_one_thread_and_few_descriptors() {
    let server = Server::start(&[]);
    let zygote = server.zygote();
    assert_eq!(proc::threads(zygote), 1);
    // While it forks it holds those of the worker, too.
    wait_until(Duration::from_secs(10), "it has few descriptors", || proc::descriptors(zygote).len() <= 10);
}
