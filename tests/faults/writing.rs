//! f19: functions that write a lot, by every way there is, and read where nothing comes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Server;

const MEGABYTES: u64 = 10;

fn writes_much(args: &[&str]) {
    let server = Server::start(args);
    let start = Instant::now();
    assert_eq!(server.apply("print_much", &json!([MEGABYTES])).value(), MEGABYTES);
    assert!(start.elapsed() < Duration::from_secs(20), "10 MB took {:?}", start.elapsed());
    let id = server.submit("print_much", &json!([MEGABYTES]));
    for i in 0..50 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i, "beside it");
    }
    assert_eq!(server.result(&id, 20.0).value(), MEGABYTES);
}

#[test]
fn f19_ten_megabytes_to_the_servers_stderr() {
    writes_much(&[]);
}

#[test]
fn f19_ten_megabytes_to_the_jobs_log_alone() {
    writes_much(&["--worker-output", "job"]);
}

#[test]
fn output_is_told_on_stderr_with_job_function_and_pid() {
    let server = Server::start(&["--workers", "1"]);
    let id = server.submit("print_much", &json!([0]));
    server.result(&id, 5.0).value();
    let pid = server.workers()[0].pid.to_string();
    crate::support::wait_until(Duration::from_secs(5), "the line is on stderr", || {
        let errors = server.errors();
        let line = errors.lines().find(|line| line.contains("from C")).unwrap_or_default().to_owned();
        line.contains(&id) && line.contains("faults.print_much") && line.contains(&pid)
    });
}

#[test]
fn reading_input_ends_at_once() {
    let server = Server::start(&[]);
    assert_eq!(server.apply("read_input", &json!([])).value(), "");
}
