//! Rules 1 to 3, 5 and 13: sizes, chunks, waiting, cancelling.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::exchange::{records, serve};
use crate::support::{Gate, Program, Server, on_time, proc, promised, wait_until};

/// A folder for traces.
fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

fn words(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn numbers(n: usize) -> Value {
    json!((0..n).collect::<Vec<_>>())
}

#[test]
fn rule_01_a_pool_has_the_size_asked_for_at_least_one() {
    for workers in [1, 2, 5] {
        let server = Server::start(&["--workers", &workers.to_string()]);
        assert_eq!(server.workers().len(), workers);
        assert_eq!(server.get("/v1/pools/python").value()["processes"], workers);
    }
    for wrong in ["--workers=0", "--workers=-1", "--workers=x", "--workers=1.5", "--workers="] {
        let faults = crate::support::fixture("faults.py");
        let arguments = ["serve", &faults, "--bind", "127.0.0.1:0", wrong];
        let ended = Program::run(&arguments, Duration::from_secs(10), |_| {});
        assert!(!ended.status.success(), "{wrong}: {}", ended.out);
        assert!(ended.errors.contains("workers"), "{wrong}: {}", ended.errors);
    }
}

#[test]
fn rule_01_by_default_as_many_as_this_process_may_use_processors() {
    let faults = crate::support::fixture("faults.py");
    let mut server = Program::start(&["serve", &faults, "--bind", "127.0.0.1:0"], |_| {});
    let line = server.line();
    let base = line.rsplit(' ').next().unwrap_or_default();
    let client = crate::support::Client::new(base, false);
    // Affinity and the cgroup's quota both count.
    let wanted = thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(client.workers().len(), wanted);
    server.stops_well();
}

#[test]
fn rule_02_chunksize_is_by_the_librarys_formula() {
    // q, r = divmod(len, workers * 4); q + (r > 0)
    let table = [
        (2, 1, 1),
        (2, 7, 1),
        (2, 8, 1),
        (2, 9, 2),
        (2, 16, 2),
        (2, 17, 3),
        (2, 1_000, 125),
        (2, 1_001, 126),
        (3, 11, 1),
        (3, 12, 1),
        (3, 13, 2),
        (3, 100, 9),
        (1, 4, 1),
        (1, 5, 2),
        (1, 10_000, 2_500),
    ];
    for workers in [1, 2, 3] {
        let server = serve(workers);
        for (_, n, wanted) in table.iter().filter(|(of, _, _)| *of == workers) {
            let pairs: Vec<Value> = (0..*n).map(|i| json!([i, 2])).collect();
            for (verb, function, items) in
                [("map_async", "faults.square", numbers(*n)), ("starmap_async", "verbs.power", json!(pairs))]
            {
                let body = json!({"function": function, "iterable": items});
                let id = server.post(&format!("/v1/{verb}"), &body).accepted();
                let squares: Vec<usize> = (0..*n).map(|i| i * i).collect();
                assert_eq!(server.result(&id, 10.0).value(), json!(squares));
                assert_eq!(server.job(&id)["chunksize"], *wanted, "{verb}: {n} items, {workers} workers");
            }
        }
    }
}

#[test]
fn rule_02_of_nothing_the_result_is_ready_at_once() {
    on_time(|| {
        let server = serve(1);
        let busy = server.submit("nap", &json!([60]));
        server.worker_of(&busy);
        let start = Instant::now();
        for verb in ["map", "starmap"] {
            let body = json!({"function": "faults.square", "iterable": []});
            assert_eq!(server.post(&format!("/v1/{verb}"), &body).value(), json!([]));
            let id = server.post(&format!("/v1/{verb}_async"), &body).accepted();
            assert_eq!(server.result(&id, 0.5).value(), json!([]));
            let job = server.job(&id);
            assert_eq!((&job["state"], &job["chunksize"]), (&json!("succeeded"), &json!(0)), "{job}");
            assert_eq!(job["progress"], json!({"done": 0, "total": 0}), "{job}");
        }
        for verb in ["imap", "imap_unordered"] {
            let body = json!({"function": "faults.square", "iterable": []});
            let answer = server.post(&format!("/v1/{verb}"), &body);
            assert_eq!(answer.text(), "{\"end\":true,\"done\":0,\"failed\":0}\n");
        }
        promised(start.elapsed(), Duration::from_secs(2), "what needs no worker");
        server.cancel(&busy).value();
    });
}

#[test]
fn rule_02_a_chunksize_is_one_at_least() {
    let server = serve(1);
    for verb in ["map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered"] {
        for wrong in [json!(0), json!(-1), json!(0.5), json!("1")] {
            let body = json!({"function": "faults.square", "iterable": [1], "chunksize": wrong});
            let problem = server.post(&format!("/v1/{verb}"), &body).problem(400, "invalid-request");
            assert_eq!(problem["member"], "chunksize", "{verb}: {problem}");
        }
    }
}

#[test]
fn rule_02_starmap_spreads_each_item() {
    let server = serve(2);
    let ask =
        |items: Value| server.post("/v1/starmap", &json!({"function": "verbs.power", "iterable": items}));
    assert_eq!(ask(json!([[2, 3], [3, 2], [5, 0]])).value(), json!([8, 9, 1]));
    let table = [
        (json!([{"a": 1}]), 0, "$"),
        (json!([[2, 3], [1, 2, 3]]), 1, "$"),
        (json!([[2]]), 0, "$"),
        (json!([[]]), 0, "$"),
    ];
    for (items, index, path) in table {
        let problem = ask(items.clone()).outcome("invalid-arguments");
        assert_eq!(problem["index"], index, "{items}: {problem}");
        let told = problem["path"].as_str().unwrap_or_default();
        assert!(told.starts_with(path), "{items}: {problem}");
    }
    // What Python can't spread, or can and the function can't use, is the function's error.
    for (items, index) in [(json!([[2, 3], 7]), 1), (json!([[2, 3], [2, 3], "ab"]), 2)] {
        let problem = ask(items.clone()).outcome("function-raised");
        let raised = &problem["exception"];
        assert_eq!((&problem["index"], &raised["type"]), (&json!(index), &json!("TypeError")), "{items}");
        assert!(raised["traceback"].is_string(), "{items}: {problem}");
    }
    // A map doesn't spread: a list is one argument.
    let body = json!({"function": "faults.echo", "iterable": [[1, 2], [3]]});
    assert_eq!(server.post("/v1/map", &body).value(), json!([[1, 2], [3]]));
}

#[test]
fn rule_03_the_first_failing_chunk_to_arrive_is_told() {
    let server = serve(2);
    let folder = folder();
    let path = folder.path().join("trace").to_string_lossy().into_owned();
    // The first item fails late, the second early.
    let gate = Gate::shut();
    let items = json!([[path, "-late", gate.path()], [path, "-early", ""], [path, "a", ""], [path, "b", ""]]);
    let body = json!({"function": "verbs.write_each_at", "iterable": items, "chunksize": 1});
    let id = server.post("/v1/map_async", &body).accepted();
    wait_until(Duration::from_secs(10), "the good ones, which lie behind the early one, are done", || {
        server.job(&id)["progress"]["done"] == 2
    });
    assert_eq!(server.job(&id)["ready"], false, "not told before all have run");
    gate.open();
    let problem = server.result(&id, 10.0).outcome("function-raised");
    assert_eq!((&problem["index"], &problem["exception"]["message"]), (&json!(1), &json!("-early")));
    let mut ran = words(&path);
    ran.sort_unstable();
    assert_eq!(ran, ["-early", "-late", "a", "b"], "all chunks have run when it is told");
}

#[test]
fn rule_03_of_the_failing_chunk_the_rest_is_not_run_and_all_others_are() {
    let server = serve(2);
    let folder = folder();
    let path = folder.path().join("trace").to_string_lossy().into_owned();
    let items: Vec<Value> = ["a1", "-a2", "a3", "b1", "b2", "b3", "c1", "c2"]
        .iter()
        .map(|word| json!([path, word, if word.starts_with('c') { 0.4 } else { 0.0 }]))
        .collect();
    let body = json!({"function": "verbs.write_each", "iterable": items, "chunksize": 3});
    let id = server.post("/v1/map_async", &body).accepted();
    let problem = server.result(&id, 10.0).outcome("function-raised");
    assert_eq!(problem["index"], 1, "{problem}");
    let mut ran = words(&path);
    ran.sort_unstable();
    assert_eq!(ran, ["-a2", "a1", "b1", "b2", "b3", "c1", "c2"]);
    let job = server.job(&id);
    assert_eq!((&job["state"], &job["error"]["index"]), (&json!("failed"), &json!(1)), "{job}");
}

#[test]
fn rule_05_get_may_be_repeated_before_and_after() {
    let server = serve(1);
    let gate = Gate::shut();
    let id = server.submit("hold", &json!([gate.path()]));
    let job = server.job(&id);
    assert_eq!((&job["ready"], job.get("successful")), (&json!(false), None), "{job}");
    for timeout in [0.0, 0.1, 0.2] {
        let early = server.result(&id, timeout);
        assert_eq!(early.problem(408, "result-timeout")["title"], "TimeoutError");
        assert!(early.took >= Duration::from_secs_f64(timeout), "{:?}", early.took);
        let waited = server.get(&format!("/v1/jobs/{id}?wait={timeout}")).value();
        assert_eq!(waited["ready"], false, "a wait never raises");
    }
    gate.open();
    assert_eq!(server.result(&id, 10.0).value(), gate.path(), "the task went on");
    for _ in 0..3 {
        assert_eq!(server.result(&id, 0.0).value(), gate.path());
    }
    let job = server.get(&format!("/v1/jobs/{id}?wait=10")).value();
    assert_eq!((&job["ready"], &job["successful"]), (&json!(true), &json!(true)), "{job}");
    let failed = server.submit("fail", &json!(["no"]));
    for _ in 0..3 {
        server.result(&failed, 5.0).outcome("function-raised");
    }
    let job = server.get(&format!("/v1/jobs/{failed}?wait=5")).value();
    assert_eq!((&job["ready"], &job["successful"]), (&json!(true), &json!(false)), "{job}");
}

#[test]
fn rule_13_cancel_ends_what_runs_and_leaves_what_has_ended() {
    let server = serve(1);
    let ended = server.submit("square", &json!([3]));
    server.result(&ended, 5.0).value();
    let before = server.job(&ended);
    assert_eq!(server.cancel(&ended).value(), before, "finished work is unchanged");
    assert_eq!(server.result(&ended, 0.0).value(), 9);
    let running = server.submit("nap", &json!([60]));
    let worker = server.worker_of(&running).pid;
    let queued = server.submit("nap", &json!([60]));
    for id in [&queued, &running] {
        assert_eq!(server.cancel(id).value()["state"], "cancelled");
        server.result(id, 1.0).outcome("cancelled");
        assert_eq!(server.cancel(id).value()["state"], "cancelled", "once more is the same");
    }
    assert_eq!(server.apply("square", &json!([4])).value(), 16);
    wait_until(Duration::from_secs(10), "its worker is gone", || proc::is_gone(worker));
}

#[test]
fn rule_13_a_death_fails_its_own_task_alone() {
    let server = serve(2);
    let dying: Vec<String> = (0..4).map(|_| server.submit("exit_now", &json!([3]))).collect();
    let pending: Vec<String> = (0..40).map(|i| server.submit("square", &json!([i]))).collect();
    for id in &dying {
        assert_eq!(server.result(id, 10.0).outcome("worker-died")["exit_code"], 3);
    }
    for (i, id) in pending.iter().enumerate() {
        assert_eq!(server.result(id, 10.0).value(), i * i);
    }
    let body = json!({"function": "faults.square", "iterable": [1, 2]});
    assert_eq!(records(&server.post("/v1/imap", &body)).len(), 3, "it takes work as before");
}

#[test]
fn rule_13_no_work_is_taken_after_the_shutdown_began() {
    let mut server = serve(1);
    let gate = Gate::shut();
    let running = server.submit("hold", &json!([gate.path()]));
    server.worker_of(&running);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let mut seen = 0;
    while seen == 0 {
        let answer = server.try_send(
            "POST",
            "/v1/apply",
            &[("content-type", "application/json")],
            Some(br#"{"function":"faults.square","args":[2]}"#),
        );
        match answer {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => {
                answer.problem(503, "draining");
                seen += 1;
            }
            Err(_) => break,
        }
    }
    assert_eq!(seen, 1, "it says so while what runs goes on");
    gate.open();
    assert!(server.ended(Duration::from_secs(10)).success());
}
