//! Join, terminate, kill, list.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{id, join, post, says, server, start};
use crate::support::{Raw, proc, wait_until};

#[test]
fn join_waits_for_the_end_and_no_longer() {
    let server = server(&[]);
    let process = start(&server, "nap", &json!([0.5]));
    let begun = Instant::now();
    assert_eq!(join(&server, &process)["exitcode"], 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let again = Instant::now();
    assert_eq!(join(&server, &process)["exitcode"], 0, "as often as you like");
    assert!(again.elapsed() < Duration::from_secs(5), "{:?}", again.elapsed());
}

#[test]
fn join_tells_when_the_time_is_up() {
    let server = server(&["--max-wait", "0.3"]);
    let process = start(&server, "nap", &json!([60]));
    let path = format!("/v1/processes/{}/join", id(&process));
    let begun = Instant::now();
    let bodies = [Some(json!({"timeout": 0.3})), None];
    for body in &bodies {
        let answer = match body {
            Some(body) => server.post(&path, body),
            None => server.send("POST", &path, &[], None),
        };
        let joined = answer.value();
        assert_eq!((&joined["alive"], joined.get("exitcode")), (&json!(true), None), "{joined}");
    }
    assert!(begun.elapsed() >= Duration::from_millis(550), "{:?}", begun.elapsed());
    assert_eq!(server.post(&path, &json!({"timeout": 0})).value()["alive"], true);
    post(&server, &process, "kill");
    join(&server, &process);
}

#[test]
fn kill_ends_what_terminate_does_not() {
    let server = server(&[]);
    let process = start(&server, "ignore_sigterm", &json!([60]));
    says(&server, &process, "ready");
    post(&server, &process, "terminate");
    let path = format!("/v1/processes/{}/join", id(&process));
    assert_eq!(server.post(&path, &json!({"timeout": 0.3})).value()["alive"], true, "it ignores SIGTERM");
    post(&server, &process, "kill");
    assert_eq!(join(&server, &process)["exitcode"], -9);
}

#[test]
fn a_joiner_is_told_of_a_kill() {
    let server = server(&[]);
    let process = start(&server, "nap", &json!([60]));
    std::thread::scope(|scope| {
        let joiner = scope.spawn(|| join(&server, &process));
        std::thread::sleep(Duration::from_millis(200));
        post(&server, &process, "kill");
        assert_eq!(joiner.join().expect("the client thread ends well")["exitcode"], -9);
    });
}

#[test]
fn the_list_has_pages_newest_first() {
    let server = server(&[]);
    let started: Vec<Value> = (0..5).map(|_| start(&server, "nothing", &json!([]))).collect();
    let mut wanted: Vec<&str> = started.iter().map(id).collect();
    wanted.reverse();
    let mut got = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/processes?limit=2{cursor}")).value();
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 2, "{page}");
        got.extend(items.iter().map(|item| id(item).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(got, wanted);
    for process in &started {
        join(&server, process);
        let shown = server.get(&format!("/v1/processes/{}", id(process))).value();
        let members: BTreeSet<&str> =
            shown.as_object().expect("an object").keys().map(String::as_str).collect();
        let wanted = ["alive", "daemon", "exitcode", "id", "name", "parent_pid", "pid", "target"];
        assert_eq!(members, BTreeSet::from(wanted));
    }
}

#[test]
fn a_client_that_leaves_ends_nothing() {
    let server = server(&[]);
    let zygote = server.zygote();
    let before = server.fds();
    // A zygote that stands still: the start waits for it, and the client leaves meanwhile.
    proc::signal(zygote, Signal::SIGSTOP);
    let body = json!({"target": "processes.nothing"}).to_string();
    let mut raw = Raw::connect(server.port());
    raw.request("POST /v1/processes", "Content-Type: application/json\r\n", body.as_bytes());
    wait_until(Duration::from_secs(10), "the request has come to its pipes", || {
        proc::descriptors(server.pid()).len() > before + 4
    });
    raw.leave();
    std::thread::sleep(Duration::from_millis(100));
    proc::signal(zygote, Signal::SIGCONT);
    wait_until(Duration::from_secs(10), "the process has run to its end", || {
        let list = server.get("/v1/processes").value();
        let items = list["items"].as_array().expect("items");
        items.len() == 1 && items[0]["exitcode"] == 0
    });
}
