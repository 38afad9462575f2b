//! `key`: within one priority, jobs of different keys take turns, a task each.

use serde_json::{Value, json};

use super::verbs::Verbs;
use crate::support::{Gate, late, on_time};

/// One worker, busy; what is submitted meanwhile, as `(word, options)`; the order in which it ran.
fn order(submitted: &[(&str, Value)]) -> Vec<String> {
    let server = Verbs::start(1);
    let gate = Gate::shut();
    let busy = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&busy);
    let path = server.path("order");
    let ids: Vec<String> = submitted
        .iter()
        .map(|(word, options)| server.job_of("apply_async", "write", &json!([path, word]), options))
        .collect();
    server.pools_turn();
    gate.open();
    for id in &ids {
        server.result(id, 10.0).value();
    }
    server.words("order")
}

#[test]
fn keys_take_turns_and_those_without_form_one() {
    let key = |key: &str| json!({"key": key});
    let submitted = [
        ("a1", key("a")),
        ("a2", key("a")),
        ("a3", key("a")),
        ("b1", key("b")),
        ("n1", json!({})),
        ("n2", json!({})),
        ("b2", key("b")),
    ];
    assert_eq!(order(&submitted), ["a1", "b1", "n1", "a2", "b2", "n2", "a3"]);
}

#[test]
fn priority_goes_before_turns() {
    let submitted = [
        ("a1", json!({"key": "a"})),
        ("a2", json!({"key": "a", "priority": 1})),
        ("a3", json!({"key": "a", "priority": 1})),
        ("b1", json!({"key": "b", "priority": -1})),
        ("b2", json!({"key": "b", "priority": 1})),
    ];
    assert_eq!(order(&submitted), ["a2", "b2", "a3", "a1", "b1"]);
}

#[test]
fn a_map_of_a_thousand_chunks_does_not_starve_another_key() {
    on_time(|| {
        let server = Verbs::start(1);
        let path = server.path("order");
        let items: Vec<Value> = (0..1_000).map(|_| json!([path, "m", 0.004])).collect();
        let options = json!({"key": "crowd", "chunksize": 1});
        let map = server.job_of("map_async", "write_each", &json!(items), &options);
        server.worker_of(&map);
        for _ in 0..5 {
            let answer = server.ask("apply", "write", &json!([path, "one"]), &json!({"key": "one"}));
            assert_eq!(answer.value(), "one");
        }
        if server.result(&map, 0.0).status == 200 {
            late("the map has ended: its tasks of 4 ms were quicker than five calls");
        }
        let words = server.words("order");
        if words.len() >= 500 {
            late(&format!("five calls of another key came after {} tasks", words.len()));
        }
        let answer = server.ask("apply", "write", &json!([path, "late"]), &json!({"key": "crowd"}));
        assert_eq!(answer.value(), "late");
        let before = server.words("order").iter().take_while(|word| *word != "late").count();
        assert!(before >= 1_000, "the same key waits for its turn: {before}");
    });
}

#[test]
fn a_backlog_of_jobs_does_not_starve_another_key() {
    let server = Verbs::start(1);
    let gates: Vec<Gate> = (0..2).map(|_| Gate::shut()).collect();
    let crowd = json!({"key": "crowd"});
    // It runs until the others are there; half of them lie before the one that waits at the second gate.
    let head = server.job_of("apply_async", "hold_echo", &json!([[gates[0].path(), 0]]), &crowd);
    server.worker_of(&head);
    let held = |i: usize| if i == 150 { gates[1].path() } else { String::new() };
    let backlog: Vec<String> =
        (0..300).map(|i| server.job_of("apply_async", "hold_echo", &json!([[held(i), 0]]), &crowd)).collect();
    let one = server.job_of("apply_async", "hold_echo", &json!([["", 0]]), &json!({"key": "one"}));
    server.pools_turn();
    gates[0].open();
    // Behind the backlog it would wait for the gate.
    server.result(&one, 10.0).value();
    server.result(&backlog[150], 0.0).problem(408, "result-timeout");
    gates[1].open();
    server.result(&backlog[299], 40.0).value();
}

#[test]
fn a_key_that_is_no_key_is_named() {
    let server = Verbs::start(1);
    for key in [json!(""), json!("x".repeat(257)), json!(1), json!(["a"])] {
        let answer = server.ask("apply", "nap_echo", &json!([[0, 0]]), &json!({"key": key}));
        assert_eq!(answer.problem(400, "invalid-request")["member"], "key");
    }
    for key in ["x".repeat(256), "ä b/c".to_owned()] {
        server.ask("apply", "nap_echo", &json!([[0, 0]]), &json!({"key": key})).value();
    }
}
