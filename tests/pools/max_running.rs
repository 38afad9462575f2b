//! `[functions."NAME"]`: `max_running` over all pools, and the defaults `run_timeout` and `retries`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Server, fixture};

fn server(tables: &str) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("targets = [{:?}]\nbuiltin = true\n{tables}", fixture("verbs.py"));
    let file = folder.path().join("forkpool.toml");
    fs::write(&file, text).expect("written");
    (Server::bare(&["--config", &file.display().to_string(), "--workers", "4"]), folder)
}

fn submit(server: &Server, function: &str, args: &Value, pool: &str) -> String {
    let body = json!({"function": format!("verbs.{function}"), "args": args, "pool": pool});
    server.post("/v1/apply_async", &body).accepted()
}

/// The largest number of spans that hold one moment.
fn most_at_once(spans: &[Value]) -> usize {
    let time = |span: &Value, end: usize| span[end].as_f64().expect("a moment");
    let at = |moment: f64| spans.iter().filter(|s| time(s, 0) <= moment && moment < time(s, 1)).count();
    spans.iter().map(|span| at(time(span, 0))).max().unwrap_or(0)
}

fn spans_of(server: &Server, ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| server.get(&format!("/v1/jobs/{id}/result?timeout=30")).value()).collect()
}

#[test]
fn at_most_so_many_run_at_once_over_all_pools() {
    let (server, _folder) =
        server("[pools.other]\nruntime = \"python\"\n[functions.\"verbs.span\"]\nmax_running = 2\n");
    let ids: Vec<String> = (0..24)
        .map(|n| submit(&server, "span", &json!([0.05]), if n % 2 == 0 { "python" } else { "other" }))
        .collect();
    let map = json!({"function": "verbs.span", "iterable": vec![0.05; 8], "chunksize": 1});
    let mut spans = server.post("/v1/map", &map).value().as_array().expect("an array").clone();
    spans.extend(spans_of(&server, &ids));
    assert_eq!(spans.len(), 32);
    assert_eq!(most_at_once(&spans), 2, "two at once, and never more: {spans:?}");
}

#[test]
fn one_at_a_time_never_overlap_however_quick() {
    let (server, _folder) = server("[functions.\"verbs.span\"]\nmax_running = 1\n");
    let map = json!({"function": "verbs.span", "iterable": vec![0; 2_000], "chunksize": 1});
    let spans = server.post("/v1/map", &map).value().as_array().expect("an array").clone();
    assert_eq!((spans.len(), most_at_once(&spans)), (2_000, 1));
}

#[test]
fn what_waits_for_its_share_blocks_no_other_function() {
    let (server, _folder) = server("[functions.\"verbs.span\"]\nmax_running = 1\n");
    let ids: Vec<String> = (0..12).map(|_| submit(&server, "span", &json!([0.5]), "python")).collect();
    for n in 0..50 {
        let body = json!({"function": "verbs.nap_echo", "args": [[0, n]]});
        assert_eq!(server.post("/v1/apply", &body).value(), n);
    }
    // Had they waited for a share, all of those would have ended.
    server.get(&format!("/v1/jobs/{}/result?timeout=0", ids[11])).problem(408, "result-timeout");
    assert_eq!(most_at_once(&spans_of(&server, &ids)), 1);
}

#[test]
fn a_share_comes_back_from_cancels_deaths_and_errors() {
    let (server, _folder) = server(
        "[functions.\"verbs.span\"]\nmax_running = 1\n[functions.\"verbs.exit_until\"]\nmax_running = 1\n\
         retries = 2\n",
    );
    let ids: Vec<String> = (0..8).map(|_| submit(&server, "span", &json!([30]), "python")).collect();
    server.worker_of(&ids[0]);
    for id in &ids {
        server.post_empty(&format!("/v1/jobs/{id}/cancel")).value();
    }
    let id = submit(&server, "span", &json!(["x"]), "python");
    server.get(&format!("/v1/jobs/{id}/result?timeout=10")).problem(422, "function-raised");
    let id = submit(&server, "span", &json!([0]), "python");
    server.get(&format!("/v1/jobs/{id}/result?timeout=10")).value();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("count").display().to_string();
    let body = json!({"function": "verbs.exit_until", "args": [path, 3]});
    assert_eq!(server.post("/v1/apply", &body).value(), 3, "two deaths, and the third run");
}

#[test]
fn the_configurations_run_timeout_and_retries_hold_unless_a_request_says() {
    let (server, folder) = server(
        "[functions.\"verbs.nap_echo\"]\nrun_timeout = 0.3\n[functions.\"verbs.raise_until\"]\nretries = 2\n",
    );
    let nap = |more: Value| {
        let mut body = json!({"function": "verbs.nap_echo", "args": [[0.6, 1]]});
        more.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        server.post("/v1/apply", &body)
    };
    nap(json!({})).problem(422, "run-timeout");
    nap(json!({"run_timeout": 60})).value();
    let raise = |name: &str, more: Value| {
        let path = folder.path().join(name).display().to_string();
        let mut body = json!({"function": "verbs.raise_until", "args": [path, 3]});
        more.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        server.post("/v1/apply", &body)
    };
    assert_eq!(raise("a", json!({})).value(), 3);
    raise("b", json!({"retries": 0})).problem(422, "function-raised");
}
