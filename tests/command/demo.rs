//! `forkpool demo` runs in any folder, says what is right, and leaves nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Client, Program, late, never_within, on_time};

const BOUND: Duration = Duration::from_secs(40);

/// In a folder where nobody can make a file (root included), with temporary files where they can be seen.
fn elsewhere(temporary: &Path) -> impl FnOnce(&mut Command) {
    assert!(fs::write("/proc/forkpool-test", "").is_err(), "this folder takes no files");
    move |command| {
        command.current_dir("/proc").env("TMPDIR", temporary);
    }
}

#[track_caller]
fn is_empty(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).expect("the folder can be read").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn the_demo_is_right_in_any_folder_and_leaves_nothing() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let ended = Program::run(&["demo"], BOUND, elsewhere(temporary.path()));
    assert_eq!(ended.status.code(), Some(0), "{}\n{}", ended.out, ended.errors);
    for answer in ["[1,4,9]", "[0,1,4,9,16,25,36,49,64,81]", "400", "TimeoutError", "unknown-function"] {
        assert!(ended.out.contains(answer), "{answer} in: {}", ended.out);
    }
    let asked = ended.out.lines().filter(|line| line.starts_with("curl ")).count();
    assert!(asked >= 10, "a curl line for each request: {asked}");
    let verdict = format!("All {asked} answers are right.");
    assert!(ended.out.lines().any(|line| line == verdict), "{verdict} in: {}", ended.out);
    is_empty(temporary.path());
}

#[test]
fn a_demo_that_keeps_serving_ends_by_ctrl_c_and_leaves_nothing() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let mut demo = Program::start(&["demo", "--keep", "--workers", "2"], elsewhere(temporary.path()));
    let base = loop {
        let line = demo.line();
        if let Some(rest) = line.strip_prefix("Still serving at ") {
            break rest.split(' ').next().unwrap_or_default().to_owned();
        }
    };
    let client = Client::new(&base, false);
    let body = serde_json::json!({"function": "pool.f", "iterable": [1, 2, 3]});
    assert_eq!(client.post("/v1/map", &body).value(), serde_json::json!([1, 4, 9]));
    never_within(Duration::from_millis(200), "it ends by itself", || !demo.is_running());
    demo.signal(Signal::SIGINT);
    let ended = demo.ended(Duration::from_secs(25));
    demo.nothing_left();
    is_empty(temporary.path());
    // Ctrl-C is how one ends it: the status is the tour's.
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
}

#[test]
fn a_demo_that_is_interrupted_in_its_tour_leaves_nothing() {
    on_time(|| {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let mut demo = Program::start(&["demo", "--workers", "2"], elsewhere(temporary.path()));
        demo.line();
        demo.signal(Signal::SIGINT);
        let ended = demo.ended(Duration::from_secs(25));
        demo.nothing_left();
        is_empty(temporary.path());
        if ended.out.contains("answers are right") {
            late("the tour was over before it was interrupted");
        }
        assert_eq!(ended.status.code(), Some(130), "{}", ended.errors);
    });
}
