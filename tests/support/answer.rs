//! An HTTP answer, and the rules that hold for every answer of its kind.

use std::time::Duration;

use serde_json::Value;

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// From before the connection to the last byte.
    pub took: Duration,
}

impl Answer {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, cut for messages.
    pub fn text(&self) -> String {
        let head = &self.body[..self.body.len().min(2_000)];
        String::from_utf8_lossy(head).into_owned()
    }

    /// The body as text, all of it.
    #[track_caller]
    pub fn text_whole(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}: not JSON ({error}): {}", self.status, self.text()))
    }

    /// A 200 with a JSON body: the bare value.
    #[track_caller]
    pub fn value(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        let content_type = self.header("content-type").unwrap_or("absent");
        assert!(content_type.starts_with("application/json"), "content type of a value: {content_type}");
        self.json()
    }

    /// A 202 with a job: its id, told alike in `Location`, `Forkpool-Job` and the body.
    #[track_caller]
    pub fn accepted(&self) -> String {
        assert_eq!(self.status, 202, "{}", self.text());
        let job = self.json();
        let id = job["id"].as_str().unwrap_or_else(|| panic!("a job without an id: {job}")).to_owned();
        assert_eq!(self.header("location"), Some(format!("/v1/jobs/{id}").as_str()), "Location");
        assert_eq!(self.header("forkpool-job"), Some(id.as_str()), "Forkpool-Job");
        assert_eq!(job["state"], "queued", "as it was submitted, however quick its pool is: {job}");
        id
    }

    /// A problem of this status, with every member that problems have.
    #[track_caller]
    pub fn problem_of(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.json();
        for member in ["type", "title", "detail", "code"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "a problem without {member}: {problem}");
        }
        assert_eq!(problem["status"], status, "{problem}");
        assert!(!holds_null(&problem), "absent members are left out, never null: {problem}");
        problem
    }

    /// A problem of this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.problem_of(status);
        assert_eq!(problem["code"], code, "{problem}");
        problem
    }

    /// The outcome of a job that ended without a value: 422, with the job's path as its instance.
    #[track_caller]
    pub fn outcome(&self, code: &str) -> Value {
        let problem = self.problem(422, code);
        let instance = problem["instance"].as_str().unwrap_or_default();
        assert!(instance.starts_with("/v1/jobs/"), "an outcome without its job as instance: {problem}");
        if let Some(id) = self.header("forkpool-job") {
            assert_eq!(instance, format!("/v1/jobs/{id}"), "instance and Forkpool-Job differ");
        }
        problem
    }

    /// Whether the body says this anywhere.
    pub fn says(&self, needle: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(needle)
    }
}

/// Whether a null is anywhere in a value.
pub fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(members) => members.values().any(holds_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
