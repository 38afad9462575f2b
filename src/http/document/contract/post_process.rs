//! What is said of all operations alike: the token, the links from what an operation makes to what can be done
//! with it; and no nulls.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::IntoResponses;

use crate::api::TokenProblems;
use crate::http::layers::guard::is_open;

/// What an answer makes known: the schema of the answer, the statuses that tell it, where in the body the name
/// stands, and the operations whose path takes it.
const LINKS: &[(&str, &[&str], &str, &str)] = &[
    ("Job", &["202"], "id", "/v1/jobs/{id}"),
    ("PoolInfo", &["201"], "name", "/v1/pools/{pool}"),
    ("ProcessInfo", &["201"], "id", "/v1/processes/{id}"),
    ("FunctionList", &["200"], "items/0/name", "/v1/functions/{name}"),
];

/// Links each answer that makes something to the operations on it.
pub fn link(document: &mut Value) {
    let named = |(path, operation): (&str, &Value)| {
        (path.to_owned(), operation["operationId"].as_str().unwrap_or_default().to_owned())
    };
    let known: Vec<(String, String)> = operations(document).map(named).collect();
    for (path, _) in known.iter().filter(|(path, _)| path.ends_with("/{name}")) {
        let links = links(&known, path, "$request.path.name");
        let made = &mut document["paths"][path.as_str()];
        if let Some(response) = made.pointer_mut("/put/responses/200") {
            response["links"] = links.into();
        }
    }
    for (schema, statuses, place, path) in LINKS {
        let reference = Value::from(format!("#/components/schemas/{schema}"));
        let links = links(&known, path, &format!("$response.body#/{place}"));
        for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                for status in *statuses {
                    let response = operation["responses"].get_mut(*status);
                    let made = |response: &&mut Value| {
                        response["content"]["application/json"]["schema"]["$ref"] == reference
                    };
                    if let Some(response) = response.filter(made) {
                        response["links"] = links.clone().into();
                    }
                }
            }
        }
    }
}

/// To the operations at this path and below it that take no other parameter in theirs.
fn links(known: &[(String, String)], path: &str, place: &str) -> Map<String, Value> {
    let parameter = path.split(['{', '}']).nth(1).unwrap_or_default();
    let is_on_it = |other: &str| {
        let after = other.strip_prefix(path);
        after.is_some_and(|after| (after.is_empty() || after.starts_with('/')) && !after.contains('{'))
    };
    let targets = known.iter().filter(|(other, _)| is_on_it(other));
    let link = |id: &str| json!({"operationId": id, "parameters": {(parameter): place}});
    targets.map(|(_, id)| (id.clone(), link(id))).collect()
}

/// Each path with each of its operations.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flat_map(Map::values).map(move |operation| (path.as_str(), operation))
    })
}

/// Says what holds between the members of a body.
pub fn narrow(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    schemas["CancelBody"]["minProperties"] = 1.into();
    schemas["NewPoolBody"]["dependentRequired"] =
        json!({"initargs": ["initializer"], "maxtasksperchild_jitter": ["maxtasksperchild"]});
}

/// Says of each operation that it takes a token, unless it is open, and what it answers without one.
pub fn secure(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({"bearer": {
        "type": "http", "scheme": "bearer",
        "description": "A token of the server's `--token-file`. Without one, neither server nor document ask."
    }});
    document["components"]["responses"]["Unauthorized"]["headers"] =
        json!({"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}});
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if is_open(path) {
                operation["security"] = json!([]);
                continue;
            }
            operation["security"] = json!([{"bearer": []}]);
            if let Some(responses) = operation["responses"].as_object_mut() {
                let refused = TokenProblems::responses().into_iter();
                responses.extend(refused.map(|(status, response)| (status, json!(response))));
                responses.sort_keys();
            }
        }
    }
}

/// Responses that no operation refers to are left out.
pub fn drop_unused_responses(document: &mut Value) {
    let referred = |(_, operation): (&str, &Value)| {
        let responses: Vec<_> =
            operation["responses"].as_object().into_iter().flat_map(Map::values).collect();
        let names =
            responses.into_iter().filter_map(|response| response["$ref"].as_str()?.rsplit('/').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let used: BTreeSet<String> = operations(document).flat_map(referred).collect();
    if let Some(responses) = document["components"]["responses"].as_object_mut() {
        responses.retain(|name, _| used.contains(name));
    }
}

/// Optional members are left out, never null: the schemas that stand for `Option` lose their null.
pub fn never_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A member's name is always a text.
            members.remove("propertyNames");
            let types = members.get_mut("type").and_then(Value::as_array_mut);
            if let Some(types) = types {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".into(), only);
                }
            }
            let choices = members.get_mut("oneOf").and_then(Value::as_array_mut);
            if let Some(choices) = choices {
                choices.retain(|choice| choice != &serde_json::json!({"type": "null"}));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.remove("oneOf");
                    members.extend(only);
                }
            }
            members.values_mut().for_each(never_null);
        }
        Value::Array(items) => items.iter_mut().for_each(never_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
