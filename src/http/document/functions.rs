//! Operations of their own for the functions that are offered: `POST /v1/functions/tasks.square/call`, with the
//! types that the function says, beside the operation for any function.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::references::resolved;
use crate::catalog::Function;
use crate::runtime::Runtime;

/// The operations that those of a function are made from.
const OF_ANY: [(&str, &str); 4] = [
    ("/v1/functions/{name}/call", ""),
    ("/v1/functions/{name}/call_async", "_async"),
    ("/v1/functions/{name}/map", "_map"),
    ("/v1/functions/{name}/map_async", "_map_async"),
];

/// Adds the operations of each function.
pub fn add<'a>(document: &mut Value, functions: impl Iterator<Item = &'a Function>) {
    let mut taken: BTreeSet<String> = ids(document).collect();
    let generic = OF_ANY.map(|(path, suffix)| (path, suffix, of_any(document, path)));
    let mut runtimes: BTreeSet<Runtime> = BTreeSet::new();
    for function in functions {
        runtimes.insert(function.runtime);
        let mut definitions = Definitions::of(function, document);
        let body = definitions.moved(function.types.body());
        let value = definitions.moved(function.types.returns().cloned().unwrap_or_else(|| json!({})));
        let id = free_id(&function.name, &taken);
        for (path, suffix, operation) in &generic {
            let id = format!("{id}{suffix}");
            let path = path.replace("{name}", &escaped(&function.name));
            let operation = if suffix.starts_with("_map") {
                let body = json!({"type": "object", "required": ["iterable"], "additionalProperties": false,
                                  "properties": {"iterable": {"type": "array", "items": &body}}});
                let values = json!({"type": "array", "items": &value});
                let mut operation = operation_of(operation.clone(), function, &id, &body, &values);
                operation["summary"] = format!("Calls {} for each item.", function.name).into();
                operation["requestBody"]["description"] = "The arguments by name of each call".into();
                operation
            } else {
                operation_of(operation.clone(), function, &id, &body, &value)
            };
            taken.insert(id);
            document["paths"][path.as_str()] = json!({"post": operation});
        }
        if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
            schemas.extend(definitions.schemas);
        }
    }
    // A pool is of a runtime that is served, which goes without saying where there is one.
    let new_pool = &mut document["components"]["schemas"]["NewPoolBody"];
    if !runtimes.is_empty() {
        new_pool["properties"]["runtime"]["enum"] = runtimes.iter().map(|runtime| runtime.name()).collect();
    }
    if runtimes.len() > 1
        && let Some(required) = new_pool["required"].as_array_mut()
    {
        required.push("runtime".into());
    }
}

/// The operation of any function without its path's parameter, its value open to what a function says. Records
/// (`on_error`) are no values of a function's: for them there is the operation of any function.
fn of_any(document: &Value, path: &str) -> Value {
    let mut operation = document["paths"][path]["post"].clone();
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.retain(|parameter| {
            let told = resolved(document, parameter);
            told["in"] != "path" && told["name"] != "on_error"
        });
    }
    if let Some(answer) = operation["responses"].get_mut("200") {
        *answer = resolved(document, answer).clone();
    }
    operation
}

fn ids(document: &Value) -> impl Iterator<Item = String> {
    let paths = document["paths"].as_object().into_iter().flat_map(Map::values);
    let operations = paths.flat_map(|item| item.as_object().into_iter().flat_map(Map::values));
    operations.filter_map(|operation| operation["operationId"].as_str().map(str::to_owned))
}

/// `tasks_thumbnail` of `tasks.thumbnail`.
fn identifier(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn free_id(name: &str, taken: &BTreeSet<String>) -> String {
    let wanted = identifier(name);
    let alphabetic = wanted.starts_with(|first: char| first.is_ascii_alphabetic());
    let wanted = if alphabetic { wanted } else { format!("function_{wanted}") };
    // Generators write a name's words together in many ways: what only differs in that is taken, too.
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let known: BTreeSet<String> = taken.iter().map(|name| plain(name)).collect();
    let is_free =
        |name: &str| OF_ANY.iter().all(|(_, suffix)| !known.contains(&plain(&format!("{name}{suffix}"))));
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    std::iter::once(wanted.clone())
        .chain([format!("function_{wanted}")])
        .chain(numbered)
        .find(|name| is_free(name))
        .unwrap_or(wanted)
}

/// A name as a segment of a path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn operation_of(mut operation: Value, function: &Function, id: &str, body: &Value, value: &Value) -> Value {
    operation["operationId"] = id.into();
    let doc = function.doc.as_deref().unwrap_or_default();
    let summary = doc.lines().next().filter(|line| !line.is_empty());
    let call = format!("`{}{}`", function.name, function.signature.as_deref().unwrap_or("(…)"));
    operation["summary"] = summary.map_or_else(|| format!("Calls {}.", function.name), str::to_owned).into();
    operation["description"] = format!("{call}\n\n{doc}").trim_end().into();
    let required = body.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
    operation["requestBody"] = json!({
        "content": {"application/json": {"schema": body}},
        "description": "The arguments by name", "required": required
    });
    if let Some(answer) = operation["responses"].get_mut("200") {
        answer["content"] = json!({"application/json": {"schema": value}});
    }
    operation
}

/// The named types of a function, which stand with all others in a document.
struct Definitions {
    /// `tasks_`
    prefix: String,
    schemas: Map<String, Value>,
    known: Map<String, Value>,
}

impl Definitions {
    fn of(function: &Function, document: &Value) -> Self {
        let module = function.name.rsplit_once('.').map_or(&*function.name, |(module, _)| module);
        let known = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
        Self { prefix: format!("{}_", identifier(module)), schemas: Map::new(), known }
    }

    /// The schema with its definitions taken out.
    fn moved(&mut self, mut schema: Value) -> Value {
        let own = schema.as_object_mut().and_then(|members| members.remove("$defs"));
        let Some(Value::Object(own)) = own else { return schema };
        let mut prefix = self.prefix.clone();
        // Another function of the module, or the value besides the arguments, may mean something else by a name.
        for number in 2.. {
            let differs = own.iter().any(|(name, definition)| {
                let full = format!("{prefix}{}", identifier(name));
                let there = self.schemas.get(&full).or_else(|| self.known.get(&full));
                there.is_some_and(|there| *there != rewritten(definition.clone(), &prefix))
            });
            if !differs {
                break;
            }
            prefix = format!("{}{number}_", self.prefix);
        }
        for (name, definition) in own {
            self.schemas.insert(format!("{prefix}{}", identifier(&name)), rewritten(definition, &prefix));
        }
        rewritten(schema, &prefix)
    }
}

/// With its references to definitions pointing at the document's schemas.
fn rewritten(mut schema: Value, prefix: &str) -> Value {
    match &mut schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/components/schemas/{prefix}{}", identifier(name));
            }
            members.values_mut().for_each(|member| *member = rewritten(member.take(), prefix));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = rewritten(item.take(), prefix)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_names_of_their_own() {
        let taken: BTreeSet<String> =
            ["apply", "applyAsync", "tasks_f", "tasks_f_async"].map(str::to_owned).into();
        for (name, id) in [
            ("tasks.thumbnail", "tasks_thumbnail"),
            ("apply", "function_apply"),
            ("tasks.f", "function_tasks_f"),
            ("9lives", "function_9lives"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(free_id(name, &taken), id);
        }
        assert_eq!(escaped("a.größe"), "a.gr%C3%B6%C3%9Fe");
    }
}
