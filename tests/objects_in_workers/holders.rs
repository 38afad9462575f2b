//! What a worker held comes back when it dies, and to whoever waits first; a normal return keeps it.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{apply, call, make, reference, start, submit, told};
use crate::support::{Client, Server, on_time, proc, promised, scaled, wait_until};

/// From a death to the others' going on.
const BOUND: Duration = Duration::from_millis(100);

fn alone() -> Server {
    Server::alone(&[&crate::support::fixture("sharing.py"), "--workers", "3"])
}

/// Waits until so many wait for the object.
#[track_caller]
fn waiting(client: &Client, path: &str, member: &str, count: u64) {
    wait_until(Duration::from_secs(10), "others wait", || {
        client.get(&format!("/v1/{path}")).value()[member] == count
    });
}

/// Kills the holder while one worker and one client over HTTP wait: both have it in time, and the first of them is
/// told.
fn lock_of_a_dead_worker(path: &str, arguments: &Value, times: u64) {
    let server = alone();
    make(&server, path, arguments);
    make(&server, "queues/told", &json!({}));
    let holder = submit(&server, "hold", &json!([reference(path), reference("queues/told"), times]));
    let pid = told(&server);
    let waiter = submit(&server, "acquire_when_free", &json!([reference(path)]));
    waiting(&server, path, "waiting", 1);
    let client = server.keeping();
    let acquire = format!("{path}/acquire");
    let over_http = thread::spawn(move || {
        let answer = call(&client, &acquire, &json!({"timeout": 20, "owner": "me"})).value();
        (answer, Instant::now())
    });
    waiting(&server, path, "waiting", 2);
    let start = Instant::now();
    proc::signal(pid, Signal::SIGKILL);
    let (acquired, at) = over_http.join().expect("the client's thread ends");
    assert_eq!(server.result(&waiter, 10.0).value(), true, "the first is told");
    assert_eq!(acquired["acquired"], true, "{acquired}");
    assert_eq!(acquired["recovered"], false, "the second isn't: {acquired}");
    promised(at - start, BOUND, "the others go on");
    server.result(&holder, 10.0).outcome("worker-died");
}

#[test]
fn a_lock() {
    on_time(|| {
        lock_of_a_dead_worker("locks/l", &json!({}), 1);
    });
}

#[test]
fn an_rlock_acquired_twice() {
    on_time(|| {
        lock_of_a_dead_worker("rlocks/r", &json!({}), 2);
    });
}

#[test]
fn a_permit_of_a_semaphore() {
    on_time(|| {
        lock_of_a_dead_worker("semaphores/s", &json!({"value": 1}), 1);
        lock_of_a_dead_worker("bounded_semaphores/s", &json!({"value": 1}), 1);
    });
}

#[test]
fn the_lock_of_a_condition() {
    on_time(|| {
        lock_of_a_dead_worker("conditions/c", &json!({}), 1);
    });
}

#[test]
fn the_lock_of_a_value() {
    on_time(|| {
        let server = alone();
        make(&server, "values/v", &json!({"typecode": "i"}));
        make(&server, "queues/told", &json!({}));
        submit(&server, "hold", &json!([reference("values/v"), reference("queues/told"), 2]));
        let pid = told(&server);
        let waiter = submit(&server, "add", &json!([reference("values/v"), 1]));
        proc::signal(pid, Signal::SIGKILL);
        server.result(&waiter, 10.0).value();
        assert_eq!(call(&server, "values/v/add", &json!({"timeout": 5})).value(), 2);
    });
}

#[test]
fn a_barrier_breaks_for_the_others() {
    on_time(|| {
        let server = alone();
        make(&server, "barriers/b", &json!({"parties": 3}));
        make(&server, "queues/told", &json!({}));
        let args = json!([reference("barriers/b"), reference("queues/told")]);
        submit(&server, "wait_in", &args);
        let pid = told(&server);
        waiting(&server, "barriers/b", "n_waiting", 1);
        let other = submit(&server, "wait_in", &args);
        told(&server);
        waiting(&server, "barriers/b", "n_waiting", 2);
        let start = Instant::now();
        proc::signal(pid, Signal::SIGKILL);
        let problem = server.result(&other, 10.0).outcome("function-raised");
        promised(start.elapsed(), BOUND, "the others are told");
        assert_eq!(problem["exception"]["type"], "BrokenBarrierError");
    });
}

#[test]
fn a_condition_forgets_the_dead() {
    on_time(|| {
        let server = alone();
        make(&server, "conditions/c", &json!({}));
        make(&server, "queues/told", &json!({}));
        let args = json!([reference("conditions/c"), reference("queues/told")]);
        submit(&server, "wait_in_condition", &args);
        let first = told(&server);
        waiting(&server, "conditions/c", "sleeping", 1);
        let second = submit(&server, "wait_in_condition", &args);
        told(&server);
        waiting(&server, "conditions/c", "sleeping", 2);
        proc::signal(first, Signal::SIGKILL);
        waiting(&server, "conditions/c", "sleeping", 1);
        let owner = json!({"owner": "me"});
        call(&server, "conditions/c/acquire", &owner).value();
        call(&server, "conditions/c/notify", &owner).value();
        call(&server, "conditions/c/release", &owner).value();
        assert_eq!(server.result(&second, 10.0).value(), true, "the one notification went to the living");
    });
}

#[test]
fn a_normal_return_keeps_it_for_anyone_to_release() {
    on_time(|| {
        let server = start(&[]);
        make(&server, "locks/l", &json!({}));
        assert_eq!(apply(&server, "acquire", &json!([reference("locks/l")])).value(), json!([true, false]));
        let taken = call(&server, "locks/l/acquire", &json!({"block": false})).value();
        assert_eq!(taken["acquired"], false);
        apply(&server, "release", &json!([reference("locks/l")])).value();
        assert_eq!(call(&server, "locks/l/acquire", &json!({"block": false})).value()["acquired"], true);
    });
}

#[test]
fn whatever_ends_a_worker_gives_back_what_it_held() {
    on_time(|| {
        let server = start(&["--workers", "2"]);
        make(&server, "locks/l", &json!({}));
        let lock = json!([reference("locks/l")]);
        let recovered = |what: &str| {
            let got = call(&server, "locks/l/acquire", &json!({"timeout": 10})).value();
            assert_eq!((&got["acquired"], &got["recovered"]), (&json!(true), &json!(true)), "{what}: {got}");
            call(&server, "locks/l/release", &json!({})).value();
        };
        apply(&server, "acquire_and_die", &lock).outcome("worker-died");
        recovered("its own exit");
        let recycling = json!({"name": "once", "runtime": "python", "processes": 1, "maxtasksperchild": 1});
        assert_eq!(server.post("/v1/pools", &recycling).status, 201);
        let body = json!({"function": "sharing.acquire", "args": lock, "pool": "once"});
        server.post("/v1/apply", &body).value();
        recovered("recycling");
        let pool = json!({"name": "small", "runtime": "python", "processes": 1});
        assert_eq!(server.post("/v1/pools", &pool).status, 201);
        let body = json!({"function": "sharing.acquire", "args": lock, "pool": "small"});
        server.post("/v1/apply", &body).value();
        assert_eq!(server.delete("/v1/pools/small").status, 204);
        recovered("its pool's end");
        make(&server, "queues/told", &json!({}));
        let id = submit(&server, "hold", &json!([reference("locks/l"), reference("queues/told")]));
        told(&server);
        server.cancel(&id).value();
        recovered("a cancel");
    });
}

/// A worker that stores without a pause can't hold up the server: each addition is made, or refused after some tries.
#[test]
fn additions_end_beside_a_worker_that_stores_in_a_loop() {
    on_time(|| {
        let server = alone();
        make(&server, "queues/told", &json!({}));
        for (path, typecode) in [("values/whole", "q"), ("values/float", "d")] {
            make(&server, path, &json!({"typecode": typecode}));
            let storing =
                submit(&server, "store_for_ever", &json!([reference(path), reference("queues/told")]));
            told(&server);
            for _ in 0..scaled(200) {
                let start = Instant::now();
                let answer = call(&server, &format!("{path}/add"), &json!({"amount": 1}));
                if typecode == "d" && answer.status == 503 {
                    answer.problem(503, "overloaded");
                } else {
                    answer.value();
                }
                promised(start.elapsed(), BOUND, "an addition");
            }
            // Or the server would wait for it at its end.
            server.cancel(&storing).value();
        }
    });
}
