//! What the server's log says: of the start, of jobs that ended, of workers that died, of requests, of what tasks
//! print; as text and as JSON.

mod flood;
mod format;
mod jobs;
mod output;
mod requests;
mod workers;

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, wait_until};

const BOUND: Duration = Duration::from_secs(10);

const FUNCTIONS: &str = r#"
import os
import sys
import time


def square(x):
    return x * x


def fail(message):
    raise ValueError(message)


def fail_once(path):
    if not os.path.exists(path):
        open(path, "w").close()
        raise KeyError("at first")


def fail_on_items_once(path):
    fail_once(path + ".done")


def nap(seconds):
    time.sleep(seconds)


def leave(code):
    os._exit(code)


def kill_myself(number):
    os.kill(os.getpid(), number)
    time.sleep(10)


def write(pieces, pause=0):
    for piece in pieces:
        os.write(2, piece.encode("utf-8", "surrogateescape"))
        time.sleep(pause)


def count(n):
    for i in range(n):
        print("line", i)
"#;

/// A server whose log is JSON, and that log.
struct Logged {
    server: Server,
    _folder: TempDir,
}

impl Deref for Logged {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Logged {
    #[track_caller]
    fn serve(args: &[&str]) -> Self {
        Self::with_filter("", args)
    }

    /// With a filter in `RUST_LOG`.
    #[track_caller]
    fn with_filter(filter: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("faults.py");
        std::fs::write(&file, FUNCTIONS).expect("written");
        let file = file.to_string_lossy();
        let all = [&["--log-format=json"], args].concat();
        let server = Server::bare_with_environment(&[&[&*file], &*all].concat(), &[("RUST_LOG", filter)]);
        Self { server, _folder: folder }
    }

    /// A path in a folder that is the server's own.
    fn path(&self, name: &str) -> String {
        self._folder.path().join(name).to_string_lossy().into_owned()
    }

    #[track_caller]
    fn submit(&self, function: &str, args: &Value, options: &Value) -> String {
        let mut body = json!({"function": format!("faults.{function}"), "args": args});
        let more = options.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(more);
        self.post("/v1/apply_async", &body).accepted()
    }

    /// Every line of the log so far, each of which must be a JSON object with time, level, target and message.
    #[track_caller]
    fn lines(&self) -> Vec<Value> {
        let text = self.errors();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(line_of).collect()
    }

    /// Those that say this.
    #[track_caller]
    fn said(&self, message: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["message"] == message).collect()
    }

    /// The one line that says this of a job (or whatever else has this value in this field), once it is there.
    #[track_caller]
    fn line(&self, message: &str, field: &str, value: &str) -> Value {
        let mut found = Vec::new();
        wait_until(BOUND, &format!("the log says that {message} ({field}={value})"), || {
            found = self.said(message).into_iter().filter(|line| line[field] == value).collect();
            !found.is_empty()
        });
        assert_eq!(found.len(), 1, "once: {found:?}");
        found.remove(0)
    }

    /// Ends the server; its whole log.
    #[track_caller]
    fn ended(mut self) -> Vec<Value> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(self.server.ended(BOUND).success());
        wait_until(BOUND, "the log says that it ended", || !self.said("stopped").is_empty());
        self.lines()
    }
}

#[track_caller]
fn line_of(text: &str) -> Value {
    let line: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let time = line["time"].as_str().unwrap_or_default();
    assert!(time.len() == 27 && time.ends_with('Z') && time.contains('T'), "{text}");
    let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    assert!(line["level"].as_str().is_some_and(|level| levels.contains(&level)), "{text}");
    assert!(line["target"].as_str().is_some_and(|target| target.starts_with("forkpool")), "{text}");
    assert!(line["message"].is_string(), "{text}");
    let is_flat = |value: &Value| !value.is_object() && !value.is_array() && !value.is_null();
    assert!(line.as_object().is_some_and(|members| members.values().all(is_flat)), "{text}");
    line
}
