//! Faults beside a process: it harms no pool, and no zygote's death is its end.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{join, pid, post, run, server, start, start_with};
use crate::support::{Server, fixture, proc, wait_until};

#[test]
fn a_process_outlives_its_zygote_and_the_next_comes_from_another() {
    let server = server(&[]);
    let process = start(&server, "nap", &json!([1, "done"]));
    let zygote = server
        .zygotes()
        .into_iter()
        .find(|child| *child != pid(&process))
        .expect("a child that is neither worker nor process");
    proc::signal(zygote, Signal::SIGKILL);
    // Asked at once: the request waits for the next zygote.
    assert_eq!(run(&server, "say", &json!(["after"])), (json!(0), "after\n".into()));
    assert_eq!(join(&server, &process)["exitcode"], 0);
    assert_eq!(super::output(&server, &process), "done\n");
}

#[test]
fn zygotes_die_between_starts() {
    let server = server(&[]);
    for round in 0..5 {
        let zygote = server.zygote();
        proc::signal(zygote, Signal::SIGKILL);
        for _ in 0..2 {
            assert_eq!(run(&server, "say", &json!(["x"])), (json!(0), "x\n".into()), "round {round}");
        }
    }
}

#[test]
fn deaths_of_processes_are_no_pools_business() {
    let server = Server::bare(&[&fixture("processes.py"), "--workers", "1"]);
    let workers: Vec<i32> = server.workers().iter().map(|worker| worker.pid).collect();
    for _ in 0..15 {
        let process = start(&server, "die_of", &json!([9]));
        assert_eq!(join(&server, &process)["exitcode"], -9);
    }
    // Ten such deaths under a job would have put the function to rest.
    let call = json!({"function": "processes.length", "args": ["abc"]});
    assert_eq!(server.post("/v1/apply", &call).status, 200);
    let again = server.post("/v1/apply", &json!({"function": "processes.die_of", "args": [0, 0]}));
    assert_ne!(again.status, 503, "no quarantine: {}", again.text());
    let after: Vec<i32> = server.workers().iter().map(|worker| worker.pid).collect();
    assert_eq!(workers, after, "the same workers");
}

#[test]
fn a_stopped_process_can_be_killed() {
    let server = server(&[]);
    let process = start(&server, "nap", &json!([600]));
    proc::signal(pid(&process), Signal::SIGSTOP);
    post(&server, &process, "kill");
    assert_eq!(join(&server, &process)["exitcode"], -9);
    let outside = start(&server, "nap", &json!([600]));
    proc::signal(pid(&outside), Signal::SIGKILL);
    assert_eq!(join(&server, &outside)["exitcode"], -9, "whoever killed it");
}

#[test]
fn what_a_killed_process_held_comes_back_and_a_return_keeps_it() {
    let server = server(&[]);
    let json = [("Content-Type", "application/json")];
    server.send("PUT", "/v1/locks/l", &json, Some(b"{}")).value();
    let lock = json!({"$forkpool": "/v1/locks/l"});
    let acquire = |timeout: f64| server.post("/v1/locks/l/acquire", &json!({"timeout": timeout})).value();
    let process = start(&server, "hold", &json!([lock, 600]));
    super::says(&server, &process, "held");
    assert_eq!(acquire(0.1)["acquired"], false);
    post(&server, &process, "kill");
    let got = acquire(5.0);
    assert_eq!((&got["acquired"], &got["recovered"]), (&json!(true), &json!(true)), "{got}");
    server.post_empty("/v1/locks/l/release").value();

    let process = start_with(&server, &json!({"target": "processes.hold", "args": [lock, 0]}));
    assert_eq!(join(&server, &process)["exitcode"], 0);
    assert_eq!(acquire(0.3)["acquired"], false, "a return keeps it");
    server.post_empty("/v1/locks/l/release").value();
    wait_until(Duration::from_secs(5), "for anyone to release", || acquire(0.1)["acquired"] == true);
}
