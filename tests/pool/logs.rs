//! What tasks write: each job's own log, its bound, and the lines on the server's standard error.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);

const TALK: &str = r#"
import ctypes
import os
import sys
import time


def talk(name):
    print(f"{name} by print")
    print(f"{name} to stderr", file=sys.stderr)
    os.write(1, f"{name} by descriptor 1\n".encode())
    os.write(2, f"{name} by descriptor 2\n".encode())
    ctypes.CDLL(None).puts(f"{name} from C".encode())
    return os.getpid()


def lines(name, count):
    for i in range(count):
        print(f"{name} {i}", flush=True)
        time.sleep(0.001)
    return os.getpid()


def meet_and_write(name, folder, count):
    """Writes when the other one is there too."""
    open(os.path.join(folder, name), "w").close()
    while len(os.listdir(folder)) < 2:
        time.sleep(0.001)
    return lines(name, count)
"#;

const WAYS: [&str; 5] = ["by print", "to stderr", "by descriptor 1", "by descriptor 2", "from C"];

struct Talk {
    _folder: TempDir,
    file: PathBuf,
}

impl Talk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("talk.py");
        std::fs::write(&file, TALK).expect("written");
        Self { _folder: folder, file }
    }

    fn serve(&self, more: &[&str]) -> Server {
        Server::bare(&[&[&*self.file.to_string_lossy()], more].concat())
    }
}

fn submit(server: &Server, function: &str, args: &Value) -> String {
    server.post("/v1/apply_async", &json!({"function": format!("talk.{function}"), "args": args})).accepted()
}

#[track_caller]
fn log(server: &Server, id: &str) -> String {
    let answer = server.get(&format!("/v1/jobs/{id}/logs"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/plain"), "{kind}");
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[test]
fn a_jobs_log_has_all_that_it_wrote() {
    let talk = Talk::new();
    let server = talk.serve(&["--workers", "1"]);
    for name in ["first", "second"] {
        let id = submit(&server, "talk", &json!([name]));
        server.result(&id, 10.0).value();
        // What a task wrote is in its log before its answer is out.
        let log = log(&server, &id);
        let mut lines: Vec<&str> = log.lines().collect();
        lines.sort_unstable();
        let mut wanted = WAYS.map(|way| format!("{name} {way}"));
        wanted.sort_unstable();
        assert_eq!(lines, wanted);
    }
    let silent = submit(&server, "lines", &json!(["none", 0]));
    server.result(&silent, 10.0).value();
    assert_eq!(log(&server, &silent), "", "a job that wrote nothing");
}

#[test]
fn a_log_is_cut_at_its_limit_and_says_so() {
    let talk = Talk::new();
    let server = talk.serve(&["--workers", "1", "--log-limit", "1KiB"]);
    let id = submit(&server, "lines", &json!(["line", 500]));
    server.result(&id, 20.0).value();
    let text = log(&server, &id);
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("cut"), "the last line says that it was cut: {last:?}");
    let kept = text.strip_suffix('\n').and_then(|text| text.strip_suffix(last)).expect("the last line");
    assert!(kept.len() >= 1_000 && kept.len() <= 1_025, "{} bytes kept", kept.len());
    assert!(kept.starts_with("line 0\nline 1\n"), "the beginning is kept: {kept}");
    let small = submit(&server, "lines", &json!(["line", 10]));
    server.result(&small, 20.0).value();
    let whole: String = (0..10).map(|i| format!("line {i}\n")).collect();
    assert_eq!(log(&server, &small), whole, "what fits is whole and unmarked");
}

#[test]
fn two_jobs_at_once_do_not_mix() {
    let talk = Talk::new();
    let server = talk.serve(&["--workers", "2"]);
    let meeting = tempfile::tempdir().expect("a temporary folder");
    let start = |name: &str| submit(&server, "meet_and_write", &json!([name, meeting.path(), 200]));
    let ids = ["left", "right"].map(|name| (name, start(name)));
    let pids = ids.clone().map(|(_, id)| server.result(&id, 30.0).value());
    assert_ne!(pids[0], pids[1], "two workers");
    for (name, id) in &ids {
        let whole: String = (0..200).map(|i| format!("{name} {i}\n")).collect();
        assert_eq!(log(&server, id), whole);
    }
}

/// Lines of the server's standard error that hold these words.
fn said(server: &Server, words: &str) -> Vec<String> {
    server.errors().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
}

#[test]
fn each_line_is_on_stderr_with_job_function_and_pid() {
    let talk = Talk::new();
    let server = talk.serve(&["--workers", "2"]);
    for name in ["one", "two"] {
        let id = submit(&server, "talk", &json!([name]));
        let pid = server.result(&id, 10.0).value();
        for way in WAYS {
            let words = format!("{name} {way}");
            wait_until(BOUND, "the line is on stderr", || !said(&server, &words).is_empty());
            let lines = said(&server, &words);
            assert_eq!(lines.len(), 1, "once: {lines:?}");
            for part in [id.as_str(), "talk.talk", &format!("pid={pid}")] {
                assert!(lines[0].contains(part), "{part} in {:?}", lines[0]);
            }
        }
    }
}

#[test]
fn output_may_be_kept_out_of_stderr() {
    let talk = Talk::new();
    let mut server = talk.serve(&["--worker-output=job"]);
    let id = submit(&server, "talk", &json!(["quiet"]));
    server.result(&id, 10.0).value();
    let text = log(&server, &id);
    assert!(WAYS.iter().all(|way| text.contains(&format!("quiet {way}"))), "{text}");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.ended(BOUND);
    // It comes after all that went before.
    wait_until(BOUND, "the server said that it stops", || !said(&server, "stopping").is_empty());
    assert_eq!(said(&server, "quiet"), Vec::<String>::new());
}
