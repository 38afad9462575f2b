//! `--bind unix:/path`: its ready line, its rights, what it replaces and what it leaves.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Ended, Program, UnixClient, fixture};

const BOUND: Duration = Duration::from_secs(20);

fn start(socket: &Path) -> Program {
    let bind = format!("unix:{}", socket.display());
    Program::start(&["serve", &fixture("faults.py"), "--workers", "1", "--bind", &bind], |_| ())
}

/// A server that has said that it is ready.
fn ready(socket: &Path) -> Program {
    let server = start(socket);
    assert_eq!(server.line(), format!("forkpool listening on unix:{}", socket.display()));
    server
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

#[track_caller]
fn serves(socket: &Path) {
    let client = UnixClient::new(socket);
    let body = json!({"function": "faults.square", "args": [7]});
    assert_eq!(client.post("/v1/apply", &body).value(), 49);
}

#[track_caller]
fn refused(ended: &Ended, socket: &Path) {
    assert!(ended.status.code().is_some_and(|code| code != 0), "{}", ended.status);
    assert_eq!(ended.out, "", "no ready line");
    assert!(ended.errors.contains(&socket.display().to_string()), "{}", ended.errors);
    assert!(!ended.errors.contains("panicked"), "{}", ended.errors);
}

#[test]
fn requests_work_over_it_and_it_is_its_owners_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("forkpool.sock");
    let mut server = ready(&socket);
    assert!(is_socket(&socket));
    let mode = fs::metadata(&socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "{mode:o}");
    let client = UnixClient::new(&socket);
    assert_eq!(client.get("/readyz").status, 200);
    serves(&socket);
    let body = json!({"function": "faults.fail", "args": ["no"]});
    client.post("/v1/apply", &body).outcome("function-raised");
    let id = client.post("/v1/apply_async", &json!({"function": "faults.nap", "args": [0.1]})).accepted();
    assert_eq!(client.get(&format!("/v1/jobs/{id}/result?timeout=20")).value(), 0.1);
    server.stops_well();
    assert!(!socket.exists(), "the file is gone after the stop");
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("forkpool.sock");
    let mut first = ready(&socket);
    first.signal(Signal::SIGKILL);
    first.ended(BOUND);
    first.nothing_left();
    assert!(is_socket(&socket), "a killed server leaves its socket");
    let mut second = ready(&socket);
    serves(&socket);
    second.stops_well();
    assert!(!socket.exists());
}

#[test]
fn a_second_server_on_a_live_socket_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("forkpool.sock");
    let mut first = ready(&socket);
    let mut second = start(&socket);
    let ended = second.ended(BOUND);
    second.nothing_left();
    refused(&ended, &socket);
    assert!(is_socket(&socket));
    serves(&socket);
    first.stops_well();
    assert!(!socket.exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("precious");
    fs::write(&file, "content").expect("written");
    let mut server = start(&file);
    let ended = server.ended(BOUND);
    server.nothing_left();
    refused(&ended, &file);
    assert!(ended.errors.contains("no socket; remove or rename it"), "{}", ended.errors);
    let nowhere = folder.path().join("no-folder/s");
    let ended = start(&nowhere).ended(BOUND);
    refused(&ended, &nowhere);
    assert!(ended.errors.contains("its folder is not there; make it first"), "{}", ended.errors);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "content");
}

#[test]
fn a_start_that_is_refused_leaves_no_socket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("forkpool.sock");
    let bind = format!("unix:{}", socket.display());
    let ended = Program::run(&["serve", &fixture("refused/raises.py"), "--bind", &bind], BOUND, |_| ());
    assert!(ended.status.code().is_some_and(|code| code != 0), "{}", ended.status);
    assert!(!socket.exists(), "the file is gone");
}
