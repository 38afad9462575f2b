//! Functions that say their types: in the document, in `GET /v1/functions/{name}`, and on typed calls.

use serde_json::{Value, json};

use crate::support::{Answer, Program, Server, fixture, proc};

fn serve() -> Server {
    Server::bare(&[
        &fixture("contract/tasks.py"),
        "--builtin",
        "--command",
        "head=head -n {0}",
        "--function",
        "os.getpid",
    ])
}

fn call(server: &Server, name: &str, arguments: &Value) -> Answer {
    server.post(&format!("/v1/functions/{name}/call"), arguments)
}

#[test]
fn a_call_by_name_answers_the_value() {
    let server = serve();
    for (name, arguments, value) in [
        ("tasks.square", json!({"x": 3}), json!(9)),
        ("tasks.untyped", json!({"a": [1]}), json!([[1], 1])),
        ("tasks.untyped", json!({"b": 2, "a": 1}), json!([1, 2])),
        ("tasks.either", json!({"value": 1, "more": [2, 3], "x": 1.5}), json!([1, [2, 3], {"x": 1.5}])),
        ("tasks.either", json!({"value": null}), json!([null, [], {}])),
        ("builtin.square", json!({"x": 12}), json!(144)),
        ("head", json!({"arg0": 1, "stdin": "a\nb\n"}), json!("a")),
    ] {
        assert_eq!(call(&server, name, &arguments).value(), value, "{name} {arguments}");
    }
    assert!(server.post_empty("/v1/functions/os.getpid/call").value().is_u64(), "no body, no arguments");
    let id = server.post("/v1/functions/tasks.square/call_async?tags=a,b", &json!({"x": 4})).accepted();
    assert_eq!(server.result(&id, 10.0).value(), 16);
    assert_eq!(server.job(&id)["tags"], json!(["a", "b"]));
}

#[test]
fn a_worker_gets_what_the_annotations_say() {
    let server = serve();
    let arguments =
        json!({"image": "cat", "size": {"width": 3, "height": 4}, "fit": "contain", "on": "2026-02-03"});
    let size = json!({"width": 3, "height": 4});
    let value = json!({"name": "cat.png", "size": size, "fit": "contain", "made_on": "2026-02-03"});
    assert_eq!(call(&server, "tasks.thumbnail", &arguments).value(), value);
    let body = json!({"function": "tasks.thumbnail", "kwargs": arguments});
    assert_eq!(
        server.post("/v1/apply", &body).value(),
        value,
        "what JSON has no form for is made by apply too"
    );
    let body = json!({"function": "tasks.thumbnail", "kwargs": arguments, "convert": false});
    assert!(server.post("/v1/apply", &body).says("AssertionError"), "there it stays opaque");
}

#[test]
fn arguments_that_do_not_fit_are_told_with_their_path() {
    let server = serve();
    let size = json!({"width": 1, "height": 2});
    for (name, arguments, path) in [
        ("tasks.square", json!({"x": "three"}), "$.x"),
        ("tasks.square", json!({"x": 3.5}), "$.x"),
        ("tasks.square", json!({}), "$.x"),
        ("tasks.square", json!({"x": 1, "y": 2}), "$.y"),
        ("tasks.count", json!({"words": ["a", 1]}), "$.words[1]"),
        ("tasks.thumbnail", json!({"image": "a", "size": {"width": "wide", "height": 2}}), "$.size.width"),
        ("tasks.thumbnail", json!({"image": "a", "size": size, "fit": "crop"}), "$.fit"),
        ("tasks.untyped", json!({"b": 1}), "$.a"),
        ("tasks.either", json!({"more": [1]}), "$.value"),
        ("builtin.square", json!({"x": "a"}), "$.x"),
    ] {
        let answer = call(&server, name, &arguments);
        answer.problem(422, "invalid-arguments");
        let problem = answer.json();
        assert_eq!(problem["path"], path, "{name} {arguments}: {problem}");
    }
}

/// As pydantic's lax mode, which the function's own types decide.
#[test]
fn what_the_types_accept_is_accepted() {
    let server = serve();
    assert_eq!(call(&server, "tasks.square", &json!({"x": "3"})).value(), 9);
    assert_eq!(call(&server, "tasks.square", &json!({"x": 3.0})).value(), 9);
    let arguments = json!({"image": "cat", "size": {"width": "3", "height": 4.0}});
    let size = &call(&server, "tasks.thumbnail", &arguments).value()["size"];
    assert_eq!(size, &json!({"width": 3, "height": 4}));
}

#[test]
fn the_worker_has_the_last_word() {
    let server = serve();
    let arguments = json!({"image": "a", "size": {"width": 1, "height": 2}, "on": "someday"});
    let answer = call(&server, "tasks.thumbnail", &arguments);
    answer.problem(422, "invalid-arguments");
    assert!(answer.says("\"path\":\"$.on\"") && answer.says("/v1/jobs/"), "{}", answer.text());
    let words = vec!["word"; 40_000];
    assert_eq!(call(&server, "tasks.count", &json!({"words": words})).value(), json!({"word": 40_000}));
    let mut words = vec![json!("word"); 40_000];
    words[39_999] = json!(1);
    let answer = call(&server, "tasks.count", &json!({"words": words}));
    answer.problem(422, "invalid-arguments");
    assert!(answer.says("$.words[39999]"), "{}", answer.text());
}

#[test]
fn a_large_call_costs_the_server_little_more_than_its_bytes() {
    let server = serve();
    // Objects without anything in them are the most expensive there are.
    let hollow = format!("[{}{{}}]", "{\"\":1},".repeat(1 << 20));
    let before = proc::peak_memory(server.pid());
    for (name, member) in [("os.getpid", "args"), ("tasks.count", "words"), ("builtin.square", "x")] {
        let body = format!("{{\"{member}\":{hollow}}}");
        let answer = server.post_text(&format!("/v1/functions/{name}/call"), &body);
        assert_eq!(answer.status, 422, "{name}: {}", answer.text());
    }
    let grown = proc::peak_memory(server.pid()) - before;
    assert!(grown < 200 << 20, "{} MiB for 8 MiB", grown >> 20);
}

#[test]
fn what_is_no_call_is_refused() {
    let server = serve();
    call(&server, "tasks.sqare", &json!({})).problem(404, "unknown-function");
    for (body, code) in
        [("[1]", "invalid-request"), ("{", "invalid-json"), (r#"{"x":1,"x":2}"#, "invalid-request")]
    {
        server.post_text("/v1/functions/tasks.square/call", body).problem(400, code);
    }
    server
        .post("/v1/functions/tasks.square/call?priority=101", &json!({"x": 1}))
        .problem(400, "invalid-request");
    server.post("/v1/functions/tasks.square/call?pool=native", &json!({"x": 1})).problem(400, "wrong-pool");
    server.post("/v1/functions/tasks.fail/call", &json!({"message": "no"})).problem(422, "function-raised");
}

#[test]
fn a_function_tells_its_schemas() {
    let server = serve();
    let square = server.get("/v1/functions/tasks.square").value();
    let parameters = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"],
                            "additionalProperties": false});
    assert_eq!((&square["parameters"], &square["returns"]), (&parameters, &json!({"type": "integer"})));
    let thumbnail = server.get("/v1/functions/tasks.thumbnail").value();
    assert_eq!(
        thumbnail["parameters"]["properties"]["fit"],
        json!({"type": "string", "enum": ["cover", "contain"]})
    );
    assert_eq!(thumbnail["parameters"]["$defs"]["Size"]["required"], json!(["width", "height"]));
    assert!(server.get("/v1/functions/tasks.untyped").value().get("returns").is_none());
}

#[test]
fn the_served_document_is_the_printed_one() {
    let server = serve();
    let tasks = fixture("contract/tasks.py");
    for (path, more) in [
        ("/openapi.json", &[][..]),
        ("/openapi-3.0.json", &["--v3-0"]),
        ("/openapi.json?only=functions", &["--functions"]),
        ("/openapi-3.0.json?only=functions", &["--functions", "--v3-0"]),
    ] {
        let served = server.get(path).value();
        let args =
            ["openapi", &tasks, "--builtin", "--command", "head=head -n {0}", "--function", "os.getpid"];
        let printed = Program::run(&[&args[..], more].concat(), std::time::Duration::from_secs(20), |_| ());
        let printed_one: Value = serde_json::from_str(&printed.out).expect("JSON");
        assert!(printed_one == served, "{path}: {}", printed.errors);
    }
    let document = server.get("/openapi.json").value();
    let operation = &document["paths"]["/v1/functions/tasks.thumbnail/call"]["post"];
    assert_eq!(operation["operationId"], "tasks_thumbnail");
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["$ref"], "#/components/schemas/tasks_thumbnail_Arguments");
    let arguments = &document["components"]["schemas"]["tasks_thumbnail_Arguments"];
    assert_eq!(arguments["properties"]["size"]["$ref"], "#/components/schemas/tasks_Size");
    assert_eq!(document["components"]["schemas"]["tasks_Size"]["properties"]["width"]["type"], "integer");
}
