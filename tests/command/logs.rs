//! What the server says of itself, on standard error, as `RUST_LOG` asks.

use std::time::Duration;

use crate::support::Program;

/// Standard error of a server that was started and ended with this filter.
fn said(filter: &str) -> String {
    let args = ["serve", "--builtin", "--workers", "1", "--bind", "127.0.0.1:0"];
    let mut program = Program::start(&args, |command| {
        command.env("RUST_LOG", filter);
    });
    assert!(program.line().starts_with("forkpool listening on "));
    program.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = program.ended(Duration::from_secs(15));
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    ended.errors
}

#[test]
fn a_filter_chooses_levels_and_parts() {
    assert!(said("").contains(" INFO "), "info, if it is empty");
    assert_eq!(said("off"), "");
    assert_eq!(said("warn"), "");
    assert!(said("warn, forkpool=info,").contains(" INFO "));
    assert_eq!(said("info,forkpool=warn"), "");
}

#[test]
fn a_filter_that_is_none_is_told_and_info_is_logged() {
    for (filter, word) in [("forkpool=loud", "loud"), ("warning", "warning")] {
        let errors = said(filter);
        assert!(errors.contains(&format!("RUST_LOG={filter:?} is no filter: {word:?}")), "{errors}");
        assert!(errors.contains(" INFO "), "{errors}");
    }
}
