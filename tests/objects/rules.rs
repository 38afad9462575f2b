//! Rules 15 to 22 of the library: locks, semaphores, conditions, events, barriers, queues, pipes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{acquire, call, make, meanwhile, raised, refused, server, shown, value};
use crate::support::{Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);

/// Waits until this member of an object is so.
#[track_caller]
pub fn becomes(server: &Server, path: &str, member: &str, wanted: &Value) {
    wait_until(BOUND, &format!("{path}: {member} is {wanted}"), || shown(server, path, member) == *wanted);
}

#[test]
fn rule_15_a_lock_may_be_released_by_anyone_but_not_twice() {
    let server = server(&[]);
    make(&server, "locks/l", &json!({}));
    let got = value(&server, "locks/l/acquire", &json!({"owner": "a"}));
    assert_eq!((&got["acquired"], &got["recovered"]), (&json!(true), &json!(false)));
    assert_eq!(value(&server, "locks/l/acquire", &json!({"block": false})), json!({"acquired": false}));
    assert_eq!(
        value(&server, "locks/l/acquire", &json!({"block": false, "timeout": 60})),
        json!({"acquired": false})
    );
    assert_eq!(value(&server, "locks/l/acquire", &json!({"timeout": 0.05})), json!({"acquired": false}));
    assert_eq!(value(&server, "locks/l/locked", &json!({})), true);
    assert_eq!(value(&server, "locks/l/release", &json!({"owner": "b"})), Value::Null);
    assert_eq!(value(&server, "locks/l/locked", &json!({})), false);
    let problem = call(&server, "locks/l/release", &json!({})).problem(409, "over-release");
    assert_eq!(problem["exception"]["type"], "ValueError");
    assert_eq!(problem["exception"]["message"], "semaphore or lock released too many times");
}

#[test]
fn rule_15_those_who_wait_get_it_in_order() {
    let server = server(&[]);
    make(&server, "locks/l", &json!({}));
    acquire(&server, "locks/l", "first");
    let mut waiting = Vec::new();
    for number in 0..5 {
        waiting.push(meanwhile(
            &server,
            "locks/l/acquire",
            json!({"timeout": 20, "owner": number.to_string()}),
        ));
        becomes(&server, "locks/l", "waiting", &json!(number + 1));
    }
    for (number, waiter) in waiting.into_iter().enumerate() {
        call(&server, "locks/l/release", &json!({})).value();
        assert_eq!(waiter.join().expect("no panic").value()["acquired"], true);
        assert_eq!(shown(&server, "locks/l", "waiting"), json!(4 - number));
    }
}

#[test]
fn rule_16_an_rlock_has_an_owner_and_a_depth() {
    let server = server(&[]);
    make(&server, "rlocks/r", &json!({}));
    let first = acquire(&server, "rlocks/r", "a");
    assert_eq!(acquire(&server, "rlocks/r", "a"), first, "the same hold");
    assert_eq!(
        value(&server, "rlocks/r/acquire", &json!({"owner": "b", "block": false})),
        json!({"acquired": false})
    );
    assert_eq!(refused(&server, "rlocks/r/release", &json!({"owner": "b"}), "not-owner"), "AssertionError");
    value(&server, "rlocks/r/release", &json!({"owner": "a"}));
    assert_eq!(
        value(&server, "rlocks/r/acquire", &json!({"owner": "b", "block": false})),
        json!({"acquired": false})
    );
    value(&server, "rlocks/r/release", &json!({"owner": "a"}));
    assert_eq!(refused(&server, "rlocks/r/release", &json!({"owner": "a"}), "not-owner"), "AssertionError");
    assert!(acquire(&server, "rlocks/r", "b") > first, "tokens grow");
    for method in ["acquire", "release"] {
        let problem =
            call(&server, &format!("rlocks/r/{method}"), &json!({})).problem(400, "invalid-request");
        assert_eq!(problem["member"], "owner");
    }
}

#[test]
fn rule_17_semaphores() {
    let server = server(&[]);
    make(&server, "semaphores/s", &json!({"value": 2}));
    for left in [1, 0] {
        assert_eq!(value(&server, "semaphores/s/acquire", &json!({}))["acquired"], true);
        assert_eq!(value(&server, "semaphores/s/get_value", &json!({})), left);
    }
    assert_eq!(value(&server, "semaphores/s/acquire", &json!({"block": false})), json!({"acquired": false}));
    for free in 1..=4 {
        value(&server, "semaphores/s/release", &json!({}));
        assert_eq!(value(&server, "semaphores/s/get_value", &json!({})), free, "released without bound");
    }
    make(&server, "bounded_semaphores/b", &json!({"value": 2}));
    assert_eq!(refused(&server, "bounded_semaphores/b/release", &json!({}), "over-release"), "ValueError");
    value(&server, "bounded_semaphores/b/acquire", &json!({}));
    value(&server, "bounded_semaphores/b/release", &json!({}));
    assert_eq!(refused(&server, "bounded_semaphores/b/release", &json!({}), "over-release"), "ValueError");
}

#[test]
fn rule_18_conditions_let_go_of_the_whole_depth_and_restore_it() {
    let server = server(&[]);
    make(&server, "conditions/c", &json!({}));
    for method in ["wait", "notify", "notify_all"] {
        let path = format!("conditions/c/{method}");
        assert_eq!(refused(&server, &path, &json!({"owner": "a"}), "not-owner"), "AssertionError");
    }
    acquire(&server, "conditions/c", "a");
    acquire(&server, "conditions/c", "a");
    let sleeper = meanwhile(&server, "conditions/c/wait", json!({"owner": "a", "timeout": 20}));
    becomes(&server, "conditions/c", "sleeping", &json!(1));
    acquire(&server, "conditions/c", "b");
    value(&server, "conditions/c/notify", &json!({"owner": "b"}));
    assert!(!sleeper.is_finished(), "the lock is still b's");
    value(&server, "conditions/c/release", &json!({"owner": "b"}));
    assert_eq!(sleeper.join().expect("no panic").value(), true);
    assert_eq!(shown(&server, "conditions/c", "depth"), 2);
    assert_eq!(
        value(&server, "conditions/c/wait", &json!({"owner": "a", "timeout": 0.05})),
        false,
        "nobody notified"
    );
    assert_eq!(shown(&server, "conditions/c", "depth"), 2);
}

#[test]
fn rule_18_notify_wakes_so_many_and_notify_all_everybody() {
    let server = server(&[]);
    make(&server, "conditions/c", &json!({}));
    let mut sleepers = Vec::new();
    for number in 0..5 {
        let owner = format!("s{number}");
        acquire(&server, "conditions/c", &owner);
        sleepers.push(meanwhile(&server, "conditions/c/wait", json!({"owner": owner, "timeout": 20})));
        becomes(&server, "conditions/c", "sleeping", &json!(number + 1));
    }
    acquire(&server, "conditions/c", "n");
    value(&server, "conditions/c/notify", &json!({"owner": "n", "n": 2}));
    assert_eq!(shown(&server, "conditions/c", "sleeping"), 3);
    value(&server, "conditions/c/notify_all", &json!({"owner": "n"}));
    assert_eq!(shown(&server, "conditions/c", "sleeping"), 0);
    value(&server, "conditions/c/release", &json!({"owner": "n"}));
    for (number, sleeper) in sleepers.into_iter().enumerate() {
        assert_eq!(sleeper.join().expect("no panic").value(), true);
        value(&server, "conditions/c/release", &json!({"owner": format!("s{number}")}));
    }
}

#[test]
fn rule_19_events() {
    let server = server(&[]);
    make(&server, "events/e", &json!({}));
    assert_eq!(value(&server, "events/e/is_set", &json!({})), false);
    assert_eq!(value(&server, "events/e/wait", &json!({"timeout": 0.05})), false);
    let waiting: Vec<_> =
        (0..3).map(|_| meanwhile(&server, "events/e/wait", json!({"timeout": 20}))).collect();
    becomes(&server, "events/e", "waiting", &json!(3));
    value(&server, "events/e/set", &json!({}));
    for waiter in waiting {
        assert_eq!(waiter.join().expect("no panic").value(), true);
    }
    assert_eq!(value(&server, "events/e/wait", &json!({})), true);
    value(&server, "events/e/clear", &json!({}));
    assert_eq!(value(&server, "events/e/is_set", &json!({})), false);
}

#[test]
fn rule_20_a_barrier_lets_all_go_at_once_again_and_again() {
    let server = server(&[]);
    make(&server, "barriers/b", &json!({"parties": 4}));
    for _ in 0..3 {
        let waiting: Vec<_> =
            (0..4).map(|_| meanwhile(&server, "barriers/b/wait", json!({"timeout": 20}))).collect();
        let indexes: BTreeSet<i64> = waiting
            .into_iter()
            .map(|waiter| waiter.join().expect("no panic").value().as_i64().expect("a number"))
            .collect();
        assert_eq!(indexes, BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(shown(&server, "barriers/b", "n_waiting"), 0);
    }
}

#[test]
fn rule_20_a_timeout_an_abort_and_a_reset_break_a_barrier() {
    let server = server(&[]);
    make(&server, "barriers/b", &json!({"parties": 3}));
    let waiter = meanwhile(&server, "barriers/b/wait", json!({"timeout": 20}));
    becomes(&server, "barriers/b", "n_waiting", &json!(1));
    assert_eq!(
        refused(&server, "barriers/b/wait", &json!({"timeout": 0.05}), "broken-barrier"),
        "BrokenBarrierError"
    );
    waiter.join().expect("no panic").problem(409, "broken-barrier");
    assert_eq!(refused(&server, "barriers/b/wait", &json!({}), "broken-barrier"), "BrokenBarrierError");
    assert_eq!(shown(&server, "barriers/b", "broken"), true);

    value(&server, "barriers/b/reset", &json!({}));
    assert_eq!(shown(&server, "barriers/b", "broken"), false);
    let waiter = meanwhile(&server, "barriers/b/wait", json!({"timeout": 20}));
    becomes(&server, "barriers/b", "n_waiting", &json!(1));
    value(&server, "barriers/b/reset", &json!({}));
    waiter.join().expect("no panic").problem(409, "broken-barrier");
    assert_eq!(shown(&server, "barriers/b", "broken"), false);

    let waiter = meanwhile(&server, "barriers/b/wait", json!({"timeout": 20}));
    becomes(&server, "barriers/b", "n_waiting", &json!(1));
    value(&server, "barriers/b/abort", &json!({}));
    waiter.join().expect("no panic").problem(409, "broken-barrier");
    assert_eq!(shown(&server, "barriers/b", "broken"), true);

    make(&server, "barriers/own", &json!({"parties": 2, "timeout": 0.05}));
    refused(&server, "barriers/own/wait", &json!({}), "broken-barrier");
}

#[test]
fn rule_21_queues_are_full_empty_and_closed() {
    let server = server(&[]);
    make(&server, "queues/q", &json!({"maxsize": 2}));
    assert_eq!(value(&server, "queues/q/empty", &json!({})), true);
    for item in [json!([42, null, "hello"]), json!({"a": 1})] {
        assert_eq!(value(&server, "queues/q/put", &json!({"obj": item})), Value::Null);
    }
    assert_eq!(value(&server, "queues/q/full", &json!({})), true);
    assert_eq!(value(&server, "queues/q/qsize", &json!({})), 2);
    for arguments in [json!({"obj": 3, "block": false}), json!({"obj": 3, "timeout": 0.05})] {
        assert_eq!(refused(&server, "queues/q/put", &arguments, "full"), "Full");
    }
    let putter = meanwhile(&server, "queues/q/put", json!({"obj": 3, "timeout": 20}));
    assert_eq!(value(&server, "queues/q/get", &json!({})), json!([42, null, "hello"]));
    assert_eq!(putter.join().expect("no panic").value(), Value::Null);
    assert_eq!(value(&server, "queues/q/get", &json!({})), json!({"a": 1}));
    assert_eq!(value(&server, "queues/q/get", &json!({"block": false})), 3);
    for arguments in [json!({"block": false}), json!({"timeout": 0.05}), json!({"timeout": 0})] {
        assert_eq!(refused(&server, "queues/q/get", &arguments, "empty"), "Empty");
    }
    let getter = meanwhile(&server, "queues/q/get", json!({"timeout": 20}));
    value(&server, "queues/q/put", &json!({"obj": "last"}));
    assert_eq!(getter.join().expect("no panic").value(), "last");
    let getter = meanwhile(&server, "queues/q/get", json!({"timeout": 20}));
    std::thread::sleep(Duration::from_millis(50));
    value(&server, "queues/q/close", &json!({}));
    getter.join().expect("no panic").problem(409, "closed");
    assert_eq!(refused(&server, "queues/q/put", &json!({"obj": 1}), "closed"), "ValueError");
    assert_eq!(refused(&server, "queues/q/get", &json!({}), "closed"), "ValueError");
}

#[test]
fn rule_21_joinable_and_simple_queues() {
    let server = server(&[]);
    make(&server, "queues/j", &json!({"kind": "joinable"}));
    assert_eq!(value(&server, "queues/j/join", &json!({})), Value::Null);
    assert_eq!(
        raised(&server, "queues/j/task_done", &json!({})),
        "ValueError: task_done() called too many times"
    );
    for item in 0..2 {
        value(&server, "queues/j/put", &json!({"obj": item}));
    }
    call(&server, "queues/j/join", &json!({"timeout": 0.05})).problem(408, "join-timeout");
    let joiner = meanwhile(&server, "queues/j/join", json!({"timeout": 20}));
    for _ in 0..2 {
        assert!(!joiner.is_finished());
        value(&server, "queues/j/get", &json!({}));
        value(&server, "queues/j/task_done", &json!({}));
    }
    assert_eq!(joiner.join().expect("no panic").value(), Value::Null);

    make(&server, "queues/s", &json!({"kind": "simple"}));
    value(&server, "queues/s/put", &json!({"obj": 1}));
    assert_eq!(value(&server, "queues/s/empty", &json!({})), false);
    assert_eq!(value(&server, "queues/s/get", &json!({})), 1);
    for method in ["qsize", "full", "task_done", "join"] {
        call(&server, &format!("queues/s/{method}"), &json!({})).problem(404, "unknown-method");
    }
    make(&server, "queues/q", &json!({}));
    for method in ["task_done", "join"] {
        call(&server, &format!("queues/q/{method}"), &json!({})).problem(404, "unknown-method");
    }
}

#[test]
fn rule_22_pipes() {
    let server = server(&[]);
    make(&server, "pipes/p", &json!({}));
    assert_eq!(value(&server, "pipes/p/0/poll", &json!({})), false);
    value(&server, "pipes/p/1/send", &json!({"obj": [42, null, "hello"]}));
    assert_eq!(value(&server, "pipes/p/0/poll", &json!({})), true);
    assert_eq!(
        value(&server, "pipes/p/1/poll", &json!({"timeout": 0.05})),
        false,
        "the other end has nothing"
    );
    assert_eq!(value(&server, "pipes/p/0/recv", &json!({})), json!([42, null, "hello"]));
    refused(&server, "pipes/p/0/recv", &json!({"timeout": 0.05}), "empty");
    let receiver = meanwhile(&server, "pipes/p/1/recv", json!({"timeout": 20}));
    value(&server, "pipes/p/0/send", &json!({"obj": "to one"}));
    assert_eq!(receiver.join().expect("no panic").value(), "to one");
    value(&server, "pipes/p/1/send", &json!({"obj": "last"}));
    value(&server, "pipes/p/1/close", &json!({}));
    assert_eq!(value(&server, "pipes/p/0/recv", &json!({})), "last", "what was sent is still received");
    assert_eq!(value(&server, "pipes/p/0/poll", &json!({})), true, "the end of the file can be received");
    assert_eq!(refused(&server, "pipes/p/0/recv", &json!({}), "closed"), "EOFError");
    assert_eq!(refused(&server, "pipes/p/0/send", &json!({"obj": 1}), "closed"), "BrokenPipeError");
    assert_eq!(refused(&server, "pipes/p/1/send", &json!({"obj": 1}), "closed"), "OSError");
    let problem = call(&server, "pipes/p/0/recv", &json!({})).problem(409, "closed");
    assert_eq!(problem["title"], "EOFError");

    make(&server, "pipes/one_way", &json!({"duplex": false}));
    value(&server, "pipes/one_way/1/send", &json!({"obj": 7}));
    assert_eq!(value(&server, "pipes/one_way/0/recv", &json!({})), 7);
    assert_eq!(
        raised(&server, "pipes/one_way/0/send", &json!({"obj": 1})),
        "OSError: connection is read-only"
    );
    assert_eq!(raised(&server, "pipes/one_way/1/recv", &json!({})), "OSError: connection is write-only");
    let receiver = meanwhile(&server, "pipes/one_way/0/recv", json!({"timeout": 20}));
    std::thread::sleep(Duration::from_millis(50));
    value(&server, "pipes/one_way/1/close", &json!({}));
    receiver.join().expect("no panic").problem(409, "closed");
}
