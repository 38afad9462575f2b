//! `GET /v1/functions` and `GET /v1/functions/{name}`.

use serde_json::Value;

use crate::support::{Server, fixture};

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("a list has items: {page}"));
    items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_file_offers_the_public_functions_that_it_defines() {
    let server = Server::bare(&[&fixture("offered.py")]);
    let page = server.get("/v1/functions").value();
    assert_eq!(names(&page), ["offered.public"], "no private, no imported name, no constant");
    assert!(page.get("next_cursor").is_none(), "{page}");
}

#[test]
fn a_function_tells_its_signature_and_its_words() {
    let server = Server::start(&[]);
    let square = server.get("/v1/functions/faults.square").value();
    assert_eq!(square["name"], "faults.square");
    assert_eq!(square["signature"], "(x)");
    assert!(square["doc"].as_str().is_some_and(|doc| doc.starts_with("The square of a number")), "{square}");
    assert_eq!(server.get("/v1/functions/faults.add").value()["signature"], "(a, b=1)");
    let echo = server.get("/v1/functions/faults.echo").value();
    assert!(echo.get("doc").is_none(), "absent, not null: {echo}");
}

#[test]
fn imported_and_private_names_cannot_be_called() {
    let server = Server::start(&[]);
    let all = names(&server.get("/v1/functions").value());
    assert!(
        all.contains(&"faults.square".to_owned()) && all.contains(&"faults.awaited".to_owned()),
        "{all:?}"
    );
    assert!(all.iter().all(|name| name.starts_with("faults.") && !name.contains("._")), "{all:?}");
    for name in ["faults.os.getpid", "faults.os", "os.getpid", "faults._private", "faults._Point", "square"] {
        let body = serde_json::json!({"function": name});
        server.post("/v1/apply", &body).problem(404, "unknown-function");
    }
}

#[test]
fn an_unknown_function_names_what_is_near() {
    let server = Server::start(&[]);
    let body = serde_json::json!({"function": "faults.sqare", "args": [1]});
    for path in ["/v1/apply", "/v1/apply_async"] {
        let answer = server.post(path, &body);
        answer.problem(404, "unknown-function");
        assert!(answer.says("faults.square"), "near names: {}", answer.text());
    }
    let body = serde_json::json!({"function": "faults.sqare", "iterable": [1]});
    for path in ["/v1/map", "/v1/map_async"] {
        server.post(path, &body).problem(404, "unknown-function");
    }
    let answer = server.get("/v1/functions/faults.sqare");
    answer.problem(404, "unknown-function");
    assert!(answer.says("faults.square"), "near names: {}", answer.text());
    let few = Server::bare(&["--builtin"]);
    let problem = few.get("/v1/functions/tasks.thumbnail").problem(404, "unknown-function");
    assert_eq!(problem.get("near"), None, "none is near, however few there are: {problem}");
    assert!(problem["detail"].to_string().contains("GET /v1/functions lists all"), "{problem}");
}

#[test]
fn runtimes_are_listed_together() {
    let server = Server::start(&["--builtin", "--function", "os.getpid"]);
    let all = names(&server.get("/v1/functions").value());
    for name in
        ["faults.square", "os.getpid", "builtin.echo", "builtin.square", "builtin.sleep", "builtin.fail"]
    {
        assert!(all.contains(&name.to_owned()), "{name} in {all:?}");
    }
}
