//! A thousand pools made and terminated leave the server as it was.

use serde_json::json;

use super::{apply, make, server};
use crate::support::{Server, scaled};

fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}

fn round(server: &Server, number: usize) {
    let name = format!("again-{}", number % 7);
    let made = make(server, &name, &json!({"processes": 2}));
    assert_eq!(made.status, 201, "round {number}: {}", made.text());
    if number.is_multiple_of(3) {
        assert!(apply(server, &name, "pid", &json!([])).value().is_u64());
    }
    assert_eq!(server.delete(&format!("/v1/pools/{name}")).status, 204, "round {number}");
}

#[test]
fn a_thousand_pools_leave_nothing() {
    let server = server(&[]);
    // What is only allocated once is there after a few rounds.
    (0..30).for_each(|number| round(&server, number));
    let (descriptors, before) = (server.fds(), memory(&server));
    let processes = server.processes().len();
    (0..scaled(1_000)).for_each(|number| round(&server, number));
    server.nothing_left(descriptors);
    assert_eq!(server.processes().len(), processes, "processes");
    let after = memory(&server);
    assert!(after < before + (4 << 20), "{before} bytes before, {after} after");
    assert!(apply(&server, "python", "pid", &json!([])).value().is_u64());
}
