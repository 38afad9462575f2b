//! What a command is given and what its output becomes.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn apply(server: &Server, function: &str, args: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "args": args}))
}

fn with(server: &Server, function: &str, args: &Value, kwargs: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "args": args, "kwargs": kwargs}))
}

/// A command that shows its arguments, one a line.
const SHOW: &str = "show=printf '[%s]\\n' {0} name={name} '{{0}}' '{print $1}'";

#[test]
fn words_are_counted() {
    let server = Server::bare(&["--command", "count=wc -w"]);
    assert_eq!(
        apply(&server, "count", &json!(["three small words"])).value().as_str().map(str::trim),
        Some("3")
    );
    let counts = server.post("/v1/map", &json!({"function": "count", "iterable": ["a", "a b", ""]})).value();
    let counts: Vec<&str> = counts.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(counts.iter().map(|count| count.trim()).collect::<Vec<_>>(), ["1", "2", "0"]);
    let pools = server.get("/v1/pools").value();
    assert_eq!((&pools["items"][0]["name"], &pools["items"][0]["ready"]), (&json!("command"), &json!(2)));
    let function = server.get("/v1/functions/count").value();
    assert_eq!(function["runtime"], "command");
    assert_eq!(
        (&function["signature"], &function["doc"]),
        (&json!("(*stdin)"), &json!("Runs the program wc."))
    );
}

#[test]
fn placeholders_take_arguments() {
    let server = Server::bare(&["--command", SHOW]);
    let shown = with(&server, "show", &json!(["a b; $(echo no)"]), &json!({"name": {"k": 1}})).value();
    assert_eq!(shown, "[a b; $(echo no)]\n[name={\"k\":1}]\n[{0}]\n[{print $1}]");
    let missing = with(&server, "show", &json!([]), &json!({"name": 1})).outcome("invalid-arguments");
    assert_eq!(missing["path"], "$.args[0]");
    let missing = apply(&server, "show", &json!([1])).outcome("invalid-arguments");
    assert_eq!(missing["path"], "$.kwargs.name");
}

#[test]
fn a_dash_is_refused_unless_it_is_allowed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    let text = "[commands.safe]\nargv = [\"echo\", \"{0}\"]\n\
                [commands.any]\ncommand = 'echo {0}'\nallow_dash = true\n";
    std::fs::write(&file, text).expect("the file can be written");
    let server = Server::bare(&["--config", &file.to_string_lossy()]);
    for value in [json!("-n"), json!("--help"), json!(-1)] {
        let refused = apply(&server, "safe", &json!([value])).outcome("invalid-arguments");
        assert_eq!(refused["path"], "$.args[0]");
    }
    assert_eq!(apply(&server, "safe", &json!(["a-b"])).value(), "a-b");
    assert_eq!(apply(&server, "any", &json!(["-x"])).value(), "-x");
    assert_eq!(apply(&server, "any", &json!([-1])).value(), "-1");
}

#[test]
fn what_no_placeholder_takes_is_the_input() {
    let server = Server::bare(&["--command", "cat=cat", "--command", "tail=cat {file} -", "--workers", "1"]);
    for (args, input) in [
        (json!([]), ""),
        (json!(["a\"b\n\n"]), "a\"b\n"),
        (json!([{"$bytes": "aGk="}]), "hi"),
        (json!([null]), "null"),
        (json!([[1, "é"]]), "[1,\"é\"]"),
        (json!([1, "b"]), "[1,\"b\"]"),
    ] {
        assert_eq!(apply(&server, "cat", &args).value(), input, "{args}");
    }
    assert_eq!(with(&server, "cat", &json!([]), &json!({"k": "v"})).value(), "{\"k\":\"v\"}");
    assert_eq!(with(&server, "cat", &json!([1]), &json!({"k": "v"})).value(), "[[1],{\"k\":\"v\"}]");
    let both = with(&server, "tail", &json!(["rest"]), &json!({"file": "/dev/null"}));
    assert_eq!(both.value(), "rest");
}

#[test]
fn five_megabytes_go_through() {
    let server = Server::bare(&["--command", "cat=cat", "--command", "deaf=true"]);
    let text = "0123456789abcdé\n".repeat(5 * (1 << 20) / 17 + 1) + "end";
    assert!(text.len() > 5_000_000);
    let value = apply(&server, "cat", &json!([text])).value();
    assert!(value.as_str() == Some(text.as_str()), "{} of {} bytes", value.to_string().len(), text.len());
    // A program that reads none of it ends as well as any other.
    assert_eq!(apply(&server, "deaf", &json!([text])).value(), "");
    assert_eq!(apply(&server, "cat", &json!(["still here"])).value(), "still here");
}

#[test]
fn the_output_is_text_json_or_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    let text = "[commands.text]\nargv = ['cat']\n\
                [commands.json]\nargv = ['cat']\noutput = 'json'\n\
                [commands.bytes]\nargv = ['cat']\noutput = 'bytes'\n";
    std::fs::write(&file, text).expect("the file can be written");
    let server = Server::bare(&["--config", &file.to_string_lossy()]);
    let not_text = json!([{"$bytes": "//4K"}]);
    assert_eq!(apply(&server, "text", &json!(["a\r\n\n"])).value(), "a\r\n");
    let refused = apply(&server, "text", &not_text).outcome("result-not-json");
    assert_eq!(refused["path"], "$");
    assert_eq!(apply(&server, "json", &json!([" {\"a\": [1, 2.50]}\n"])).value(), json!({"a": [1, 2.5]}));
    for wrong in ["", "NaN", "{'a': 1}", "1 2", "[1,]"] {
        apply(&server, "json", &json!([wrong])).outcome("result-not-json");
    }
    assert_eq!(apply(&server, "bytes", &not_text).value(), not_text[0]);
    let headers = [("content-type", "application/json"), ("accept", "application/octet-stream")];
    let body = json!({"function": "bytes", "args": not_text}).to_string();
    let raw = server.send("POST", "/v1/apply", &headers, Some(body.as_bytes()));
    assert_eq!((raw.status, raw.body.as_slice()), (200, &b"\xff\xfe\n"[..]));
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
}

#[test]
fn a_program_finds_its_usual_surroundings() {
    let environment = [
        ("TEST_VARIABLE", "here"),
        (
            "FORKPOOL_COMMAND",
            "environment=env\nstatus=grep -E '^Sig(Blk|Ign):' /proc/self/status\nfds=ls /proc/self/fd\n",
        ),
    ];
    let server = Server::with_environment(&["--workers", "1"], &environment);
    let variables = apply(&server, "environment", &json!([])).value();
    let variables: Vec<&str> = variables.as_str().unwrap_or_default().lines().collect();
    assert!(variables.contains(&"TEST_VARIABLE=here"), "{variables:?}");
    assert!(variables.iter().all(|line| !line.starts_with("FORKPOOL_")), "{variables:?}");
    let signals = apply(&server, "status", &json!(["some input"])).value();
    let masks =
        signals.as_str().unwrap_or_default().lines().filter_map(|line| line.split_whitespace().nth(1));
    let masks: Vec<u64> = masks.filter_map(|mask| u64::from_str_radix(mask, 16).ok()).collect();
    let broken_pipe = 1 << (Signal::SIGPIPE as u32 - 1);
    assert!(masks.len() == 2 && masks.iter().all(|mask| mask & broken_pipe == 0), "SIGPIPE: {signals}");
    // The fourth is the folder itself.
    assert_eq!(apply(&server, "fds", &json!([])).value(), "0\n1\n2\n3");
}
