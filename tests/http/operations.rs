//! `/livez`, `/readyz`, `/version`, `/openapi.json`, and paths that are not there.

use serde_json::Value;

use crate::support::Server;

#[test]
fn probes_answer() {
    let server = Server::start(&[]);
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn busy_is_ready() {
    let server = Server::start(&["--workers", "1"]);
    let id = server.submit("nap", &serde_json::json!([60]));
    server.worker_of(&id);
    assert_eq!(server.get("/readyz").status, 200);
    server.cancel(&id).value();
}

#[test]
fn the_version_is_the_packages() {
    let server = Server::start(&[]);
    let version = server.get("/version").value();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"), "{version}");
}

#[test]
fn the_document_describes_what_is_served() {
    let server = Server::start(&[]);
    let document = server.get("/openapi.json").value();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "OpenAPI 3.1");
    for (path, method) in [
        ("/v1/apply", "post"),
        ("/v1/apply_async", "post"),
        ("/v1/map", "post"),
        ("/v1/map_async", "post"),
        ("/v1/jobs", "get"),
        ("/v1/jobs/{id}", "get"),
        ("/v1/jobs/{id}", "delete"),
        ("/v1/jobs/{id}/result", "get"),
        ("/v1/jobs/{id}/cancel", "post"),
        ("/v1/functions", "get"),
        ("/v1/functions/{name}", "get"),
        ("/v1/pools", "get"),
        ("/v1/pools/{pool}", "get"),
        ("/v1/pools/{pool}/workers", "get"),
        ("/livez", "get"),
        ("/readyz", "get"),
        ("/version", "get"),
        ("/openapi.json", "get"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["operationId"].is_string(), "{method} {path} has an operationId");
        assert!(operation["tags"][0].is_string(), "{method} {path} has a tag");
        let good = |status: &&String| status.starts_with('2');
        let responses = operation["responses"].as_object().expect("responses");
        // A probe that says no by its status is no second success.
        assert_eq!(responses.keys().filter(good).count(), 1, "{method} {path}: one success status");
    }
    assert!(!document.to_string().contains("\"oneOf\""), "generators choke on oneOf");
}

#[test]
fn what_is_documented_is_routed() {
    let server = Server::start(&[]);
    let document = server.get("/openapi.json").value();
    let paths = document["paths"].as_object().expect("paths");
    // What isn't built isn't in the document: whatever is there must be routed.
    for (path, operations) in paths {
        for method in operations.as_object().into_iter().flat_map(|map| map.keys()) {
            let place = path.replace("{file}", "swagger-ui.css").replace(['{', '}'], "");
            let answer = server.send(&method.to_uppercase(), &place, &[], None);
            assert_ne!(answer.status, 405, "{method} {path} is documented and not routed");
            let code = answer.header("content-type").filter(|kind| kind.starts_with("application/problem"));
            let code = code.map(|_| answer.json()["code"].clone()).unwrap_or_default();
            assert!(
                answer.status != 404 || code.as_str().is_some_and(|c| c.starts_with("unknown-")),
                "{path}: {code}"
            );
        }
    }
}

#[test]
fn operation_ids_are_the_fields_words() {
    let server = Server::start(&[]);
    let document = server.get("/openapi.json").value();
    let id = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    let wanted = ["apply", "applyAsync", "map", "getJob", "getResult"].map(Value::from);
    let found = [
        id("/v1/apply", "post"),
        id("/v1/apply_async", "post"),
        id("/v1/map", "post"),
        id("/v1/jobs/{id}", "get"),
        id("/v1/jobs/{id}/result", "get"),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn a_path_that_is_not_there_is_a_problem() {
    let server = Server::start(&[]);
    for path in ["/", "/v1", "/v1/", "/v1/nothing", "/v2/apply", "/v1/apply/", "/v1/jobs/x/y/z", "//"] {
        server.get(path).problem_of(404);
    }
}
