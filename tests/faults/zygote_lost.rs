//! f41: many workers are being forked when the zygote dies. That is one loss, and no worker's fault.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Server, late, on_time, proc, wait_until};

const WORKERS: usize = 30;
/// Descriptors that the server holds of a worker that is being forked, at least.
const DESCRIPTORS: usize = 5;

#[test]
fn f41_forks_that_are_lost_together_are_one_failure() {
    on_time(|| {
        let server = Server::bare(&["--builtin", "--workers", "1"]);
        let worker = server.workers_of("native")[0].pid;
        let is_zygote = |pid: &i32| *pid != worker && proc::name(*pid) != "forkpool-keeper";
        let zygotes: Vec<i32> = proc::children(server.pid()).into_iter().filter(is_zygote).collect();
        let [zygote] = zygotes[..] else { panic!("one zygote: {zygotes:?}") };
        proc::signal(zygote, Signal::SIGSTOP);
        let before = server.fds();
        thread::scope(|scope| {
            let made = scope.spawn(|| {
                let pool = json!({"name": "many", "runtime": "native", "processes": WORKERS});
                server.post("/v1/pools", &pool)
            });
            wait_until(Duration::from_secs(10), "the forks were asked for", || {
                proc::descriptors(server.pid()).len() >= before + WORKERS * DESCRIPTORS
            });
            server.fds();
            let lost = Instant::now();
            proc::signal(zygote, Signal::SIGKILL);
            let answer = made.join().expect("the client thread ends well");
            assert_eq!(answer.status, 201, "{}", answer.text());
            // One after the other they would brake for almost 3 s.
            let took = lost.elapsed();
            if took > Duration::from_secs(2) {
                late(&format!("made {took:?} after the loss"));
            }
        });
    });
}
