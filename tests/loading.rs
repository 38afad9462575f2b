//! What a program prints before it serves its functions, without the end of a line, is in no job's output.

mod support;

use std::process::ExitCode;

use forkpool::Functions;
use serde_json::json;

use support::Server;

/// Without arguments of the server's, or of a zygote's, this is the test; with them the program that it starts.
fn main() -> ExitCode {
    let is_given = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if is_given("__zygote") {
        // The server prints it too, before its own line; here it would only be in the way.
        print!("loading");
    }
    if is_given("__zygote") || is_given("--bind") {
        return forkpool::serve(Functions::new().register("add", |a: i64, b: i64| a + b));
    }
    what_is_printed_while_loading_is_in_no_jobs_output();
    ExitCode::SUCCESS
}

fn what_is_printed_while_loading_is_in_no_jobs_output() {
    let program = std::env::current_exe().expect("this test has a path");
    let server = Server::of(&program, &[]);
    for i in 0..10 {
        let id = server.post("/v1/apply_async", &json!({"function": "add", "args": [i, 1]})).accepted();
        assert_eq!(server.result(&id, 10.0).value(), i + 1);
        assert_eq!(server.get(&format!("/v1/jobs/{id}/logs")).text_whole(), "");
    }
}
