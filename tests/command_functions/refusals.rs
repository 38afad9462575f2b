//! What can't be offered is refused at the start, by name.

use std::process::{Command, Output};

use crate::support::{binary, fixture, output};

fn check(args: &[&str]) -> Output {
    output(Command::new(binary()).arg("check-config").args(args))
}

#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    // The same load as a server's; a server would go on listening if it did not refuse.
    let output = check(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
    for word in words {
        assert!(errors.contains(word), "{word} in: {errors}");
    }
}

#[test]
fn a_program_that_is_not_there() {
    refused(
        &["--command", "ok=true", "--command", "lost=no-such-program-anywhere -x"],
        &["lost", "not-found", "no-such-program-anywhere"],
    );
    refused(&["--command", "lost=/nowhere/tool"], &["lost", "/nowhere/tool is not there"]);
}

#[test]
fn a_server_with_a_program_that_is_not_there_does_not_start() {
    let mut command = Command::new(binary());
    command.args(["serve", "--bind", "127.0.0.1:0", "--command", "lost=no-such-program-anywhere"]);
    let output = output(&mut command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("lost: not-found"), "{errors}");
    assert!(output.stdout.is_empty(), "no ready line");
}

#[test]
fn a_file_that_is_no_program() {
    refused(&["--command", "x=/dev/null"], &["x: not-callable", "can't be executed"]);
    let text = fixture("faults.py");
    refused(&["--command", &format!("x={text}")], &["x: not-callable"]);
    refused(&["--command", "x=/"], &["x: not-callable"]);
}

#[test]
fn what_is_no_command() {
    refused(&["--command", "wc -w"], &["give NAME=PROGRAM"]);
    refused(&["--command", "a/b=wc"], &["a/b", "no name for a function"]);
    refused(&["--command", "x=wc 'open"], &["is not closed"]);
    refused(&["--command", "x={0} -w"], &["x: unsupported", "can't be a placeholder"]);
    refused(&["--command", "x=wc", "--command", "x=cat"], &["the name x is given twice"]);
    refused(
        &["--builtin", "--command", "builtin.echo=cat"],
        &["builtin.echo is a native function", "rename one"],
    );
    let long = format!("x=echo {}", "y".repeat(131_000));
    refused(&["--command", &long], &["longer than 128 KiB"]);
}

#[test]
fn what_is_wrong_in_the_file_is_told_by_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    for (text, words) in [
        ("[commands.x]\nargs = ['wc']\n", &[":2: unknown member args", "argv"][..]),
        ("[commands.x]\nargv = ['wc']\noutput = 'xml'\n", &[":3: output: unknown variant"]),
        ("[commands.x]\nallow_dash = true\n", &["[commands.x]", "argv is missing"]),
        ("[commands.x]\nargv = ['wc']\ncommand = 'wc'\n", &["[commands.x]", "not both"]),
        ("[commands.\"a b\"]\nargv = ['wc']\n", &["[commands.a b]", "no name"]),
        ("command = ['x=wc']\n", &["unknown member command", "commands"]),
    ] {
        std::fs::write(&file, text).expect("the file can be written");
        refused(&["--config", &file.to_string_lossy()], words);
    }
}

#[test]
fn check_config_lists_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    std::fs::copy("/bin/true", folder.path().join("tool")).expect("a program can be copied");
    let text =
        "[commands.count]\nargv = ['no-such-program']\n[commands.own]\ncommand = './tool {0} {name}'\n";
    std::fs::write(&file, text).expect("the file can be written");
    // The flag takes the place of the file's; a path counts from the file's folder.
    let output = check(&["--config", &file.to_string_lossy(), "--command", "count=wc -w"]);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert!(said.contains("2 functions"), "{said}");
    let listed = |words: &[&str]| said.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
    assert!(listed(&["command", "count(*stdin)", "Runs", "the", "program", "wc."]), "{said}");
    assert!(
        listed(&["command", "own(arg0,", "*stdin,", "name)", "Runs", "the", "program", "tool."]),
        "{said}"
    );
}
