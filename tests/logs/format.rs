//! The form of lines, the first and the last of them, and what a signal says.

use std::time::Duration;

use serde_json::json;

use super::{BOUND, Logged, line_of};
use crate::support::{Program, Server, wait_until};
use nix::sys::signal::Signal;

#[test]
fn the_start_says_what_is_served_by_what_and_where() {
    let server = Logged::serve(&["--builtin", "--workers", "2"]);
    let address = format!("http://127.0.0.1:{}", server.port());
    let line = server.line("serving", "bind", &address);
    for (field, value) in [
        ("level", json!("INFO")),
        ("version", json!(server.get("/version").json()["version"])),
        ("pid", json!(server.pid())),
        ("functions", json!("native 5, python 9")),
        ("pools", json!("native 2, python 2")),
        ("workers", json!(4)),
        ("data", json!("memory")),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    let lines = server.ended();
    let last: Vec<_> = lines.iter().rev().take(2).map(|line| line["message"].clone()).collect();
    assert_eq!(last, ["stopped", "stopping"]);
}

#[test]
fn text_has_time_level_part_message_and_fields() {
    let server = Server::start(&["--workers", "1"]);
    server.apply("fail", &json!(["a \"b\"\n=c"])).outcome("function-raised");
    wait_until(BOUND, "the failure is told", || server.errors().contains("a job failed"));
    let errors = server.errors();
    let line = errors.lines().find(|line| line.contains("a job failed")).expect("it is there");
    let (time, rest) = line.split_once(' ').expect("a time");
    assert!(time.len() == 27 && time.ends_with('Z'), "{line}");
    assert!(rest.starts_with(" WARN forkpool::jobs: a job failed job="), "{line}");
    assert!(rest.contains(" function=faults.fail pool=python code=function-raised attempts=1 "), "{line}");
    assert!(rest.contains(" error=\"ValueError: a \\\"b\\\" | =c\" "), "{line}");
}

#[test]
fn what_ends_the_start_is_a_line_like_the_others() {
    let args = ["serve", "--function", "no_such_module.f", "--bind", "127.0.0.1:0"];
    let ended =
        Program::run(&[&args[..], &["--log-format", "json"]].concat(), Duration::from_secs(30), |_| ());
    assert_eq!(ended.status.code(), Some(2));
    let line = line_of(ended.errors.trim_end());
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().is_some_and(|said| said.contains("no_such_module")), "{line}");
    let ended = Program::run(&args, Duration::from_secs(30), |_| ());
    assert!(ended.errors.starts_with("forkpool: no_such_module.f"), "{}", ended.errors);
}

#[test]
fn what_a_module_prints_while_it_loads_is_a_line_like_the_others() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (file, broken) = (folder.path().join("chatty.py"), folder.path().join("broken.py"));
    let says = "import sys\nprint('loads\\x1b[31m')\nprint('and warns', file=sys.stderr)\n";
    std::fs::write(&file, format!("{says}def f(): return 1\n")).expect("a file can be written");
    std::fs::write(&broken, format!("{says}raise ValueError('no')\n")).expect("a file can be written");
    let server = Logged::serve(&[&*file.to_string_lossy()]);
    server.post("/v1/apply", &json!({"function": "chatty.f"})).value();
    let line = server.line("loads\u{1b}[31m", "target", "forkpool::output");
    assert_eq!((&line["level"], line["pid"].is_number()), (&json!("INFO"), true), "{line}");
    server.line("and warns", "target", "forkpool::output");
    // Nor does it come after what is made of it.
    let args = ["serve", &*broken.to_string_lossy(), "--bind", "127.0.0.1:0", "--log-format", "json"];
    let ended = Program::run(&args, Duration::from_secs(30), |_| ());
    let said: Vec<_> = ended.errors.lines().map(|line| line_of(line)["message"].to_string()).collect();
    let at = |word: &str| said.iter().position(|message| message.contains(word));
    assert!(at("loads") < at("and warns") && at("and warns") < at("ValueError"), "{said:?}");
    // A command without a log has it as it is.
    let ended = Program::run(&["check-config", &*file.to_string_lossy()], Duration::from_secs(30), |_| ());
    assert!(ended.errors.contains("loads\u{1b}[31m\nand warns\n"), "{}", ended.errors);
}

#[test]
fn a_hangup_is_told_to_do_nothing() {
    let server = Logged::serve(&[]);
    server.signal(Signal::SIGHUP);
    wait_until(BOUND, "the log says what SIGHUP means", || {
        let lines = server.lines();
        lines.iter().any(|line| {
            line["level"] == "WARN"
                && line["message"].as_str().is_some_and(|said| said.starts_with("SIGHUP: "))
        })
    });
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

/// As `nohup` starts a program.
#[test]
fn a_hangup_that_was_ignored_stays_so() {
    let args = ["serve", "--builtin", "--workers", "1", "--bind", "127.0.0.1:0"];
    let shell = r#"trap "" HUP; exec "$0" "$@""#;
    let mut program = Program::start(&args, |command| {
        let program = command.get_program().to_owned();
        let mut wrapped = std::process::Command::new("/bin/sh");
        wrapped.args(["-c", shell]).arg(program).args(args);
        wrapped.stdin(std::process::Stdio::null());
        wrapped.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        *command = wrapped;
    });
    assert!(program.line().starts_with("forkpool listening on "));
    program.signal(Signal::SIGHUP);
    // What comes after it is told.
    program.signal(Signal::SIGTERM);
    let ended = program.ended(Duration::from_secs(15));
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.errors.contains("stopping") && !ended.errors.contains("SIGHUP"), "{}", ended.errors);
}
