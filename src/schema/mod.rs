//! What a function's arguments and value must be, as JSON Schema, and how arguments by name become those of a
//! call.
//!
//! The check here is a courtesy that spares a worker; what the worker says of the arguments is final. So a
//! schema that can't be read checks nothing.

mod arrange;
mod misfit;

use std::sync::OnceLock;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

pub use arrange::Arranged;
pub use misfit::Misfit;

/// Bytes that arguments may take as a value; beyond, they are the worker's alone to judge.
const CHECKED_COST_MAX: usize = 64 << 20;

/// What is known of a function's arguments and value.
#[derive(Debug, Default)]
pub struct Types {
    parameters: Option<Value>,
    returns: Option<Value>,
    positional: Vec<String>,
    rest: Option<String>,
    validator: OnceLock<Option<Validator>>,
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
        Self { parameters, returns, positional, rest, validator: OnceLock::new() }
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

    /// Whether the arguments, a JSON object, are what the schema says. Where nothing is said, there is nothing to
    /// check; the layout refuses `args` that are no array.
    pub fn check(&self, arguments: &[u8]) -> Result<(), Misfit> {
        if self.parameters.is_none() || cost(arguments) > CHECKED_COST_MAX {
            return Ok(());
        }
        let Some(validator) = self.validator.get_or_init(|| self.compiled()) else { return Ok(()) };
        // What can't be built here (a lone surrogate) is the worker's to judge.
        let Ok(value) = serde_json::from_slice::<Value>(arguments) else { return Ok(()) };
        validator.validate(&value).map_err(|error| Misfit::of(&error))
    }

    fn compiled(&self) -> Option<Validator> {
        // Patterns without backtracking: their time is bounded. Formats are the worker's: what Python takes for
        // a time is more than RFC 3339 does.
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(false);
        options.build(&self.body()).ok()
    }

    /// A path in the arguments of a call as one in the arguments by name.
    pub fn path_by_name(&self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix("$.kwargs") {
            return format!("${rest}");
        }
        let Some(rest) = path.strip_prefix("$.args") else { return path.to_owned() };
        let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
            return "$".to_owned();
        };
        let Ok(index) = index.parse::<usize>() else { return "$".to_owned() };
        match (self.positional.get(index), &self.rest) {
            (Some(name), _) => format!("{}{after}", misfit::member(name)),
            (None, Some(name)) => {
                format!("{}[{}]{after}", misfit::member(name), index - self.positional.len())
            }
            (None, None) => format!("$.args[{index}]{after}"),
        }
    }
}

/// What a JSON text takes as a value, about and at most: an object with anything in it has a node of a tree, an array
/// some places to spare. What stands in a string counts, too.
fn cost(json: &[u8]) -> usize {
    let of = |byte: &u8| match byte {
        b'{' => 640,
        b'[' => 160,
        b',' => 128,
        _ => 1,
    };
    json.iter().map(of).sum()
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
    fn a_misfit_names_its_path() {
        let types = thumbnail();
        assert_eq!(types.check(br#"{"image":"x","size":[1,2]}"#), Ok(()));
        for (arguments, path) in [
            (r"{}", "$.image"),
            (r#"{"image":1}"#, "$.image"),
            (r#"{"image":"x","size":[1,"2"]}"#, "$.size[1]"),
            (r#"{"image":"x","a b":1}"#, "$[\"a b\"]"),
        ] {
            let misfit = types.check(arguments.as_bytes()).expect_err(arguments);
            assert_eq!(misfit.path, path, "{arguments}: {}", misfit.message);
        }
        assert_eq!(Types::default().check(br#"{"any":"thing"}"#), Ok(()));
    }

    #[test]
    fn what_is_large_or_has_no_types_is_the_workers_to_judge() {
        let strings =
            json!({"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"}}}});
        let types = Types::new(Some(strings), None, Vec::new(), None);
        let items = |count: usize| format!("{{\"x\":[{}1]}}", "\"\",".repeat(count));
        assert!(types.check(items(1_000).as_bytes()).is_err());
        assert!(types.check(items(CHECKED_COST_MAX / 256).as_bytes()).is_err());
        assert_eq!(types.check(items(CHECKED_COST_MAX / 128).as_bytes()), Ok(()));
        assert_eq!(types.check(br#"{"x":[{"":1}]}"#).map_err(|misfit| misfit.path), Err("$.x[0]".into()));
        assert!(cost(br#"{"x":[{"":1}]}"#) > 1_400);
        assert_eq!(Types::default().check(b"no JSON at all"), Ok(()));
        assert!(Types::default().validator.get().is_none());
    }

    #[test]
    fn a_schema_that_is_none_checks_nothing() {
        let types = Types::new(Some(json!({"type": "no such type"})), None, Vec::new(), None);
        assert_eq!(types.check(b"{}"), Ok(()));
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
