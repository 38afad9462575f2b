//! `forkpool.current_job()`.

use serde_json::json;

use super::{call, serve};

#[test]
fn a_function_knows_its_job() {
    let server = serve(&["--workers", "1"]);
    let mut body = call("job", &json!([]));
    let answer = server.post("/v1/apply", &body);
    let id = answer.header("forkpool-job").map(str::to_owned);
    let job = answer.value();
    assert_eq!(job["id"].as_str(), id.as_deref());
    assert_eq!(job, json!({"id": id, "attempt": 1, "function": "inside.job", "tags": []}));
    body["tags"] = json!(["a", "é \"quoted\"\n"]);
    let id = server.post("/v1/apply_async", &body).accepted();
    let job = server.result(&id, 10.0).value();
    assert_eq!(job, json!({"id": id, "attempt": 1, "function": "inside.job", "tags": body["tags"]}));
    // As many and as long as may be: they and the arguments are no single packet.
    body["tags"] = json!(vec!["ä".repeat(64); 32]);
    assert_eq!(server.post("/v1/apply", &body).value()["tags"], body["tags"]);
    let typed = server.post("/v1/functions/inside.job/call?tags=x,y", &json!({})).value();
    assert_eq!(typed["tags"], json!(["x", "y"]));
    assert_eq!(server.post("/v1/apply", &call("job", &json!([]))).value()["tags"], json!([]));
}

#[test]
fn items_of_a_map_know_the_maps_job() {
    let server = serve(&["--workers", "2"]);
    for items in [3_usize, 20_000] {
        let items: Vec<usize> = (0..items).collect();
        let body = json!({"function": "inside.job_of_item", "iterable": items, "tags": ["t"]});
        let answer = server.post("/v1/map", &body);
        let id = answer.header("forkpool-job").expect("it is told").to_owned();
        let values = answer.value();
        let of_all = json!({"id": id, "attempt": 1, "function": "inside.job_of_item", "tags": ["t"]});
        let wanted: Vec<_> = items.iter().map(|item| json!([item, of_all])).collect();
        assert!(values == json!(wanted), "{}", values[0]);
    }
}

#[test]
fn attempts_are_counted() {
    let server = serve(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("attempts");
    let mut body = call("third_time", &json!([path]));
    body["retries"] = json!(5);
    let id = server.post("/v1/apply_async", &body).accepted();
    assert_eq!(server.result(&id, 10.0).value(), 3);
    assert_eq!(std::fs::read_to_string(&path).expect("written"), "1\n2\n3\n");
    assert_eq!(server.job(&id)["progress"], json!({"done": 3, "total": 3, "message": "attempt 3"}));
}

#[test]
fn outside_of_a_task_there_is_none() {
    let server = serve(&[]);
    let process = server.post("/v1/processes", &json!({"target": "inside.outside"}));
    assert_eq!(process.status, 201, "{}", process.text());
    assert_eq!(server.post("/v1/apply", &call("outside", &json!([]))).value(), false);
}
