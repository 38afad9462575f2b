//! `on_error: collect`: each item its value or its error; and what a death costs under collect and imap.

use serde_json::{Value, json};

use super::exchange::{end_line, is_error, records, serve};
use crate::support::Server;

/// Items of a millisecond each, finished but not yet told when their worker died: a few milliseconds' worth.
const FEW: usize = 10;

fn collected(server: &Server, function: &str, items: &Value, chunksize: usize) -> Vec<Value> {
    let body =
        json!({"function": function, "iterable": items, "chunksize": chunksize, "on_error": "collect"});
    let answer = server.post("/v1/map", &body).value();
    answer.as_array().cloned().unwrap_or_else(|| panic!("no array: {answer}"))
}

#[test]
fn each_item_has_its_value_or_its_error_in_order() {
    let server = serve(2);
    let items = json!(["a", "raise", "b", "set", "c", "leave", "d"]);
    for chunksize in [1, 2, 3, 7, 100] {
        let got = collected(&server, "verbs.odd_one", &items, chunksize);
        assert_eq!(got.len(), 7, "chunksize {chunksize}: {got:?}");
        for (i, word) in [(0, "a"), (2, "b"), (4, "c"), (6, "d")] {
            assert_eq!(got[i], json!({"value": word}), "chunksize {chunksize}");
        }
        for (i, code) in [(1, "function-raised"), (3, "result-not-json"), (5, "function-raised")] {
            is_error(&got[i]["error"], i, code);
            assert_eq!(got[i].as_object().map(serde_json::Map::len), Some(1), "{}", got[i]);
        }
        assert_eq!(got[1]["error"]["exception"]["args"], json!(["asked to", 7]));
        assert_eq!(got[5]["error"]["exception"]["type"], "SystemExit");
    }
}

#[test]
fn starmap_and_the_async_forms_collect_too() {
    let server = serve(2);
    let items = json!([[2, 3], [1], [3, 2], "no list", [5, "x"]]);
    let body = json!({"function": "verbs.power", "iterable": items, "on_error": "collect"});
    let by_starmap = server.post("/v1/starmap", &body).value();
    let id = server.post("/v1/starmap_async", &body).accepted();
    let by_async = server.result(&id, 10.0).value();
    for got in [&by_starmap, &by_async] {
        assert_eq!((&got[0], &got[2]), (&json!({"value": 8}), &json!({"value": 9})), "{got}");
        is_error(&got[1]["error"], 1, "invalid-arguments");
        is_error(&got[3]["error"], 3, "invalid-arguments");
        is_error(&got[4]["error"], 4, "function-raised");
    }
    let job = server.job(&id);
    assert_eq!((&job["state"], &job["successful"]), (&json!("succeeded"), &json!(true)), "{job}");
    assert_eq!(job["progress"], json!({"done": 5, "total": 5}), "{job}");
    assert!(job.get("error").is_none(), "{job}");
}

#[test]
fn raise_is_the_default() {
    let server = serve(2);
    let items = json!([1, -2, 3]);
    let raise = json!({"function": "faults.fail_on", "iterable": items, "on_error": "raise"});
    assert_eq!(server.post("/v1/map", &raise).outcome("function-raised")["index"], 1);
    let body = json!({"function": "faults.square", "iterable": [1, 2], "on_error": "raise"});
    assert_eq!(server.post("/v1/map", &body).value(), json!([1, 4]));
    let body = json!({"function": "faults.square", "iterable": [], "on_error": "collect"});
    assert_eq!(server.post("/v1/map", &body).value(), json!([]));
}

#[test]
fn over_its_time_is_one_item() {
    // The others take longer than the few milliseconds for which a worker may keep what it has finished.
    let server = serve(2);
    let items: Vec<Value> = (0..9).map(|i| json!([if i == 4 { 60.0 } else { 0.02 }, i])).collect();
    for chunksize in [1, 3, 9] {
        let body = json!({"function": "verbs.nap_echo", "iterable": items, "chunksize": chunksize,
                          "on_error": "collect", "run_timeout": 3});
        let got = server.post("/v1/map", &body).value();
        is_error(&got[4]["error"], 4, "run-timeout");
        for i in (0..9).filter(|i| *i != 4) {
            assert_eq!(got[i], json!({"value": i}), "chunksize {chunksize}, item {i}");
        }
    }
}

#[test]
fn a_cancel_ends_the_whole() {
    let server = serve(1);
    let items: Vec<Value> = (0..20).map(|i| json!([0.3, i])).collect();
    let body = json!({"function": "verbs.nap_echo", "iterable": items, "on_error": "collect"});
    let id = server.post("/v1/map_async", &body).accepted();
    server.worker_of(&id);
    assert_eq!(server.cancel(&id).value()["state"], "cancelled");
    server.result(&id, 1.0).outcome("cancelled");
}

/// Numbers, of which the one at `killer` ends its worker.
fn deadly(n: i64, killer: i64) -> Value {
    json!((0..n).map(|i| if i == killer { -1 } else { i }).collect::<Vec<_>>())
}

/// Checks that everything is there but the killer and few that ran just before it, in the same chunk.
fn one_is_lost(got: &[Value], n: usize, killer: usize, chunksize: usize, few: usize) {
    assert_eq!(got.len(), n);
    let failed: Vec<usize> = (0..n).filter(|i| got[*i].get("error").is_some()).collect();
    let all = format!("killer {killer}, chunksize {chunksize}, errors at {failed:?}");
    assert_eq!(failed.last(), Some(&killer), "nothing behind it is lost: {all}");
    assert!(failed.len() <= 1 + few, "{} are lost: {all}", failed.len());
    for (i, record) in got.iter().enumerate() {
        if failed.contains(&i) {
            is_error(&record["error"], i, "worker-died");
            assert_eq!(record["error"]["exit_code"], 3, "{record}");
            assert!(i / chunksize == killer / chunksize, "another chunk's: {all}");
        } else {
            assert_eq!(record["value"], i, "{all}");
        }
    }
}

#[test]
fn a_death_in_a_collected_map_of_ten_thousand_costs_one_item() {
    let server = serve(2);
    let items = deadly(10_000, 5_000);
    let got = collected(&server, "faults.exit_on", &items, 1);
    one_is_lost(&got, 10_000, 5_000, 1, 0);
    // By the formula: 8 chunks. Each item takes a millisecond, so a few milliseconds are a few items.
    let got = collected(&server, "verbs.slow_exit_on", &items, 1_250);
    one_is_lost(&got, 10_000, 5_000, 1_250, FEW);
    let lost = got.iter().filter(|record| record.get("error").is_some()).count();
    println!("{lost} of 10,000 lost with a death in the middle");
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

#[test]
fn wherever_the_death_is_what_lies_behind_it_runs_once_elsewhere() {
    let server = serve(2);
    for killer in [0, 1, 99, 100, 101, 199] {
        for chunksize in [1, 100, 200] {
            let items = deadly(200, i64::try_from(killer).unwrap_or(0));
            let got = collected(&server, "verbs.slow_exit_on", &items, chunksize);
            one_is_lost(&got, 200, killer, chunksize, FEW);
        }
    }
}

#[test]
fn several_deaths_cost_an_item_each() {
    let server = serve(2);
    let items: Vec<i64> = (0..400).map(|i| if i % 100 == 50 { -1 } else { i }).collect();
    let got = collected(&server, "faults.exit_on", &json!(items), 1);
    let failed: Vec<usize> = (0..400).filter(|i| got[*i].get("error").is_some()).collect();
    assert_eq!(failed, [50, 150, 250, 350]);
}

#[test]
fn a_death_under_imap_costs_one_item() {
    let server = serve(2);
    for verb in ["imap", "imap_unordered"] {
        for (function, chunksize, few) in [("faults.exit_on", 1, 0), ("verbs.slow_exit_on", 500, FEW)] {
            let body = json!({"function": function, "iterable": deadly(2_000, 777), "chunksize": chunksize});
            let mut lines = records(&server.post(&format!("/v1/{verb}"), &body));
            let end = lines.pop().unwrap_or_default();
            if verb == "imap" {
                assert!(lines.is_sorted_by_key(|line| line["index"].as_u64()), "in order");
            }
            lines.sort_by_key(|line| line["index"].as_u64());
            one_is_lost(&lines, 2_000, 777, chunksize, few);
            let failed = lines.iter().filter(|line| line.get("error").is_some()).count();
            assert_eq!(end, end_line(2_000, failed), "{verb}");
        }
    }
}

#[test]
fn retries_bring_back_what_a_death_cost() {
    let server = serve(2);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("once");
    let items: Vec<Value> =
        (0..20).map(|i| json!([if i == 9 { json!(path) } else { json!("") }, i])).collect();
    let body = json!({"function": "verbs.raise_once_on", "iterable": items, "on_error": "collect",
                      "chunksize": 5, "retries": 1});
    let got = server.post("/v1/map", &body).value();
    for i in 0..20 {
        assert_eq!(got[i], json!({"value": i}), "{got}");
    }
}
