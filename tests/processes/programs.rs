//! Native functions and commands as processes.

use serde_json::{Value, json};

use super::{join, output, pid, post, start_with};
use crate::support::{Client, Server};

#[track_caller]
fn ran(client: &Client, body: &Value) -> (Value, String) {
    let process = start_with(client, body);
    let code = join(client, &process)["exitcode"].clone();
    (code, output(client, &process))
}

#[test]
fn a_native_function_runs_in_a_process() {
    let server = Server::bare(&["--builtin"]);
    assert_eq!(ran(&server, &json!({"target": "builtin.echo", "args": [1]})), (json!(0), String::new()));
    let (code, said) = ran(&server, &json!({"target": "builtin.fail", "args": ["too bad"]}));
    assert_eq!(code, 1);
    assert!(said.contains("too bad"), "{said}");
    let (code, said) = ran(&server, &json!({"target": "builtin.echo", "args": [1, 2]}));
    assert_eq!(code, 1, "as with a wrong number of arguments in Python");
    assert!(said.contains("1 positional argument"), "{said}");
    let long = json!({"target": "builtin.echo", "args": ["x".repeat(1 << 20)]});
    assert_eq!(ran(&server, &long), (json!(0), String::new()), "1 MiB of arguments");
    for (operation, code) in [("terminate", -15), ("kill", -9)] {
        let process = start_with(&server, &json!({"target": "builtin.sleep", "args": [60]}));
        post(&server, &process, operation);
        assert_eq!(join(&server, &process)["exitcode"], code);
    }
}

#[test]
fn a_program_takes_the_place_of_its_process() {
    let server = Server::bare(&["--command", "count=wc -w", "--command", "sh=sh -c {0}"]);
    assert_eq!(ran(&server, &json!({"target": "count", "args": ["a b c"]})), (json!(0), "3\n".into()));
    assert_eq!(ran(&server, &json!({"target": "sh", "args": ["exit 4"]})).0, 4);
    assert_eq!(ran(&server, &json!({"target": "sh", "args": ["kill -9 $$"]})).0, -9);
    let process = start_with(&server, &json!({"target": "sh", "args": ["echo $$ $PPID; echo oh >&2"]}));
    join(&server, &process);
    let told = format!("{} {}\noh\n", pid(&process), server.pid());
    assert_eq!(output(&server, &process), told, "the program is the process");
    let process = start_with(&server, &json!({"target": "sh", "args": ["sleep 60"]}));
    post(&server, &process, "terminate");
    assert_eq!(join(&server, &process)["exitcode"], -15);
    let refused = server.post("/v1/processes", &json!({"target": "sh"})).problem(422, "invalid-arguments");
    assert_eq!(refused["path"], "$.args[0]", "{refused}");
}
