//! Clients that leave while their call waits, and objects that go while they are waited for.

use std::time::Duration;

use serde_json::{Value, json};

use super::rules::becomes;
use super::{acquire, asked, call, make, meanwhile, server, shown, value};
use crate::support::wait_until;

const BOUND: Duration = Duration::from_secs(10);

#[test]
fn a_client_that_leaves_takes_nothing() {
    let server = server(&[]);
    make(&server, "queues/q", &json!({}));
    for _ in 0..20 {
        let leaver = asked(&server, "queues/q/get", &json!({"timeout": 60}));
        std::thread::sleep(Duration::from_millis(10));
        leaver.leave();
    }
    let stays = meanwhile(&server, "queues/q/get", json!({"timeout": 20}));
    std::thread::sleep(Duration::from_millis(100));
    value(&server, "queues/q/put", &json!({"obj": "here"}));
    assert_eq!(stays.join().expect("no panic").value(), "here");
}

#[test]
fn a_client_that_leaves_does_not_get_the_lock() {
    let server = server(&[]);
    make(&server, "locks/l", &json!({}));
    acquire(&server, "locks/l", "holder");
    let leaver = asked(&server, "locks/l/acquire", &json!({"timeout": 60}));
    becomes(&server, "locks/l", "waiting", &json!(1));
    leaver.leave();
    becomes(&server, "locks/l", "waiting", &json!(0));
    value(&server, "locks/l/release", &json!({}));
    assert_eq!(shown(&server, "locks/l", "locked"), false);
}

#[test]
fn a_client_that_leaves_a_put_a_condition_or_a_barrier_is_forgotten() {
    let server = server(&[]);
    make(&server, "queues/q", &json!({"maxsize": 1}));
    value(&server, "queues/q/put", &json!({"obj": 1}));
    let leaver = asked(&server, "queues/q/put", &json!({"obj": 2, "timeout": 60}));
    becomes(&server, "queues/q", "putters", &json!(1));
    leaver.leave();
    becomes(&server, "queues/q", "putters", &json!(0));
    assert_eq!(value(&server, "queues/q/get", &json!({})), 1);
    call(&server, "queues/q/get", &json!({"block": false})).problem(409, "empty");

    make(&server, "conditions/c", &json!({}));
    acquire(&server, "conditions/c", "a");
    let leaver = asked(&server, "conditions/c/wait", &json!({"owner": "a", "timeout": 60}));
    becomes(&server, "conditions/c", "sleeping", &json!(1));
    leaver.leave();
    becomes(&server, "conditions/c", "sleeping", &json!(0));
    assert_eq!(shown(&server, "conditions/c", "locked"), false);

    make(&server, "barriers/b", &json!({"parties": 2}));
    let leaver = asked(&server, "barriers/b/wait", &json!({"timeout": 60}));
    becomes(&server, "barriers/b", "n_waiting", &json!(1));
    leaver.leave();
    becomes(&server, "barriers/b", "n_waiting", &json!(0));
    let one = meanwhile(&server, "barriers/b/wait", json!({"timeout": 20}));
    becomes(&server, "barriers/b", "n_waiting", &json!(1));
    assert_eq!(value(&server, "barriers/b/wait", &json!({"timeout": 20})), 1);
    assert_eq!(one.join().expect("no panic").value(), 0);
}

#[test]
fn who_waits_for_what_is_deleted_is_told() {
    let server = server(&[]);
    for (path, arguments, method, wait) in [
        ("queues/q", json!({}), "get", json!({"timeout": 60})),
        ("events/e", json!({}), "wait", json!({"timeout": 60})),
        ("barriers/b", json!({"parties": 2}), "wait", json!({"timeout": 60})),
    ] {
        make(&server, path, &arguments);
        let waiter = meanwhile(&server, &format!("{path}/{method}"), wait);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(server.delete(&format!("/v1/{path}")).status, 204);
        waiter.join().expect("no panic").problem(404, "unknown-object");
    }
}

#[test]
fn waits_hold_no_thread() {
    let server = server(&[]);
    make(&server, "events/e", &json!({}));
    let threads = || crate::support::proc::threads(server.pid());
    let before = threads();
    let waiting: Vec<_> =
        (0..200).map(|_| asked(&server, "events/e/wait", &json!({"timeout": 60}))).collect();
    wait_until(BOUND, "all wait", || shown(&server, "events/e", "waiting") == 200);
    assert_eq!(threads(), before);
    value(&server, "events/e/set", &json!({}));
    for mut waiter in waiting {
        assert_eq!(waiter.answer(BOUND).value(), Value::Bool(true));
    }
}

#[test]
fn a_wait_without_a_timeout_ends_at_max_wait_with_the_librarys_answer() {
    let server = server(&["--max-wait", "300ms"]);
    for (path, arguments) in [
        ("queues/q", json!({})),
        ("queues/j", json!({"kind": "joinable"})),
        ("locks/l", json!({})),
        ("events/e", json!({})),
        ("barriers/b", json!({"parties": 2})),
        ("pipes/p", json!({})),
    ] {
        make(&server, path, &arguments);
    }
    acquire(&server, "locks/l", "a");
    value(&server, "queues/j/put", &json!({"obj": 1}));
    call(&server, "queues/q/get", &json!({})).problem(409, "empty");
    call(&server, "queues/q/get", &json!({"timeout": null})).problem(409, "empty");
    call(&server, "queues/j/join", &json!({})).problem(408, "join-timeout");
    assert_eq!(value(&server, "locks/l/acquire", &json!({})), json!({"acquired": false}));
    assert_eq!(value(&server, "events/e/wait", &json!({})), false);
    assert_eq!(value(&server, "pipes/p/0/poll", &json!({"timeout": null})), false);
    call(&server, "pipes/p/0/recv", &json!({})).problem(409, "empty");
    call(&server, "barriers/b/wait", &json!({})).problem(409, "broken-barrier");
}

#[test]
fn a_call_that_is_sent_again_under_its_key_is_done_once() {
    let server = server(&[]);
    make(&server, "queues/q", &json!({}));
    make(&server, "locks/l", &json!({}));
    let send = |path: &str, key: &str, arguments: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let body = arguments.to_string();
        server.send("POST", &format!("/v1/{path}"), &headers, Some(body.as_bytes())).value()
    };
    for item in ["a", "b"] {
        for _ in 0..2 {
            assert_eq!(send("queues/q/put", item, &json!({"obj": item})), Value::Null);
        }
    }
    assert_eq!(value(&server, "queues/q/qsize", &json!({})), 2);
    for _ in 0..2 {
        assert_eq!(send("queues/q/get", "get", &json!({})), "a");
    }
    assert_eq!(value(&server, "queues/q/qsize", &json!({})), 1);
    let first = send("locks/l/acquire", "acquire", &json!({"timeout": 5}));
    assert_eq!(first["acquired"], true);
    assert_eq!(send("locks/l/acquire", "acquire", &json!({"timeout": 5})), first);
}
