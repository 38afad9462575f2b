//! A server that was stopped has reaped all it started: whoever inherits its orphans gets none, not even a
//! zombie.

use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Server, proc};

/// This process inherits orphans while this lives.
struct Heir;

impl Heir {
    fn new() -> Self {
        set_child_subreaper(true).expect("a process may inherit orphans");
        Self
    }

    fn inherited() -> Vec<i32> {
        let own = i32::try_from(std::process::id()).expect("a pid fits");
        [proc::children(own), proc::zombies(own)].concat()
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = set_child_subreaper(false);
        for pid in Self::inherited() {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Alone in this binary: what it inherits is this server's.
fn leaves_nothing(signal: Signal, more: &[&str], before: impl FnOnce(&Server)) {
    let mut server = Server::alone(more);
    let heir = Heir::new();
    before(&server);
    server.signal(signal);
    let status = server.ended(Duration::from_secs(22));
    let inherited = Heir::inherited();
    assert!(status.success(), "{status}");
    let states: Vec<_> = inherited.iter().map(|pid| (*pid, proc::stat(*pid))).collect();
    assert!(states.is_empty(), "inherited: {states:?}");
    drop(heir);
}

#[test]
fn an_idle_server_leaves_nothing_to_inherit() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        leaves_nothing(signal, &["--builtin"], |_| ());
    }
}

#[test]
fn a_server_with_work_leaves_nothing_to_inherit() {
    leaves_nothing(Signal::SIGTERM, &["--drain-limit", "1"], |server| {
        let naps = server.submit("nap", &json!([600]));
        server.worker_of(&naps);
        let child = server.apply("leave_daemon", &json!([])).value();
        assert!(child.is_i64(), "{child}");
    });
}

#[test]
fn a_server_whose_workers_died_leaves_nothing_to_inherit() {
    leaves_nothing(Signal::SIGTERM, &[], |server| {
        for _ in 0..3 {
            server.apply("exit_now", &json!([3])).outcome("worker-died");
        }
        proc::signal(server.zygote(), Signal::SIGKILL);
        server.apply("exit_now", &json!([3])).outcome("worker-died");
        assert_eq!(server.apply("square", &json!([3])).value(), 9);
    });
}
