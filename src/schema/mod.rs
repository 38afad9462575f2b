//! What a function's arguments and value must be, as JSON Schema.
//!
//! Nothing is checked here: what the arguments must be is for the worker alone to say, whose own types know more
//! than their description.

mod large;

use serde_json::{Value, json};

pub use large::{is_large_integer, with_large_integers};

/// What is known of a function's arguments and value.
#[derive(Debug, Clone, Default)]
pub struct Types {
    parameters: Option<Value>,
    returns: Option<Value>,
}

impl Types {
    /// As its runtime says: the schema of the object of its arguments by name, and that of its value.
    pub fn new(parameters: Option<Value>, returns: Option<Value>) -> Self {
        Self { parameters, returns }
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
}
