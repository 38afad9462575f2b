//! f74, f75: function names are keys of a map and nothing else.

use serde_json::json;

use crate::support::Server;

#[test]
fn f74_no_name_reaches_beyond_what_is_offered() {
    let server = Server::start(&[]);
    let long = "x".repeat(10_000);
    for name in [
        "../../etc/passwd",
        "..\\..\\etc",
        "/etc/passwd",
        "os:system",
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "__import__('os').system('true')",
        "a.b:__import__",
        "faults.__import__",
        "faults.__builtins__.eval",
        "faults.square.__globals__",
        "faults.square.__call__",
        "faults.square()",
        "faults.square ",
        " faults.square",
        "Faults.square",
        "faults.square\u{0}",
        "\u{0}",
        "",
        ".",
        "..",
        "faults.",
        "faults",
        "%2e%2e%2f",
        "{0}",
        "$(id)",
        "faults.square\r\nX-Evil: 1",
        "faults.sqüare",
        long.as_str(),
    ] {
        let answer = server.post("/v1/apply", &json!({"function": name, "args": [1]}));
        answer.problem(404, "unknown-function");
        assert!(answer.header("x-evil").is_none());
        assert!(answer.body.len() < 20_000, "an answer no longer than the question: {}", answer.body.len());
        let map = json!({"function": name, "iterable": [1]});
        server.post("/v1/map_async", &map).problem(404, "unknown-function");
    }
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

#[test]
fn f74_paths_neither() {
    let server = Server::start(&[]);
    for name in
        ["..%2f..%2fetc%2fpasswd", "%2e%2e", "os.system", "faults.square%00", "faults.square%0d%0aX-Evil:1"]
    {
        let answer = server.get(&format!("/v1/functions/{name}"));
        answer.problem(404, "unknown-function");
        assert!(answer.header("x-evil").is_none());
    }
    // Bytes that are no UTF-8 in a path: refused, in the words of any problem.
    let answer = server.get("/v1/functions/%ff%fe");
    assert!(answer.status == 400 || answer.status == 404, "{}", answer.status);
    answer.problem_of(answer.status);
}
