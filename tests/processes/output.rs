//! What a process writes: kept, cut, logged.

use std::time::Duration;

use serde_json::json;

use super::{join, output, post, run, says, server, start};
use crate::support::wait_until;

#[test]
fn output_and_errors_are_kept_in_their_order() {
    let server = server(&[]);
    assert_eq!(run(&server, "say", &json!(["a line"])).1, "a line\n");
    assert_eq!(run(&server, "complain", &json!(["a word"])).1, "a word\n");
    assert_eq!(run(&server, "from_c", &json!(["from a program"])).1, "from a program\n");
    assert_eq!(run(&server, "nothing", &json!([])).1, "");
}

#[test]
fn output_is_read_while_it_runs() {
    let server = server(&[]);
    let process = start(&server, "ignore_sigterm", &json!([60]));
    says(&server, &process, "ready\n");
    post(&server, &process, "kill");
    join(&server, &process);
    assert_eq!(output(&server, &process), "ready\n", "and after its end");
}

#[test]
fn long_output_is_cut_and_marked() {
    let server = server(&["--log-limit", "1KiB"]);
    let (code, said) = run(&server, "say", &json!(["0123456789", 100_000]));
    assert_eq!(code, 0, "a process is never held up by its output");
    let kept = said.strip_suffix("\n[cut: the process wrote more]\n").expect("the mark");
    assert_eq!(kept.len(), 1_024);
    let whole = "0123456789\n".repeat(94);
    assert!(whole.starts_with(kept), "{kept}");
}

#[test]
fn a_process_that_writes_without_end_can_be_ended() {
    let server = server(&["--worker-output", "job"]);
    let process = start(&server, "grow", &json!([1_000]));
    says(&server, &process, "[cut:");
    assert_eq!(server.get("/livez").status, 200);
    post(&server, &process, "terminate");
    assert_eq!(join(&server, &process)["exitcode"], -15);
}

#[test]
fn lines_go_to_the_servers_log_with_the_process_name() {
    let server = server(&[]);
    run(&server, "say", &json!(["a line of its own"]));
    wait_until(Duration::from_secs(5), "the line is in the log", || {
        server.errors().lines().any(|line| line.contains("a line of its own") && line.contains("Process-1"))
    });
}
