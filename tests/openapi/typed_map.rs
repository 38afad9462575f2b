//! Typed maps: a call for each item, its arguments by name, with the types that the function says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Server, fixture, wait_until};

fn serve() -> Server {
    let tasks = fixture("contract/tasks.py");
    let command = ["--command", "head=head -n {0}", "--command", "show=printf %s {name}"];
    Server::bare(
        &[&[&*tasks, "--builtin", "--function", "math.hypot", "--workers", "2"], &command[..]].concat(),
    )
}

fn map(server: &Server, name: &str, query: &str, items: &Value) -> Answer {
    server.post(&format!("/v1/functions/{name}/map{query}"), &json!({"iterable": items}))
}

#[test]
fn each_item_is_a_call_by_name() {
    let server = serve();
    for (name, items, values) in [
        ("tasks.square", json!([{"x": 3}, {"x": "4"}, {"x": 5.0}]), json!([9, 16, 25])),
        ("tasks.square", json!([]), json!([])),
        ("tasks.untyped", json!([{"b": 2, "a": 1}, {"a": [1]}]), json!([[1, 2], [[1], 1]])),
        ("tasks.either", json!([{"value": 1, "more": [2, 3], "x": 1.5}]), json!([[1, [2, 3], {"x": 1.5}]])),
        ("builtin.square", json!([{"x": 12}, {"x": 2}]), json!([144, 4])),
        ("math.hypot", json!([{"args": [3, 4]}]), json!([5.0])),
        (
            "head",
            json!([{"arg0": 1, "stdin": "a\nb\n"}, {"arg0": 2, "stdin": "a\nb\nc"}]),
            json!(["a", "a\nb"]),
        ),
        ("show", json!([{"name": "n"}]), json!(["n"])),
    ] {
        for query in ["", "?chunksize=1", "?chunksize=1000"] {
            assert_eq!(map(&server, name, query, &items).value(), values, "{name}{query}");
            let body = json!({"iterable": items});
            let id = server.post(&format!("/v1/functions/{name}/map_async{query}"), &body).accepted();
            assert_eq!(server.result(&id, 10.0).value(), values, "{name}{query}");
            assert_eq!(server.job(&id)["kind"], "map");
        }
        let collected: Vec<Value> =
            values.as_array().expect("values").iter().map(|value| json!({"value": value})).collect();
        assert_eq!(map(&server, name, "?on_error=collect", &items).value(), json!(collected), "{name}");
    }
}

#[test]
fn an_item_that_does_not_fit_is_told_with_its_index_and_path() {
    let server = serve();
    let size = json!({"width": 1, "height": 2});
    for (name, good, wrong, path) in [
        ("tasks.square", json!({"x": 1}), json!({"x": "three"}), "$.x"),
        ("tasks.square", json!({"x": 1}), json!({}), "$.x"),
        ("tasks.square", json!({"x": 1}), json!({"x": 1, "y": 2}), "$.y"),
        ("tasks.square", json!({"x": 1}), json!([1]), "$"),
        (
            "tasks.thumbnail",
            json!({"image": "a", "size": size}),
            json!({"image": "a", "size": {"width": 1}}),
            "$.size.height",
        ),
        ("tasks.either", json!({"value": 1}), json!({"value": 1, "more": [1, "x"]}), "$.more[1]"),
        ("tasks.either", json!({"value": 1}), json!({"more": [1]}), "$.value"),
        ("builtin.square", json!({"x": 1}), json!({"x": "a"}), "$.x"),
        ("builtin.square", json!({"x": 1}), json!(7), "$"),
        ("head", json!({"arg0": 1, "stdin": ""}), json!({"stdin": ""}), "$.arg0"),
        ("show", json!({"name": "a"}), json!({}), "$.name"),
    ] {
        let items = json!([good, wrong]);
        let problem = map(&server, name, "?chunksize=2", &items).outcome("invalid-arguments");
        assert_eq!((&problem["index"], &problem["path"]), (&json!(1), &json!(path)), "{name}: {problem}");
        let collected = map(&server, name, "?on_error=collect", &items).value();
        assert!(collected[0].get("value").is_some(), "{name}: {collected}");
        let error = &collected[1]["error"];
        assert_eq!(
            (&error["code"], &error["path"]),
            (&json!("invalid-arguments"), &json!(path)),
            "{name}: {collected}"
        );
        let id =
            server.post(&format!("/v1/functions/{name}/map_async"), &json!({"iterable": items})).accepted();
        assert_eq!(server.result(&id, 10.0).outcome("invalid-arguments")["index"], 1, "{name}");
    }
    let raised = map(&server, "tasks.fail", "", &json!([{"message": "no"}])).outcome("function-raised");
    assert_eq!((&raised["index"], &raised["exception"]["args"]), (&json!(0), &json!(["no"])));
}

#[test]
fn options_stand_in_the_query_and_items_alone_in_the_body() {
    let server = serve();
    let path = "/v1/functions/tasks.nap/map_async?run_timeout=0.2&tags=a,b&chunksize=1&retries=0";
    let id = server.post(path, &json!({"iterable": [{"seconds": 5}]})).accepted();
    let job = server.job(&id);
    assert_eq!((&job["tags"], &job["chunksize"]), (&json!(["a", "b"]), &json!(1)), "{job}");
    server.result(&id, 10.0).outcome("run-timeout");
    let path = "/v1/functions/tasks.square/map";
    for (query, body, member) in [
        ("?chunksize=0", json!({"iterable": []}), "chunksize"),
        ("?on_error=ignore", json!({"iterable": []}), "on_error"),
        ("?convert=false", json!({"iterable": []}), "convert"),
        ("?priority=101", json!({"iterable": []}), "priority"),
        ("", json!({"iterable": [], "chunksize": 1}), "chunksize"),
        ("", json!({"iterable": {"x": 1}}), "iterable"),
        ("", json!({}), "iterable"),
        ("", json!([{"x": 1}]), "body"),
    ] {
        let problem = server.post(&format!("{path}{query}"), &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{query} {body}: {problem}");
    }
    server.post_text(path, "{").problem(400, "invalid-json");
    server.post_empty(path).problem_of(400);
    map(&server, "tasks.sqare", "", &json!([])).problem(404, "unknown-function");
    map(&server, "tasks.square", "?pool=native", &json!([])).problem(400, "wrong-pool");
}

#[test]
fn a_repetition_under_its_key_is_answered_and_not_run() {
    let server = serve();
    let send = |path: &str, key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        server.send("POST", path, &headers, Some(body.as_bytes()))
    };
    for (path, key, body) in [
        ("/v1/functions/builtin.getpid/map", "one", r#"{"iterable":[{},{}]}"#),
        ("/v1/functions/tasks.square/map_async", "other", r#"{"iterable":[{"x":2}]}"#),
    ] {
        let (first, again) = (send(path, key, body), send(path, key, body));
        assert!(first.status < 300, "{path}: {}", first.text());
        assert_eq!(again.header("forkpool-job"), first.header("forkpool-job"), "{path}");
        send(path, key, r#"{"iterable":[]}"#).problem(422, "idempotency-mismatch");
    }
}

/// Nobody waits while many items are taken, laid out and answered.
#[test]
fn a_large_map_holds_up_nobody() {
    let server = serve();
    let items: Vec<Value> = (0..200_000).map(|x| json!({"x": x})).collect();
    let id = server.post("/v1/functions/tasks.square/map_async", &json!({"iterable": items})).accepted();
    let mut progress = Vec::new();
    wait_until(Duration::from_secs(60), "the map is done", || {
        progress.push(server.job(&id)["progress"]["done"].as_u64().unwrap_or(0));
        server.job(&id)["state"] == "succeeded"
    });
    assert!(progress.is_sorted(), "{progress:?}");
    let values = server.result(&id, 10.0).value();
    let values = values.as_array().expect("an array");
    assert_eq!((values.len(), &values[199_999]), (200_000, &json!(199_999_u64 * 199_999)));
}

#[test]
fn the_document_has_a_map_for_each_function() {
    let server = serve();
    let document = server.get("/openapi.json").value();
    let operation = |path: &str| &document["paths"][path]["post"];
    for (path, id) in [
        ("/v1/functions/{name}/map", "mapFunction"),
        ("/v1/functions/{name}/map_async", "mapFunctionAsync"),
        ("/v1/functions/tasks.square/map", "tasks_square_map"),
        ("/v1/functions/tasks.square/map_async", "tasks_square_map_async"),
    ] {
        assert_eq!(operation(path)["operationId"], id, "{path}");
    }
    let map = operation("/v1/functions/tasks.thumbnail/map");
    let body = &map["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], json!(["iterable"]));
    let item = &body["properties"]["iterable"]["items"]["$ref"];
    let call = operation("/v1/functions/tasks.thumbnail/call");
    assert_eq!(*item, call["requestBody"]["content"]["application/json"]["schema"]["$ref"], "as for a call");
    let item = item.as_str().and_then(|place| document.pointer(place.trim_start_matches('#')));
    let size = item.map(|item| &item["properties"]["size"]["$ref"]);
    assert_eq!(size, Some(&json!("#/components/schemas/tasks_Size")));
    let value = &map["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(
        (&value["type"], &value["items"]["$ref"]),
        (&json!("array"), &json!("#/components/schemas/tasks_Thumbnail"))
    );
}
