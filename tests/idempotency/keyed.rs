//! What the tests of keys share: requests with a key, and functions that count their runs in a file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Answer, Server, fixture};

/// A server that offers `verbs.py` besides.
#[track_caller]
pub fn serve(args: &[&str]) -> Server {
    let file = fixture("verbs.py");
    Server::start(&[&[file.as_str()], args].concat())
}

/// POST with a key.
#[track_caller]
pub fn post(server: &Server, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    server.send("POST", path, &headers, Some(body.to_string().as_bytes()))
}

/// The same answer: status, body, and the headers that name things.
#[track_caller]
pub fn assert_same(one: &Answer, other: &Answer) {
    assert_eq!(one.status, other.status, "{} / {}", one.text(), other.text());
    assert_eq!(one.text(), other.text());
    for name in ["content-type", "forkpool-job", "location", "retry-after"] {
        assert_eq!(one.header(name), other.header(name), "{name}");
    }
}

/// A file in which runs are counted: a word each.
#[derive(Debug)]
pub struct Runs {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Runs {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { path: folder.path().join("runs"), _folder: folder }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How often a function wrote.
    pub fn count(&self) -> usize {
        std::fs::read_to_string(&self.path).map_or(0, |text| text.split_whitespace().count())
    }

    /// A call that counts itself, then sleeps.
    pub fn call(&self, seconds: f64) -> Value {
        json!({"function": "verbs.write_nap", "args": [seconds, self.path, "run"]})
    }
}
