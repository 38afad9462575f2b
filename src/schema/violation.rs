//! What does not fit, in words and by its path.

use serde_json::Value;

/// An argument that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaViolation {
    /// Where: `$.size[1]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl SchemaViolation {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// One that is about all of them.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::new("$", message)
    }
}

/// The path to a member of the arguments.
pub(super) fn member(name: &str) -> String {
    let mut path = "$".to_owned();
    push(&mut path, name);
    path
}

fn push(path: &mut String, step: &str) {
    let word = step.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    let plain = word && !step.is_empty() && !step.starts_with(|first: char| first.is_ascii_digit());
    if plain {
        path.push('.');
        path.push_str(step);
    } else {
        path.push_str(&format!("[{}]", Value::from(step)));
    }
}
