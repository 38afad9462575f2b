//! `forkpool openapi` prints the document of what would be served, and serves nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::{Program, fixture};

const BOUND: Duration = Duration::from_secs(15);
const CHECKED_IN: &str = include_str!("../../openapi/openapi.json");

/// With tokens, as the contract has them; without, it says nothing of them.
#[test]
fn without_functions_it_is_the_checked_in_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("{}\n", "t".repeat(32))).expect("a file");
    std::fs::set_permissions(&tokens, Permissions::from_mode(0o600)).expect("its owner's alone");
    let tokens = tokens.to_str().expect("text");
    let ended = Program::run(&["openapi", "--token-file", tokens], BOUND, |_| ());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(ended.out == CHECKED_IN, "not the file in openapi/");
    let ended = Program::run(&["openapi", "--public-url", "https://pool.example/jobs"], BOUND, |_| ());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(!ended.out.contains("bearer") && ended.out.contains("\"security\": []"), "of tokens");
    assert!(ended.out.contains("\"servers\": [{\"url\": \"https://pool.example/jobs\"}]"));
}

#[test]
fn functions_have_an_operation_each() {
    let ended =
        Program::run(&["openapi", &fixture("offered.py"), "--builtin", "--workers", "3"], BOUND, |_| ());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    for path in ["/v1/functions/offered.public/call", "/v1/functions/builtin.square/call_async"] {
        assert!(ended.out.contains(&format!("\"{path}\"")), "{path}");
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
