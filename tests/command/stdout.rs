//! A server that cannot say that it is ready serves all the same.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{Program, UnixClient, fixture, never_within, wait_until};

fn serves_with(adjust: impl FnOnce(&mut Command)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("forkpool.sock");
    let bind = format!("unix:{}", socket.display());
    let args = ["serve", &fixture("faults.py"), "--workers", "1", "--bind", &bind];
    let mut server = Program::start(&args, adjust);
    let client = UnixClient::new(&socket);
    wait_until(Duration::from_secs(20), "it is ready", || {
        assert!(server.is_running(), "it ended: {}", server.errors());
        client.try_send("GET", "/readyz", None).is_ok_and(|answer| answer.status == 200)
    });
    // The line is written about now: whatever it does to the server shows.
    never_within(Duration::from_millis(300), "it ends", || !server.is_running());
    let body = json!({"function": "faults.square", "args": [9]});
    assert_eq!(client.post("/v1/apply", &body).value(), 81);
    let ended = server.stops_well();
    assert!(!ended.errors.contains("panicked"), "{}", ended.errors);
}

#[test]
fn it_serves_with_a_full_stdout() {
    serves_with(|command| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        command.stdout(full);
    });
}

#[test]
fn it_serves_with_a_reader_that_has_gone() {
    serves_with(|command| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.stdout(writer);
    });
}

#[test]
fn it_serves_with_nobody_listening() {
    serves_with(|command| {
        command.stdout(Stdio::null());
    });
}
