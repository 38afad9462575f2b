//! `priority`: larger first, equal ones in the order of their coming.

use serde_json::{Value, json};

use super::verbs::Verbs;
use crate::support::Gate;

const PRIORITIES: [(&str, i64); 7] =
    [("a", 0), ("b", 5), ("c", -5), ("d", 100), ("e", -100), ("f", 5), ("g", 0)];
const ORDER: [&str; 7] = ["d", "b", "f", "a", "g", "c", "e"];

/// Submits them while the only worker is busy; answers the order in which they ran.
fn order(server: &Verbs) -> Vec<String> {
    let gate = Gate::shut();
    let busy = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&busy);
    let path = server.path("order");
    let ids: Vec<String> = PRIORITIES
        .iter()
        .map(|(word, priority)| {
            server.job_of("apply_async", "write", &json!([path, word]), &json!({"priority": priority}))
        })
        .collect();
    server.pools_turn();
    gate.open();
    for id in &ids {
        server.result(id, 10.0).value();
    }
    server.words("order")
}

#[test]
fn larger_first_then_first_come() {
    assert_eq!(order(&Verbs::start(1)), ORDER);
}

#[test]
fn larger_first_also_where_tasks_would_wait_in_the_pipe() {
    let server = Verbs::start(1);
    let path = server.path("warm");
    for _ in 0..300 {
        server.ask("apply", "write", &json!([path, "x"]), &json!({})).value();
        server.apply("hold", &json!([""])).value();
    }
    assert_eq!(order(&server), ORDER);
}

#[test]
fn without_one_it_is_zero() {
    let server = Verbs::start(1);
    let gate = Gate::shut();
    let busy = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&busy);
    let path = server.path("order");
    let ids = [("low", json!({"priority": -1})), ("none", json!({})), ("high", json!({"priority": 1}))]
        .map(|(word, options)| server.job_of("apply_async", "write", &json!([path, word]), &options));
    server.pools_turn();
    gate.open();
    for id in &ids {
        server.result(id, 10.0).value();
    }
    assert_eq!(server.words("order"), ["high", "none", "low"]);
}

#[test]
fn any_priority_runs_where_nothing_else_waits() {
    let server = Verbs::start(1);
    for priority in [0, -1, 0, -100, 100, -100, 1, 0] {
        let options = json!({"priority": priority});
        let id = server.job_of("apply_async", "nap_echo", &json!([[0, priority]]), &options);
        assert_eq!(server.result(&id, 5.0).value(), priority);
    }
}

#[test]
fn a_call_overtakes_the_rest_of_a_map_of_less_priority() {
    let server = Verbs::start(1);
    // The map stops at its first item, until the call is there, and at its last.
    let gates = [Gate::shut(), Gate::shut()];
    let held = |i: usize| match i {
        0 => gates[0].path(),
        29 => gates[1].path(),
        _ => String::new(),
    };
    let items: Vec<Value> = (0..30).map(|i| json!([held(i), i])).collect();
    let options = json!({"priority": -1, "chunksize": 1});
    let map = server.job_of("map_async", "hold_echo", &json!(items), &options);
    server.worker_of(&map);
    let call = server.submit("square", &json!([7]));
    server.pools_turn();
    gates[0].open();
    assert_eq!(server.result(&call, 10.0).value(), 49, "it waits for no more than what runs");
    server.result(&map, 0.0).problem(408, "result-timeout");
    gates[1].open();
    let values = server.result(&map, 20.0).value();
    assert_eq!(values.as_array().map(Vec::len), Some(30), "the map loses nothing");
}

#[test]
fn maps_of_more_priority_run_before_those_of_less() {
    let server = Verbs::start(1);
    let gate = Gate::shut();
    let busy = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&busy);
    let path = server.path("order");
    let items = |word: &str| json!([[path, word, 0], [path, word, 0], [path, word, 0]]);
    let ids = [("low", -3), ("high", 3)].map(|(word, priority)| {
        let options = json!({"priority": priority, "chunksize": 1});
        server.job_of("map_async", "write_each", &items(word), &options)
    });
    server.pools_turn();
    gate.open();
    for id in &ids {
        server.result(id, 10.0).value();
    }
    assert_eq!(server.words("order"), ["high", "high", "high", "low", "low", "low"]);
}
