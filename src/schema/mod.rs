//! What a function's arguments and value must be, as JSON Schema, and how arguments by name become those of a
//! call.
//!
//! Nothing is checked here: what the arguments must be is for the worker alone to say, whose own types know more
//! than their description.

mod arrange;
mod large;
mod violation;

use serde_json::{Value, json};

pub use arrange::Arranged;
pub use large::with_large_integers;
pub use violation::SchemaViolation;

/// What is known of a function's arguments and value.
#[derive(Debug, Clone, Default)]
pub struct Types {
    parameters: Option<Value>,
    returns: Option<Value>,
    positional: Vec<String>,
    rest: Option<String>,
}

impl Types {
    /// As its runtime says: the schema of the object of its arguments by name, that of its value, the names of
    /// those that are given by position, and of the one whose items follow them.
    pub fn new(
        parameters: Option<Value>,
        returns: Option<Value>,
        positional: Vec<String>,
        rest: Option<String>,
    ) -> Self {
        Self { parameters, returns, positional, rest }
    }

    /// The schema of the object of its arguments.
    pub fn parameters(&self) -> Option<&Value> {
        self.parameters.as_ref()
    }

    /// The schema of its value.
    pub fn returns(&self) -> Option<&Value> {
        self.returns.as_ref()
    }

    /// The schema of the body of a typed call: where nothing is known, `args` are the positional arguments and
    /// every other member is a named one.
    pub fn body(&self) -> Value {
        let unknown = || json!({"type": "object", "properties": {"args": {"type": "array", "items": {}}}});
        self.parameters.clone().unwrap_or_else(unknown)
    }

    /// A path in the arguments of a call as one in the arguments by name.
    pub fn path_by_name(&self, path: &str) -> String {
        // Of a typed call's payload: an array of both.
        if let Some(rest) = path.strip_prefix("$.kwargs").or(path.strip_prefix("$[1]")) {
            return format!("${rest}");
        }
        let args = path.strip_prefix("$.args").or(path.strip_prefix("$[0]"));
        let Some(rest) = args else { return path.to_owned() };
        let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
            return "$".to_owned();
        };
        let Ok(index) = index.parse::<usize>() else { return "$".to_owned() };
        match (self.positional.get(index), &self.rest) {
            (Some(name), _) => format!("{}{after}", violation::member(name)),
            (None, Some(name)) => {
                format!("{}[{}]{after}", violation::member(name), index - self.positional.len())
            }
            (None, None) => format!("$.args[{index}]{after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thumbnail() -> Types {
        let parameters = json!({
            "type": "object", "required": ["image"], "additionalProperties": false,
            "properties": {"image": {"type": "string"}, "size": {"type": "array", "items": {"type": "integer"}},
                           "more": {"type": "array"}}
        });
        Types::new(Some(parameters), None, vec!["image".into()], Some("more".into()))
    }

    #[test]
    fn paths_of_calls_become_paths_by_name() {
        let types = thumbnail();
        for (of_call, by_name) in [
            ("$.args[0].x", "$.image.x"),
            ("$.args[2]", "$.more[1]"),
            ("$.kwargs.size[0]", "$.size[0]"),
            ("$.args", "$"),
            ("$", "$"),
        ] {
            assert_eq!(types.path_by_name(of_call), by_name);
        }
    }
}
