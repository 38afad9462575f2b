//! f19: functions that write a lot, by every way there is, and read where nothing comes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Server, proc, scaled};

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

/// 1 GiB, or what `TEST_SCALE` makes of it: the job ends well, its log is cut and says so, nothing piles up.
#[test]
fn f19_a_gigabyte_is_cut_in_the_log_and_held_nowhere() {
    let server = Server::start(&["--worker-output", "job", "--workers", "2"]);
    server.apply("flood", &json!([1])).value();
    let (before, megabytes) = (proc::peak_memory(server.pid()), scaled(1_024));
    let id = server.submit("flood", &json!([megabytes]));
    for i in 0..50 {
        assert_eq!(server.apply("square", &json!([i])).value(), i * i, "beside it");
    }
    // A client waits for a minute at most.
    let mut answers = (0..4).map(|_| server.result(&id, 30.0));
    let answer = answers.find(|answer| answer.status != 408).expect("it ends within 120 s");
    assert_eq!(answer.value(), megabytes);
    let log = server.get(&format!("/v1/jobs/{id}/logs")).text_whole();
    let (kept, mark) = log.split_at(64 << 10);
    assert!(kept.lines().all(|line| line.bytes().all(|byte| byte == b'x')), "what is kept is what it wrote");
    assert_eq!(mark, "\n[cut: the job wrote more]\n");
    let grown = proc::peak_memory(server.pid()) - before;
    assert!(grown < 8 << 20, "the server grew by {} KiB", grown / 1024);
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
