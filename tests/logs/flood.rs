//! More is logged than anybody reads.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::{BOUND, FUNCTIONS};
use crate::support::{Client, Seat, binary, proc, wait_until};
use nix::sys::signal::Signal;

/// More than wait at most, and more than a pipe holds.
const LINES: usize = 30_000;

/// A server whose standard error nobody reads; it is ended with the test.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_holds_no_one_and_says_what_is_missing() {
    let _seat = Seat::take(false);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("faults.py");
    std::fs::write(&file, FUNCTIONS).expect("written");
    let mut command = Command::new(binary());
    command.arg("serve").arg(&file).args(["--workers", "1", "--bind", "127.0.0.1:0", "--log-limit", "1MiB"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Unread(command.spawn().expect("the binary can be started"));
    let mut ready = String::new();
    let stdout = server.0.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut ready).expect("a ready line");
    let address = ready.trim_end().strip_prefix("forkpool listening on ").expect("a ready line");
    let client = Client::new(address, false);
    client.apply("count", &json!([LINES])).value();
    let job = client.submit("fail", &json!(["after it all"]));
    client.result(&job, 10.0).outcome("function-raised");

    let mut log = BufReader::new(server.0.stderr.take().expect("stderr is piped"));
    let (mut lines, mut missing) = (0, None);
    for line in log.by_ref().lines() {
        let line = line.expect("UTF-8");
        lines += usize::from(line.contains("forkpool::output: line "));
        if line.contains("lines of the log were dropped") {
            missing = line.split(' ').find_map(|word| word.parse::<usize>().ok());
            assert!(line.contains(" WARN forkpool::telemetry: "), "{line}");
            break;
        }
    }
    // The failed job's line came after the dropped ones: it is one of them.
    assert_eq!(missing, Some(LINES + 1 - lines), "{lines} lines came");
    assert!(lines > 10_000, "{lines} lines came");
    // It goes on.
    let pid = i32::try_from(server.0.id()).expect("a pid fits");
    proc::signal(pid, Signal::SIGTERM);
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("UTF-8");
    assert!(rest.contains("stopping") && rest.contains("stopped"), "{rest}");
    wait_until(BOUND, "the server ends", || server.0.try_wait().expect("waited for").is_some());
}
