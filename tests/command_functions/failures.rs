//! What goes wrong in a command is an answer by name.

use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn apply(server: &Server, function: &str, args: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": function, "args": args}))
}

#[test]
fn an_exit_status_is_told_with_what_was_complained_about() {
    let fail = "fail=sh -c 'echo value; echo first >&2; echo \"bad: $1\" >&2; exit 3' sh {0}";
    let server = Server::bare(&["--command", fail, "--workers", "1"]);
    let failed = apply(&server, "fail", &json!(["input"])).outcome("command-failed");
    assert_eq!((&failed["exit_code"], &failed["stderr"]), (&json!(3), &json!("first\nbad: input\n")));
    assert!(failed.get("signal").is_none() && failed.get("index").is_none(), "{failed}");
    let detail = failed["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("fail") && detail.contains("exit status 3"), "{detail}");
    let id = server.post("/v1/map_async", &json!({"function": "fail", "iterable": [1, 2]})).accepted();
    let failed = server.result(&id, 10.0).outcome("command-failed");
    assert_eq!((&failed["exit_code"], &failed["index"]), (&json!(3), &json!(0)));
    assert_eq!(server.job(&id)["error"]["stderr"], "first\nbad: 1\n");
    assert!(server.get(&format!("/v1/jobs/{id}/logs")).says("bad: 1"), "it is in the job's log");
}

#[test]
fn only_the_end_of_many_complaints_is_told() {
    let noisy = "noisy=sh -c 'seq 1 100000 >&2; exit 1'";
    let server = Server::bare(&["--command", noisy, "--worker-output", "job"]);
    let failed = apply(&server, "noisy", &json!([])).outcome("command-failed");
    let stderr = failed["stderr"].as_str().unwrap_or_default();
    assert!(stderr.ends_with("99999\n100000\n") && stderr.len() <= 8 << 10, "{} bytes", stderr.len());
    assert!(stderr.len() > 8_000, "{} bytes", stderr.len());
}

#[test]
fn a_signal_is_told_by_name() {
    let server = Server::bare(&["--command", "die=sh -c 'kill -TERM $$'", "--command", "ok=true"]);
    let before = server.workers_of("command");
    let failed = apply(&server, "die", &json!([])).outcome("command-failed");
    assert_eq!((&failed["signal"], &failed["stderr"]), (&json!("SIGTERM"), &json!("")));
    assert!(failed.get("exit_code").is_none(), "{failed}");
    assert_eq!(apply(&server, "ok", &json!([])).value(), "");
    let pids = |workers: &[crate::support::Worker]| workers.iter().map(|one| one.pid).collect::<Vec<_>>();
    assert_eq!(pids(&server.workers_of("command")), pids(&before), "no worker was lost");
}

#[test]
fn a_command_line_has_its_limits() {
    let server = Server::bare(&["--command", "echo=echo {0}"]);
    let refused = apply(&server, "echo", &json!(["x".repeat(200_000)])).outcome("invalid-arguments");
    assert!(refused["detail"].as_str().unwrap_or_default().contains("command line"), "{refused}");
    let refused = apply(&server, "echo", &json!(["a\u{0}b"])).outcome("invalid-arguments");
    assert_eq!(refused["path"], "$.args[0]");
    assert_eq!(apply(&server, "echo", &json!(["x".repeat(100_000)])).value(), "x".repeat(100_000));
}

#[test]
fn a_program_that_has_gone_is_a_failure_of_the_call() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("tool");
    // By a child: a descriptor that this process writes by may be inherited by what another test spawns, and a
    // program that is open for writing can't be executed.
    let copied = std::process::Command::new("cp").arg("/bin/true").arg(&program).status();
    assert!(copied.is_ok_and(|status| status.success()), "a program can be copied");
    let server = Server::bare(&["--command", &format!("tool={}", program.display())]);
    assert_eq!(apply(&server, "tool", &json!([])).value(), "");
    std::fs::remove_file(&program).expect("it can be removed");
    let failed = apply(&server, "tool", &json!([])).outcome("command-failed");
    assert!(failed["detail"].as_str().unwrap_or_default().contains("could not be started"), "{failed}");
    assert!(failed.get("exit_code").is_none() && failed.get("signal").is_none(), "{failed}");
}

#[test]
fn an_endless_output_is_cut_off() {
    let limit = 100_000;
    let server = Server::bare(&[
        "--command",
        "endless=yes",
        "--command",
        "cat=cat",
        "--result-limit",
        &limit.to_string(),
        "--workers",
        "1",
    ]);
    let refused = apply(&server, "endless", &json!([])).outcome("result-too-large");
    assert_eq!(refused["limit"], limit);
    let worker = server.workers_of("command")[0].pid;
    assert_eq!(crate::support::proc::children(worker), Vec::<i32>::new(), "it was killed");
    // As JSON, with its quotes, it has the limit's size, and then one byte more.
    let exact = "x".repeat(limit - 2);
    assert_eq!(apply(&server, "cat", &json!([exact])).value(), exact);
    apply(&server, "cat", &json!([exact + "x"])).outcome("result-too-large");
    let escaped = "\"".repeat(limit / 2);
    apply(&server, "cat", &json!([escaped])).outcome("result-too-large");
    // Each fits, all together do not.
    let items = vec!["x".repeat(limit / 4); 6];
    let map = json!({"function": "cat", "iterable": items, "chunksize": 6});
    server.post("/v1/map", &map).outcome("result-too-large");
    assert_eq!(server.workers_of("command")[0].pid, worker, "the worker lives on");
}
