//! What JSON has no form for is made from its annotation in every way of calling; what it has passes.

use serde_json::{Value, json};

use crate::support::{Answer, Server, fixture};

const CAT: &str = "Item(name='cat', size=<Size.SMALL: 'small'>, due=datetime.date(2026, 1, 2))";

fn serve() -> Server {
    Server::bare(&[&fixture("orders.py"), "--builtin", "--workers", "1"])
}

fn cat() -> Value {
    json!({"name": "cat", "size": "small", "due": "2026-01-02"})
}

fn ask(server: &Server, verb: &str, function: &str, members: &Value) -> Answer {
    let mut body = members.clone();
    body["function"] = function.into();
    server.post(&format!("/v1/{verb}"), &body)
}

fn records(answer: &Answer) -> Vec<Value> {
    answer.text_whole().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_way_of_calling_makes_what_the_annotations_say() {
    let server = serve();
    let said = json!(format!("{CAT} 0"));
    let value = |verb: &str, members: Value| ask(&server, verb, "orders.given", &members).value();
    assert_eq!(value("apply", json!({"args": [cat()]})), said);
    assert_eq!(value("apply", json!({"kwargs": {"item": cat()}})), said);
    assert_eq!(value("map", json!({"iterable": [cat(), cat()]})), json!([said, said]));
    assert_eq!(value("starmap", json!({"iterable": [[cat(), 0]]})), json!([said]));
    assert_eq!(value("map", json!({"iterable": [cat()], "on_error": "collect"})), json!([{"value": said}]));
    for (verb, members, value) in [
        ("apply_async", json!({"args": [cat()]}), said.clone()),
        ("map_async", json!({"iterable": [cat()]}), json!([said])),
        ("starmap_async", json!({"iterable": [[cat()]]}), json!([said])),
    ] {
        let id = ask(&server, verb, "orders.given", &members).accepted();
        assert_eq!(server.result(&id, 10.0).value(), value, "{verb}");
    }
    for verb in ["imap", "imap_unordered"] {
        let lines = records(&ask(&server, verb, "orders.given", &json!({"iterable": [cat()]})));
        assert_eq!(lines[0], json!({"index": 0, "value": said}), "{verb}");
        let headers = [("content-type", "application/x-ndjson")];
        let path = format!("/v1/{verb}/stream?function=orders.given");
        let lines = records(&server.send("POST", &path, &headers, Some(format!("{}\n", cat()).as_bytes())));
        assert_eq!(lines[0], json!({"index": 0, "value": said}), "{verb}/stream");
    }
}

#[test]
fn what_each_worker_loads_itself_is_converted_likewise() {
    let server = Server::bare(&[&fixture("orders.py"), "--preload", "off", "--workers", "1"]);
    let said = format!("{CAT} 0");
    assert_eq!(ask(&server, "apply", "orders.given", &json!({"args": [cat()]})).value(), said);
    assert_eq!(server.post("/v1/functions/orders.given/call", &json!({"item": cat()})).value(), said);
}

#[test]
fn containers_are_made_where_json_has_none_and_hold_what_came() {
    let server = serve();
    let args = json!([[cat(), cat()], {"a": "2026-01-02"}, ["x", 1], {"$bytes": "AA=="}]);
    let day = "datetime.date(2026, 1, 2)";
    let said = format!("[[{CAT}, {CAT}], {{'a': {day}}}, ('x', 1), b'\\x00']");
    assert_eq!(server.post("/v1/apply", &json!({"function": "orders.many", "args": args})).value(), said);
    // What JSON has passes, whatever the annotation says.
    let plain = json!({"function": "orders.plain", "args": ["3", 7]});
    assert_eq!(server.post("/v1/apply", &plain).value(), json!(["3", 7]));
    let either = json!({"function": "orders.given", "iterable": [[cat(), 7], [cat(), "2026-01-02"]]});
    assert_eq!(
        server.post("/v1/starmap", &either).value(),
        json!([format!("{CAT} 7"), format!("{CAT} {day}")])
    );
}

#[test]
fn what_can_not_be_made_is_told_with_its_path() {
    let server = serve();
    let wrong = json!({"name": "cat", "size": "tiny"});
    let problem = |verb: &str, function: &str, members: Value| {
        ask(&server, verb, function, &members).outcome("invalid-arguments")
    };
    let given = problem("apply", "orders.given", json!({"args": [wrong]}));
    assert_eq!(given["path"], "$.args[0].size", "{given}");
    let given = problem("apply", "orders.given", json!({"kwargs": {"item": {"name": 1}}}));
    assert_eq!(given["path"], "$.kwargs.item.size", "{given}");
    let given = problem("map", "orders.given", json!({"iterable": [cat(), wrong]}));
    assert_eq!((&given["path"], &given["index"]), (&json!("$.size"), &json!(1)), "{given}");
    let given = problem("starmap", "orders.given", json!({"iterable": [[cat()], [cat(), "someday"]]}));
    assert_eq!((&given["path"], &given["index"]), (&json!("$[1]"), &json!(1)), "{given}");
    let given = problem("apply", "orders.identified", json!({"args": [7]}));
    assert_eq!(given["path"], "$.args[0]", "{given}");
    let given = problem("apply", "orders.many", json!({"args": [[], {}, [], "text"]}));
    assert!(
        given["detail"].as_str().is_some_and(|text| text.contains(r#"{"$bytes":"<base64>"}"#)),
        "{given}"
    );
    let body = json!({"iterable": [cat(), wrong], "on_error": "collect"});
    let collected = ask(&server, "map", "orders.given", &body).value();
    assert_eq!(collected[1]["error"]["path"], "$.size", "{collected}");
    let raised = ask(&server, "apply", "orders.identified", &json!({"args": ["0".repeat(32)]}));
    raised.outcome("function-raised");
}

#[test]
fn convert_false_leaves_all_as_it_is() {
    let server = serve();
    let said = "{'due': '2026-01-02', 'name': 'cat', 'size': 'small'} 0";
    for (verb, members, value) in [
        ("apply", json!({"args": [cat()]}), json!(said)),
        ("apply", json!({"kwargs": {"item": cat()}}), json!(said)),
        ("map", json!({"iterable": [cat()]}), json!([said])),
        ("starmap", json!({"iterable": [[cat()]]}), json!([said])),
        ("map", json!({"iterable": [cat()], "on_error": "collect"}), json!([{"value": said}])),
    ] {
        let mut members = members;
        members["convert"] = false.into();
        assert_eq!(ask(&server, verb, "orders.given", &members).value(), value, "{verb}");
        members["convert"] = true.into();
        assert_ne!(ask(&server, verb, "orders.given", &members).value(), value, "{verb}");
    }
    let path = "/v1/imap/stream?function=orders.given&convert=false";
    let headers = [("content-type", "application/x-ndjson")];
    let lines = records(&server.send("POST", path, &headers, Some(format!("{}\n", cat()).as_bytes())));
    assert_eq!(lines[0], json!({"index": 0, "value": said}));
    let native = json!({"function": "builtin.square", "args": [3], "convert": false});
    assert_eq!(server.post("/v1/apply", &native).value(), 9);
    // A typed call converts all: there the option has no meaning.
    let typed = server.post("/v1/functions/orders.given/call?convert=false", &json!({"item": cat()}));
    assert_eq!(typed.problem(400, "invalid-request")["member"], "convert");
}

#[test]
fn shared_objects_arrive_beside_what_is_made() {
    let server = serve();
    let queue = json!({"$forkpool": "/v1/queues/q"});
    let json = [("content-type", "application/json")];
    assert_eq!(server.send("PUT", "/v1/queues/q", &json, Some(b"{}")).status, 200);
    let day = "datetime.date(2026, 1, 2)";
    let args = json!({"args": [queue, "2026-01-02"]});
    assert_eq!(ask(&server, "apply", "orders.queued", &args).value(), day);
    let items = json!({"iterable": [[queue, "2026-01-02"]]});
    assert_eq!(ask(&server, "starmap", "orders.queued", &items).value(), json!([day]));
    let named = json!({"queue": queue, "day": "2026-01-02"});
    assert_eq!(server.post("/v1/functions/orders.queued/call", &named).value(), day);
    let items = json!({"iterable": [named, named]});
    assert_eq!(server.post("/v1/functions/orders.queued/map", &items).value(), json!([day, day]));
    let items =
        json!({"iterable": [named, {"queue": {"$forkpool": "/v1/queues/none"}, "day": "2026-01-02"}]});
    let problem = server.post("/v1/functions/orders.queued/map", &items).outcome("unknown-ref");
    assert_eq!(problem["path"], "$.queue", "{problem}");
}

#[test]
fn an_item_of_a_starmap_that_can_not_be_spread_is_an_error_as_the_library_has_it() {
    let server = serve();
    let ask = |items: Value| ask(&server, "starmap", "orders.spread", &json!({"iterable": items}));
    assert_eq!(ask(json!([["a"], "bc", {"d": 1}])).value(), json!([["a"], ["b", "c"], ["d"]]));
    for item in [json!(7), json!(null), json!(true)] {
        let problem = ask(json!([[1], item])).outcome("function-raised");
        assert_eq!((&problem["exception"]["type"], &problem["index"]), (&json!("TypeError"), &json!(1)));
        assert!(problem["exception"]["traceback"].is_string(), "{problem}");
    }
}

#[test]
fn arguments_of_processes_and_initializers_are_made_too() {
    let server = serve();
    let body = json!({"target": "orders.identified", "args": ["0"]});
    let problem = server.post("/v1/processes", &body).problem_of(422);
    assert_eq!((&problem["code"], &problem["path"]), (&json!("invalid-arguments"), &json!("$.args[0]")));
    let pool = |name: &str, key: &str| {
        let initializer = json!({"name": name, "runtime": "python", "processes": 1,
                                 "initializer": "orders.identified", "initargs": [key]});
        server.post("/v1/pools", &initializer)
    };
    assert_eq!(pool("good", &"1".repeat(32)).status, 201);
    let problem = pool("bad", "none").problem_of(422);
    assert!(problem["detail"].to_string().contains("$.args[0]"), "{problem}");
}
