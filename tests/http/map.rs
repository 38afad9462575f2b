//! `POST /v1/map` and `POST /v1/map_async`.

use serde_json::{Value, json};

use crate::support::Server;

fn squares(n: u64) -> (Value, Value) {
    (json!((0..n).collect::<Vec<_>>()), json!((0..n).map(|x| x * x).collect::<Vec<_>>()))
}

#[test]
fn map_answers_in_order() {
    let server = Server::start(&[]);
    assert_eq!(server.map("square", &json!([1, 2, 3])).value(), json!([1, 4, 9]));
    let (items, wanted) = squares(5_000);
    let answer = server.map("square", &items);
    assert_eq!(answer.value(), wanted);
    assert!(answer.header("forkpool-job").is_some());
}

#[test]
fn map_keeps_order_when_items_take_different_times() {
    let server = Server::start(&["--workers", "4"]);
    let naps = json!([0.05, 0.0, 0.03, 0.0, 0.01, 0.0, 0.02, 0.0]);
    let body = json!({"function": "faults.nap", "iterable": naps, "chunksize": 1});
    assert_eq!(server.post("/v1/map", &body).value(), naps);
}

#[test]
fn map_of_nothing_is_an_empty_list() {
    let server = Server::start(&[]);
    let answer = server.map("square", &json!([]));
    assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    let job = server.post("/v1/map_async", &json!({"function": "faults.square", "iterable": []})).accepted();
    assert_eq!(server.result(&job, 5.0).value(), json!([]));
    assert_eq!(server.job(&job)["state"], "succeeded");
}

#[test]
fn any_chunksize_gives_the_same_answer() {
    let server = Server::start(&[]);
    let (items, wanted) = squares(100);
    for chunksize in [1, 3, 7, 99, 100, 101, 1_000_000] {
        let body = json!({"function": "faults.square", "iterable": items, "chunksize": chunksize});
        assert_eq!(server.post("/v1/map", &body).value(), wanted, "chunksize {chunksize}");
    }
}

/// A worker gets 4,096 items of a chunk at a time; neither values nor indexes show it.
#[test]
fn chunks_of_many_thousands_are_one_all_the_same() {
    let server = Server::start(&["--builtin"]);
    let (items, wanted) = squares(20_000);
    for function in ["faults.square", "builtin.square"] {
        let body = |items: &Value| json!({"function": function, "iterable": items, "chunksize": 10_000});
        assert_eq!(server.post("/v1/map", &body(&items)).value(), wanted, "{function}");
        for index in [4_095, 4_096, 9_999, 10_000, 19_999] {
            let mut with_a_word = items.clone();
            with_a_word[index] = json!("no number");
            let answer = server.post("/v1/map", &body(&with_a_word));
            let code = if function == "builtin.square" { "invalid-arguments" } else { "function-raised" };
            assert_eq!(answer.outcome(code)["index"], index, "{function}");
        }
    }
    let pairs = json!((0..10_000).map(|i| json!([i, 1])).collect::<Vec<_>>());
    let body = json!({"function": "faults.add", "iterable": pairs, "chunksize": 10_000});
    let sums = json!((1..=10_000).collect::<Vec<_>>());
    assert_eq!(server.post("/v1/starmap", &body).value(), sums);
    let words = json!(vec!["]\u{1e}[, \\\""; 10_000]);
    for function in ["faults.echo", "builtin.echo"] {
        let body = json!({"function": function, "iterable": words, "chunksize": 10_000});
        assert_eq!(server.post("/v1/map", &body).value(), words, "{function}");
    }
}

#[test]
fn wrong_chunksizes_are_named() {
    let server = Server::start(&[]);
    for chunksize in [json!(0), json!(-1), json!(1.5), json!("x"), json!([1]), json!(true)] {
        let body = json!({"function": "faults.square", "iterable": [1, 2], "chunksize": chunksize});
        for path in ["/v1/map", "/v1/map_async"] {
            let problem = server.post(path, &body).problem(400, "invalid-request");
            assert_eq!(problem["member"], "chunksize", "{chunksize}: {problem}");
        }
    }
}

#[test]
fn the_iterable_must_be_an_array() {
    let server = Server::start(&[]);
    for iterable in [json!(3), json!("abc"), json!({"a": 1}), json!(true)] {
        let problem = server.map("square", &iterable).problem(400, "invalid-request");
        assert_eq!(problem["member"], "iterable", "{iterable}: {problem}");
    }
    let problem =
        server.post("/v1/map", &json!({"function": "faults.square"})).problem(400, "invalid-request");
    assert_eq!(problem["member"], "iterable", "{problem}");
}

#[test]
fn the_members_of_apply_are_not_those_of_map() {
    let server = Server::start(&[]);
    let body = json!({"function": "faults.square", "iterable": [1], "args": [1]});
    assert_eq!(server.post("/v1/map", &body).problem(400, "invalid-request")["member"], "args");
    let body = json!({"function": "faults.square", "args": [1], "chunksize": 1});
    assert_eq!(server.post("/v1/apply", &body).problem(400, "invalid-request")["member"], "chunksize");
}

#[test]
fn an_error_in_a_map_tells_the_index() {
    let server = Server::start(&[]);
    let mut items: Vec<i64> = (0..1_000).collect();
    items[737] = -5;
    for chunksize in [1, 10, 1_000] {
        let body = json!({"function": "faults.fail_on", "iterable": items, "chunksize": chunksize});
        let problem = server.post("/v1/map", &body).outcome("function-raised");
        assert_eq!(problem["index"], 737, "chunksize {chunksize}: {problem}");
        assert_eq!(problem["exception"]["type"], "ValueError");
        assert_eq!(problem["exception"]["args"], json!(["negative", -5]));
    }
    assert_eq!(server.map("fail_on", &json!([1, 2])).value(), json!([1, 2]));
}

#[test]
fn a_death_in_a_map_is_its_outcome() {
    let server = Server::start(&[]);
    let mut items: Vec<i64> = (0..50).collect();
    items[20] = -1;
    let body = json!({"function": "faults.exit_on", "iterable": items, "chunksize": 1});
    let problem = server.post("/v1/map", &body).outcome("worker-died");
    assert_eq!((&problem["index"], &problem["exit_code"]), (&json!(20), &json!(3)), "{problem}");
    assert_eq!(server.map("exit_on", &json!([1, 2, 3])).value(), json!([1, 2, 3]));
}

#[test]
fn a_value_that_json_cannot_say_tells_the_index() {
    let server = Server::start(&[]);
    for chunksize in [1, 2, 10] {
        let body = json!({"function": "faults.set_on", "iterable": [1, 2, 3, -1, 4], "chunksize": chunksize});
        let problem = server.post("/v1/map", &body).outcome("result-not-json");
        assert_eq!(problem["index"], 3, "chunksize {chunksize}: {problem}");
    }
}

#[test]
fn map_async_tells_progress_and_chunksize() {
    let server = Server::start(&[]);
    let (items, wanted) = squares(64);
    let id =
        server.post("/v1/map_async", &json!({"function": "faults.square", "iterable": items})).accepted();
    assert_eq!(server.result(&id, 10.0).value(), wanted);
    let job = server.job(&id);
    assert_eq!(job["progress"], json!({"done": 64, "total": 64}), "{job}");
    // The library's formula: 64 items over 2 workers x 4.
    assert_eq!(job["chunksize"], 8, "{job}");
    assert!(job["kind"].as_str().is_some_and(|kind| kind.starts_with("map")), "{job}");
}

#[test]
fn the_chunksize_follows_the_librarys_formula() {
    let server = Server::start(&["--workers", "2"]);
    for (n, wanted) in [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (1_000, 125)] {
        let (items, _) = squares(n);
        let id =
            server.post("/v1/map_async", &json!({"function": "faults.square", "iterable": items})).accepted();
        assert_eq!(server.job(&id)["chunksize"], wanted, "{n} items over 2 workers");
    }
}

#[test]
fn map_is_done_by_several_workers() {
    let server = Server::start(&["--workers", "3"]);
    let meeting = tempfile::tempdir().expect("a folder can be made");
    let items = vec![json!([meeting.path(), 3]); 3];
    let body = json!({"function": "faults.meet", "iterable": items, "chunksize": 1, "run_timeout": 20});
    let answer = server.post("/v1/map", &body);
    let pids = answer.value();
    let mut pids: Vec<_> = pids.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3, "three that meet are three workers' work: {}", answer.text());
}
