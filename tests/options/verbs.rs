//! The server of the options' tests: it offers `verbs.py` besides, and its files lie in a folder of the test's
//! own.

use std::fs;
use std::ops::Deref;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Server, fixture};

/// A server that offers `verbs.py`, and a folder for what its functions write.
#[derive(Debug)]
pub struct Verbs {
    server: Server,
    folder: TempDir,
}

impl Deref for Verbs {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Verbs {
    /// With so many workers.
    #[track_caller]
    pub fn start(workers: usize) -> Self {
        let (file, workers) = (fixture("verbs.py"), workers.to_string());
        Self::of(Server::start(&[&file, "--workers", &workers]))
    }

    /// The same, with no other test beside it.
    #[track_caller]
    pub fn alone(workers: usize) -> Self {
        let (file, workers) = (fixture("verbs.py"), workers.to_string());
        Self::of(Server::alone(&[&file, "--workers", &workers]))
    }

    #[track_caller]
    fn of(server: Server) -> Self {
        Self { server, folder: tempfile::tempdir().expect("a folder can be made") }
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// The words that functions wrote to a file; none if there is none.
    pub fn words(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// POST of a call or map of `verbs.py` with options: `first` and then `options`.
    #[track_caller]
    pub fn ask(&self, verb: &str, function: &str, given: &Value, options: &Value) -> Answer {
        self.post(&format!("/v1/{verb}"), &body(verb, &format!("verbs.{function}"), given, options))
    }

    /// The same for a verb that answers a job: its id.
    #[track_caller]
    pub fn job_of(&self, verb: &str, function: &str, given: &Value, options: &Value) -> String {
        self.ask(verb, function, given, options).accepted()
    }
}

/// A body of this verb.
pub fn body(verb: &str, function: &str, given: &Value, options: &Value) -> Value {
    let name = if verb.starts_with("apply") { "args" } else { "iterable" };
    let mut members = Map::new();
    members.insert("function".to_owned(), json!(function));
    members.insert(name.to_owned(), given.clone());
    for (name, value) in options.as_object().into_iter().flatten() {
        members.insert(name.clone(), value.clone());
    }
    Value::Object(members)
}
