//! The library's rules, as functions see them.

use std::thread;

use serde_json::{Value, json};

use super::{apply, call, make, reference, start, submit};
use crate::support::{Server, scaled, wait_until};

/// What a method raises in a worker: the class and its arguments; or what it returns.
#[track_caller]
fn ends(server: &Server, path: &str, method: &str, args: &[Value]) -> Value {
    let all = [&[reference(path), json!(method)], args].concat();
    apply(server, "refused", &json!(all)).value()
}

#[test]
fn queues_raise_empty_and_full() {
    let server = start(&[]);
    make(&server, "queues/q", &json!({"maxsize": 1, "kind": "joinable"}));
    let q = |method: &str, args: &[Value]| ends(&server, "queues/q", method, args);
    assert_eq!(q("get", &[json!(false)]), json!(["Empty", []]));
    assert_eq!(q("get", &[json!(true), json!(-1)]), json!(["Empty", []]));
    assert_eq!(q("get", &[json!(true), json!(0.01)]), json!(["Empty", []]));
    assert_eq!(q("put", &[json!([1, {"$bytes": "AAE="}])]), json!(["returned", null]));
    assert_eq!(q("put_nowait", &[json!(2)]), json!(["Full", []]));
    assert_eq!(q("full", &[]), json!(["returned", true]));
    assert_eq!(q("get_nowait", &[]), json!(["returned", [1, {"$bytes": "AAE="}]]));
    assert_eq!(q("task_done", &[]), json!(["returned", null]));
    assert_eq!(q("join", &[]), json!(["returned", null]));
    assert_eq!(q("task_done", &[]), json!(["ValueError", ["task_done() called too many times"]]));
    make(&server, "queues/simple", &json!({"kind": "simple"}));
    assert_eq!(ends(&server, "queues/simple", "qsize", &[])[0], "AttributeError");
}

#[test]
fn pipes_end_by_name() {
    let server = start(&[]);
    make(&server, "pipes/p", &json!({}));
    let other = thread::spawn({
        let client = server.keeping();
        move || {
            let got = call(&client, "pipes/p/0/recv", &json!({"timeout": 20})).value();
            call(&client, "pipes/p/0/send", &json!({"obj": [got]})).value();
        }
    });
    let args = json!([reference("pipes/p/1"), {"a": 1}]);
    assert_eq!(apply(&server, "send_and_receive", &args).value(), json!([true, [{"a": 1}]]));
    other.join().expect("the other end");
    assert_eq!(ends(&server, "pipes/p/0", "recv", &[])[0], "EOFError");
    assert_eq!(ends(&server, "pipes/p/0", "send", &[json!(1)])[0], "BrokenPipeError");
    assert_eq!(ends(&server, "pipes/p/1", "recv", &[])[0], "OSError");
    make(&server, "pipes/one_way", &json!({"duplex": false}));
    assert_eq!(ends(&server, "pipes/one_way/0", "send", &[json!(1)])[0], "OSError");
    assert_eq!(ends(&server, "pipes/one_way/0", "poll", &[]), json!(["returned", false]));
}

#[test]
fn locks_raise_as_in_the_library() {
    let server = start(&["--workers", "1"]);
    for kind in ["locks", "bounded_semaphores"] {
        make(&server, &format!("{kind}/x"), &json!({}));
        assert_eq!(ends(&server, &format!("{kind}/x"), "release", &[])[0], "ValueError", "{kind}");
    }
    for kind in ["rlocks", "conditions"] {
        make(&server, &format!("{kind}/x"), &json!({}));
        assert_eq!(ends(&server, &format!("{kind}/x"), "release", &[])[0], "AssertionError", "{kind}");
    }
    assert_eq!(ends(&server, "conditions/x", "wait", &[])[0], "AssertionError");
    assert_eq!(ends(&server, "conditions/x", "notify", &[])[0], "AssertionError");
    let acquire = |args: &[Value]| ends(&server, "locks/x", "acquire", args);
    assert_eq!(acquire(&[]), json!(["returned", true]));
    assert_eq!(acquire(&[json!(false), json!(5)]), json!(["returned", false]));
    assert_eq!(acquire(&[json!(true), json!(-5)]), json!(["returned", false]));
    assert_eq!(acquire(&[json!(true), json!(0.01)]), json!(["returned", false]));
    make(&server, "semaphores/s", &json!({"value": 2}));
    assert_eq!(ends(&server, "semaphores/s", "get_value", &[]), json!(["returned", 2]));
    // One process and thread is one owner, task after task.
    assert_eq!(ends(&server, "rlocks/x", "acquire", &[]), json!(["returned", true]));
    assert_eq!(ends(&server, "rlocks/x", "acquire", &[json!(false)]), json!(["returned", true]));
    call(&server, "rlocks/x/release", &json!({"owner": "a stranger"})).problem(409, "not-owner");
}

#[test]
fn events_and_barriers() {
    let server = start(&["--workers", "3"]);
    make(&server, "events/e", &json!({}));
    assert_eq!(ends(&server, "events/e", "wait", &[json!(0.01)]), json!(["returned", false]));
    assert_eq!(ends(&server, "events/e", "set", &[]), json!(["returned", null]));
    assert_eq!(ends(&server, "events/e", "wait", &[]), json!(["returned", true]));
    make(&server, "barriers/b", &json!({"parties": 3}));
    for _ in 0..5 {
        let jobs: Vec<_> =
            (0..3).map(|_| submit(&server, "barrier_index", &json!([reference("barriers/b")]))).collect();
        let mut indexes: Vec<_> =
            jobs.iter().map(|id| server.result(id, 20.0).value().as_u64().expect("an index")).collect();
        indexes.sort_unstable();
        assert_eq!(indexes, [0, 1, 2]);
    }
    assert_eq!(ends(&server, "barriers/b", "wait", &[json!(0.01)]), json!(["BrokenBarrierError", []]));
    assert_eq!(ends(&server, "barriers/b", "reset", &[]), json!(["returned", null]));
}

#[test]
fn dicts_lists_and_namespaces_raise_as_python() {
    let server = start(&[]);
    make(&server, "dicts/d", &json!({"items": [[1, "a"]]}));
    let d = |method: &str, args: &[Value]| ends(&server, "dicts/d", method, args);
    assert_eq!(d("__getitem__", &[json!(2)]), json!(["KeyError", ["2"]]));
    assert_eq!(d("pop", &[json!(2), json!("x")]), json!(["returned", "x"]));
    assert_eq!(d("__setitem__", &[json!([]), json!(1)])[0], "TypeError");
    assert_eq!(d("__getitem__", &[json!(true)]), json!(["returned", "a"]));
    assert_eq!(d("update", &[json!([["k", 1], [2, 3]])]), json!(["returned", null]));
    assert_eq!(d("__str__", &[]), json!(["returned", "{1: 'a', 'k': 1, 2: 3}"]));
    make(&server, "lists/l", &json!({"values": [3, 1, 2]}));
    let l = |method: &str, args: &[Value]| ends(&server, "lists/l", method, args);
    assert_eq!(l("__getitem__", &[json!(7)])[0], "IndexError");
    assert_eq!(l("remove", &[json!(9)])[0], "ValueError");
    assert_eq!(l("sort", &[]), json!(["returned", null]));
    assert_eq!(l("index", &[json!(2)]), json!(["returned", 1]));
    assert_eq!(l("__str__", &[]), json!(["returned", "[1, 2, 3]"]));
    make(&server, "namespaces/n", &json!({"items": [["x", 10]]}));
    assert_eq!(ends(&server, "namespaces/n", "__getattr__", &[json!("y")])[0], "AttributeError");
    assert_eq!(ends(&server, "namespaces/n", "__getattr__", &[json!("x")]), json!(["returned", 10]));
}

#[test]
fn what_a_function_puts_wrongly_is_its_own_error() {
    let server = start(&[]);
    make(&server, "queues/q", &json!({}));
    let problem = apply(&server, "put_set", &json!([reference("queues/q")])).problem(422, "function-raised");
    assert!(problem["exception"]["traceback"].to_string().contains("in put_set"), "{problem}");
}

#[test]
fn threads_may_call_at_once_and_forked_children_may_not() {
    let server = start(&["--workers", "1"]);
    make(&server, "queues/q", &json!({}));
    let id = submit(&server, "in_threads", &json!([reference("queues/q"), 20]));
    for item in 0..20 {
        call(&server, "queues/q/put", &json!({"obj": item})).value();
    }
    assert_eq!(server.result(&id, 20.0).value(), json!((0..20).collect::<Vec<_>>()));
    let told = apply(&server, "in_child", &json!([reference("queues/q")])).value();
    assert!(told.as_str().is_some_and(|told| told.contains("forked child")), "{told}");
    assert_eq!(call(&server, "queues/q/qsize", &json!({})).value(), 0);
}

#[test]
fn increments_under_the_lock_of_a_value_are_exact() {
    let server = start(&["--workers", "4"]);
    make(&server, "values/v", &json!({"typecode": "i"}));
    let items: Vec<_> = (0..100).map(|_| json!([reference("values/v"), 20])).collect();
    let body = json!({"function": "sharing.add", "iterable": items, "chunksize": 1});
    server.post("/v1/starmap", &body).value();
    assert_eq!(call(&server, "values/v/get", &json!({})).value(), 2_000);
}

#[test]
fn a_hundred_processes_increment_one_value_exactly() {
    let server = start(&["--workers", "1"]);
    make(&server, "values/v", &json!({"typecode": "i"}));
    let times = scaled(1_000);
    let body = json!({"target": "sharing.add", "args": [reference("values/v"), times]});
    let processes: Vec<_> = (0..100).map(|_| server.post("/v1/processes", &body).json()).collect();
    for process in &processes {
        let path = format!("/v1/processes/{}/join", process["id"].as_str().unwrap_or_default());
        // A client waits for a minute at most; all hundred may take longer.
        let mut joins = (0..10).map(|_| server.post(&path, &json!({"timeout": 30})).value());
        let ended = joins.find(|process| process["alive"] != true).expect("it ends within 300 s");
        assert_eq!(ended["exitcode"], 0, "{ended}");
    }
    assert_eq!(call(&server, "values/v/get", &json!({})).value(), 100 * times);
}

#[test]
fn a_worker_at_rest_holds_few_descriptors() {
    let server = start(&["--workers", "1"]);
    make(&server, "values/v", &json!({"typecode": "d"}));
    make(&server, "arrays/a", &json!({"typecode": "i", "length": 1000}));
    let before = server.fds();
    for _ in 0..50 {
        let args = json!([reference("values/v"), reference("arrays/a")]);
        let count = apply(&server, "descriptors", &args).value();
        assert!(count.as_u64().is_some_and(|count| count <= 10), "{count} descriptors");
    }
    wait_until(std::time::Duration::from_secs(5), "the server holds no more either", || {
        server.fds() <= before
    });
}
