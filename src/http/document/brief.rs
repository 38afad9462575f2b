//! The document in brief, of functions alone: for tools that show each operation to a person or a model, and for
//! clients that only call. It says less of each operation, and nothing that isn't so.

use serde_json::{Map, Value, json};

use super::checked_in::Contract;

/// The operations that wait for results.
const KEPT: [&str; 3] = ["getJob", "getResult", "cancelJob"];
/// The tags that those and the functions' own have.
const TAGS: [&str; 2] = ["functions", "jobs"];
/// The parameters that operations keep: those that name something or wait, and the option that most calls want.
const PARAMETERS: [&str; 4] = ["id", "run_timeout", "timeout", "wait"];
/// Members of a response or a schema that only explain.
const EXPLAIN: [&str; 4] = ["example", "examples", "headers", "links"];

/// What it says of a job and of a problem: the members that a caller goes on by.
const MEMBERS: [(&str, &[&str]); 2] = [
    ("Job", &["error", "id", "progress", "ready", "state", "successful"]),
    ("Problem", &["code", "detail", "exception", "index", "path", "status", "title"]),
];

/// The response that stands for all that are no success.
const FAILED: &str = "Failed";

/// Whether this tag is in it.
pub fn has_tag(name: &str) -> bool {
    TAGS.contains(&name)
}

/// Drops the operations that are left out.
pub fn keep_operations(item: &mut Value) {
    if let Some(item) = item.as_object_mut() {
        item.retain(|_, operation| operation["operationId"].as_str().is_some_and(|id| KEPT.contains(&id)));
    }
}

/// With its most wanted parameters, its success, and one response for all else.
pub fn operation(operation: &mut Value, contract: &Contract<'_>) {
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        let name = |parameter: &Value| contract.resolved(parameter)["name"].take();
        parameters.retain(|said| name(said).as_str().is_some_and(|name| PARAMETERS.contains(&name)));
    }
    // The three that are kept say in full what they do; what functions say of themselves is put in later.
    let about = operation["description"].take();
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.retain(|status, _| status.starts_with('2'));
        responses.insert("default".into(), json!({"$ref": format!("#/components/responses/{FAILED}")}));
    }
    shorten(operation);
    operation["description"] = about;
}

/// A schema with its most wanted members, and what is said of them in short.
pub fn schema(name: &str, schema: &mut Value) {
    if let Some((_, kept)) = MEMBERS.iter().find(|(of, _)| *of == name) {
        if let Some(members) = schema["properties"].as_object_mut() {
            members.retain(|name, _| kept.contains(&name.as_str()));
        }
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name.as_str().is_some_and(|name| kept.contains(&name)));
        }
    }
    shorten(schema);
}

/// The component of this group that it has more than the whole document.
pub fn component(group: &str) -> Option<(&'static str, Value)> {
    let failed = json!({
        "description": "It failed: `code` says why",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    });
    (group == "responses").then_some((FAILED, failed))
}

/// Descriptions of one clause, and nothing that only explains.
pub fn shorten(value: &mut Value) {
    match value {
        Value::Object(members) => {
            drop_explanations(members);
            for (name, member) in members {
                if name == "properties"
                    && let Some(named) = member.as_object_mut()
                {
                    // Names, not words of the document.
                    named.values_mut().for_each(shorten);
                } else if name == "description"
                    && let Value::String(text) = member
                {
                    *text = first_clause(text).to_owned();
                } else {
                    shorten(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_explanations(members: &mut Map<String, Value>) {
    members.retain(|name, _| !EXPLAIN.contains(&name.as_str()));
}

/// What stands before the first stop that is in no code.
fn first_clause(text: &str) -> &str {
    let mut in_code = false;
    let bytes = text.as_bytes();
    let stop = bytes.iter().enumerate().position(|(at, byte)| {
        in_code ^= *byte == b'`';
        let ends = bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        !in_code && ends && b".;:\n".contains(byte)
    });
    &text[..stop.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_its_first_clause() {
        for (text, clause) in [
            ("Seconds that it may wait: `queue-timeout`.", "Seconds that it may wait"),
            ("As `{\"a\": 1}. x`, mostly; or not.", "As `{\"a\": 1}. x`, mostly"),
            ("0.5 at first. Then more.", "0.5 at first"),
            ("One\n\ntwo", "One"),
            ("All", "All"),
            ("", ""),
        ] {
            assert_eq!(first_clause(text), clause);
        }
    }

    #[test]
    fn what_only_explains_is_left_out() {
        let mut schema = json!({"description": "A. B.", "example": 1, "type": "object",
                                "properties": {"links": {"description": "C: d"}, "description": {"type": "string"}}});
        shorten(&mut schema);
        assert_eq!(
            schema,
            json!({"description": "A", "type": "object",
                   "properties": {"links": {"description": "C"}, "description": {"type": "string"}}})
        );
    }
}
