//! `forkpool openapi` prints the document that is checked in, and serves nothing.

use std::time::Duration;

use crate::support::{Program, fixture};

const BOUND: Duration = Duration::from_secs(15);
const CHECKED_IN: &str = include_str!("../../openapi/openapi.json");

#[test]
fn it_is_the_checked_in_document() {
    let offered = fixture("offered.py");
    for args in [&["openapi"][..], &["openapi", &offered, "--builtin", "--workers", "3"]] {
        let ended = Program::run(args, BOUND, |_| ());
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {}", ended.errors);
        assert!(ended.out.trim_end() == CHECKED_IN.trim_end(), "{args:?}: not openapi/openapi.json");
    }
}

#[test]
fn wrong_usage_is_status_2_and_prints_no_document() {
    for args in [
        &["openapi", "--no-such-flag"][..],
        &["openapi", "--builtin", "--workers", "0"],
        &["openapi", "/no/such/file.py"],
    ] {
        let ended = Program::run(args, BOUND, |_| ());
        assert_eq!(ended.status.code(), Some(2), "{args:?}: {}", ended.errors);
        assert_eq!(ended.out, "", "{args:?}");
        assert!(!ended.errors.is_empty(), "{args:?} says why");
    }
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let ended = Program::run(&["openapi"], BOUND, |command| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.stdout(writer);
    });
    assert!(!ended.errors.contains("panicked"), "{}", ended.errors);
}
