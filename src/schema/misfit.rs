//! What does not fit, in words and by its path.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

const MESSAGE_CHARS_MAX: usize = 300;
const PATH_CHARS_MAX: usize = 1_024;

/// An argument that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where: `$.size[1]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Misfit {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// One that is about all of them.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::new("$", message)
    }

    pub(super) fn of(error: &ValidationError<'_>) -> Self {
        // Of a choice, what got furthest says most.
        let depth = |error: &ValidationError<'_>| error.instance_path().as_str().matches('/').count();
        if let ValidationErrorKind::AnyOf { context } = error.kind() {
            let furthest = context.iter().flatten().max_by_key(|inner| depth(inner));
            if let Some(inner) = furthest.filter(|inner| depth(inner) > depth(error)) {
                return Self::of(inner);
            }
        }
        let mut path = "$".to_owned();
        for step in error.instance_path().as_str().split('/').skip(1) {
            push(&mut path, &step.replace("~1", "/").replace("~0", "~"), true);
        }
        let missing = if let ValidationErrorKind::Required { property: Value::String(name) } = error.kind() {
            Some(name)
        } else {
            None
        };
        let unexpected = if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            unexpected.first()
        } else {
            None
        };
        let message = match (missing, unexpected) {
            (Some(name), _) => {
                push(&mut path, name, false);
                "the argument is missing".to_owned()
            }
            (None, Some(name)) => {
                push(&mut path, name, false);
                "there is no argument of this name".to_owned()
            }
            (None, None) => {
                error.masked_with("the value").to_string().chars().take(MESSAGE_CHARS_MAX).collect()
            }
        };
        Self { path: path.chars().take(PATH_CHARS_MAX).collect(), message }
    }
}

/// The path to a member of the arguments.
pub(super) fn member(name: &str) -> String {
    let mut path = "$".to_owned();
    push(&mut path, name, false);
    path
}

fn push(path: &mut String, step: &str, may_be_index: bool) {
    let digits = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let word = step.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    let plain = word && !step.is_empty() && !step.starts_with(|first: char| first.is_ascii_digit());
    if may_be_index && digits {
        path.push_str(&format!("[{step}]"));
    } else if plain {
        path.push('.');
        path.push_str(step);
    } else {
        path.push_str(&format!("[{}]", Value::from(step)));
    }
}
