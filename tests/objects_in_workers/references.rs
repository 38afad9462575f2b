//! References in arguments and in values.

use serde_json::json;

use super::{apply, call, make, reference, start};

#[test]
fn what_is_not_there_is_told_with_its_path() {
    let server = start(&[]);
    make(&server, "queues/q", &json!({}));
    make(&server, "pipes/p", &json!({}));
    let refused = |args: serde_json::Value, path: &str| {
        let problem = apply(&server, "get_quickly", &args).outcome("unknown-ref");
        assert_eq!(problem["path"], path, "{problem}");
    };
    for wrong in ["queues/nope", "widgets/w", "pipes/p", "pipes/p/2", "queues/q/0", "queues/a b", ""] {
        refused(json!([reference(wrong)]), "$.args[0]");
    }
    refused(json!([{"$forkpool": 7}]), "$.args[0]");
    refused(json!([{"$forkpool": ["/v1/queues/q"]}]), "$.args[0]");
    refused(json!([reference("queues/q"), {"deep": [1, reference("dicts/nope")]}]), "$.args[1].deep[1]");
    let items = json!([reference("queues/q"), reference("queues/nope")]);
    let body = json!({"function": "sharing.get_quickly", "iterable": items, "chunksize": 2});
    let problem = server.post("/v1/map", &body).outcome("unknown-ref");
    assert_eq!((&problem["index"], &problem["path"]), (&json!(1), &json!("$")), "{problem}");
    let body = json!({"function": "sharing.get_quickly", "kwargs": {"q": reference("queues/nope")}});
    assert_eq!(server.post("/v1/apply", &body).outcome("unknown-ref")["path"], "$.kwargs.q");
    // An object with more members is just that.
    let args = json!([{"$forkpool": "/v1/queues/nope", "more": 1}, "__len__"]);
    assert_eq!(apply(&server, "refused", &args).value(), json!(["returned", 2]));
}

#[test]
fn objects_go_into_objects_and_come_back_as_values() {
    let server = start(&[]);
    make(&server, "queues/q", &json!({}));
    make(&server, "dicts/d", &json!({}));
    let d = reference("dicts/d");
    assert_eq!(apply(&server, "keep", &json!([reference("queues/q"), d])).value(), json!([d, d]));
    assert_eq!(call(&server, "dicts/d/items", &json!({})).value(), json!([["x", 1], ["y", 2]]));
}

#[test]
fn an_object_is_found_by_its_name() {
    let server = start(&[]);
    make(&server, "dicts/d", &json!({"items": [["k", [1, 2]]]}));
    assert_eq!(apply(&server, "named", &json!(["/v1/dicts/d", "k"])).value(), json!([1, 2]));
    let missing = apply(&server, "named", &json!(["/v1/dicts/nope", "k"])).outcome("function-raised");
    assert_eq!(missing["exception"]["type"], "UnknownObject");
    let missing = apply(&server, "named", &json!(["/v1/dicts/d", "nope"])).outcome("function-raised");
    assert_eq!(missing["exception"]["type"], "KeyError");
    assert_eq!(missing["exception"]["args"], json!(["nope"]));
}

#[test]
fn an_object_that_is_removed_ends_its_waits() {
    let server = start(&[]);
    make(&server, "queues/q", &json!({}));
    let id = super::submit(&server, "refused", &json!([reference("queues/q"), "get"]));
    crate::support::wait_until(std::time::Duration::from_secs(10), "it runs", || {
        server.job(&id)["state"] == "running"
    });
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(server.delete("/v1/queues/q").status, 204);
    let ended = server.result(&id, 10.0);
    assert!(
        ended.text().contains("UnknownObject") || ended.text().contains("unknown-ref"),
        "{}",
        ended.text()
    );
}
