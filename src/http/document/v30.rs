//! OpenAPI 3.1 as 3.0: the same statements in the words of the older version; what it has no word for is said
//! less strictly, never differently.

use serde_json::{Map, Value, json};

/// Members of a schema that 3.0 has no word for and that only narrow or describe it.
const WITHOUT_A_WORD: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "minContains",
    "maxContains",
    "if",
    "then",
    "else",
    "contentMediaType",
];

/// The document in version 3.0.
pub fn translated(document: &Value) -> Value {
    let mut made = document.clone();
    made["openapi"] = "3.0.3".into();
    if let Some(members) = made.as_object_mut() {
        members.remove("jsonSchemaDialect");
        members.remove("webhooks");
    }
    let license = &mut made["info"]["license"];
    if let Some(identifier) = license.as_object_mut().and_then(|license| license.remove("identifier")) {
        let name = identifier.as_str().unwrap_or_default();
        license["url"] = format!("https://spdx.org/licenses/{name}.html").into();
    }
    if let Some(schemas) = made["components"]["schemas"].as_object_mut() {
        schemas.values_mut().for_each(|schema| *schema = of_schema(schema.take()));
    }
    find_schemas(&mut made["paths"]);
    for group in ["responses", "parameters", "requestBodies", "headers"] {
        if made["components"].get(group).is_some() {
            find_schemas(&mut made["components"][group]);
        }
    }
    made
}

/// Translates the member `schema` wherever there is one; examples are nobody's schema.
fn find_schemas(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "schema" => *member = of_schema(member.take()),
                    "example" | "examples" => {}
                    _ => find_schemas(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(find_schemas),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn of_schema(schema: Value) -> Value {
    let Value::Object(mut members) = schema else {
        return if schema == Value::Bool(false) { json!({"not": {}}) } else { json!({}) };
    };
    let mut made = Map::new();
    if let Some(reference) = members.remove("$ref") {
        let reference = json!({"$ref": reference});
        if members.is_empty() {
            return reference;
        }
        // Beside a reference 3.0 reads nothing.
        made.insert("allOf".into(), json!([reference]));
    }
    for name in WITHOUT_A_WORD {
        members.remove(*name);
    }
    for (name, member) in members {
        of_member(&name, member, &mut made);
    }
    if made.get("type").is_some_and(|kind| kind == "array") && !made.contains_key("items") {
        made.insert("items".into(), json!({}));
    }
    if !made.contains_key("type") {
        made.remove("items");
    }
    made.into()
}

fn of_member(name: &str, member: Value, made: &mut Map<String, Value>) {
    match (name, member) {
        ("type", Value::Array(kinds)) => of_kinds(kinds, made),
        ("type", Value::String(kind)) if kind == "null" => {
            made.insert("nullable".into(), true.into());
            made.insert("enum".into(), json!([null]));
        }
        ("const", value) => drop(made.insert("enum".into(), json!([value]))),
        ("examples", Value::Array(examples)) => {
            if let Some(first) = examples.into_iter().next() {
                made.insert("example".into(), first);
            }
        }
        ("contentEncoding", _) => drop(made.insert("format".into(), "byte".into())),
        ("prefixItems", Value::Array(items)) => drop(made.insert("items".into(), any_of_items(items))),
        ("items", Value::Bool(_)) => {}
        ("exclusiveMinimum" | "exclusiveMaximum", Value::Number(bound)) => {
            let bound_name = if name == "exclusiveMinimum" { "minimum" } else { "maximum" };
            made.insert(bound_name.into(), bound.into());
            made.insert(name.to_owned(), true.into());
        }
        ("properties", Value::Object(properties)) => {
            let properties = properties.into_iter().map(|(name, schema)| (name, of_schema(schema)));
            made.insert("properties".into(), Value::Object(properties.collect()));
        }
        ("anyOf" | "oneOf", Value::Array(choices)) => of_choices(name, choices, made),
        ("allOf", Value::Array(parts)) => {
            let mut all: Vec<Value> = match made.remove("allOf") {
                Some(Value::Array(before)) => before,
                Some(_) | None => Vec::new(),
            };
            // A part that was nothing but a condition says nothing now.
            all.extend(parts.into_iter().map(of_schema).filter(|part| *part != json!({})));
            if !all.is_empty() {
                made.insert("allOf".into(), all.into());
            }
        }
        // In 3.1 it speaks of null, which is no type in 3.0.
        ("not", schema) if schema.to_string().contains("\"null\"") => {}
        ("items" | "not", schema) => drop(made.insert(name.to_owned(), of_schema(schema))),
        ("additionalProperties", schema @ Value::Object(_)) => {
            made.insert(name.to_owned(), of_schema(schema));
        }
        (_, member) => drop(made.insert(name.to_owned(), member)),
    }
}

/// `["integer", "null"]`: one type, which may be null; of several, any.
fn of_kinds(kinds: Vec<Value>, made: &mut Map<String, Value>) {
    let count = kinds.len();
    let mut named: Vec<Value> = kinds.into_iter().filter(|kind| kind != "null").collect();
    if named.len() < count {
        made.insert("nullable".into(), true.into());
    }
    match named.len() {
        0 => {}
        1 => drop(made.insert("type".into(), named.remove(0))),
        // Any of several has no word that all tools read.
        _ => {}
    }
}

/// A choice of null is a mark.
fn of_choices(name: &str, choices: Vec<Value>, made: &mut Map<String, Value>) {
    let count = choices.len();
    let mut left: Vec<Value> =
        choices.into_iter().filter(|choice| *choice != json!({"type": "null"})).map(of_schema).collect();
    if left.len() == count {
        made.insert(name.to_owned(), left.into());
        return;
    }
    if let [Value::Object(only)] = left.as_mut_slice()
        && !only.contains_key("$ref")
        && only.keys().all(|member| !made.contains_key(member))
    {
        made.append(only);
    } else {
        // Every one may be null: 3.0 asks the mark of each.
        for choice in &mut left {
            if choice.get("$ref").is_some() {
                *choice = json!({"allOf": [choice.take()], "nullable": true});
            } else {
                choice["nullable"] = true.into();
            }
        }
        match <[Value; 1]>::try_from(left) {
            Ok([Value::Object(only)]) if !made.contains_key("allOf") => made.extend(only),
            Ok([only]) => drop(made.insert(name.to_owned(), json!([only]))),
            Err(left) => drop(made.insert(name.to_owned(), left.into())),
        }
    }
    made.insert("nullable".into(), true.into());
}

/// 3.0 knows no items by position: each is any of them.
fn any_of_items(items: Vec<Value>) -> Value {
    let mut kinds: Vec<Value> = Vec::new();
    for item in items.into_iter().map(of_schema) {
        if !kinds.contains(&item) {
            kinds.push(item);
        }
    }
    match <[Value; 1]>::try_from(kinds) {
        Ok([only]) => only,
        Err(kinds) if kinds.contains(&json!({})) => json!({}),
        Err(kinds) => json!({"anyOf": kinds}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_say_the_same_in_older_words() {
        for (new, old) in [
            (
                json!({"type": ["integer", "null"], "minimum": 1}),
                json!({"type": "integer", "nullable": true, "minimum": 1}),
            ),
            (json!({"type": "null"}), json!({"nullable": true, "enum": [null]})),
            (json!({"const": 3}), json!({"enum": [3]})),
            (json!({"exclusiveMinimum": 0}), json!({"minimum": 0, "exclusiveMinimum": true})),
            (
                json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "items": false}),
                json!({"type": "array", "items": {"type": "integer"}}),
            ),
            (json!({"type": ["array", "object", "null"], "items": {}}), json!({"nullable": true})),
            (json!({"$ref": "#/a"}), json!({"$ref": "#/a"})),
            (
                json!({"$ref": "#/a", "description": "b"}),
                json!({"allOf": [{"$ref": "#/a"}], "description": "b"}),
            ),
            (
                json!({"anyOf": [{"$ref": "#/a"}, {"type": "null"}]}),
                json!({"allOf": [{"$ref": "#/a"}], "nullable": true}),
            ),
            (
                json!({"properties": {"schema": {"type": "string", "contentEncoding": "base64"}}}),
                json!({"properties": {"schema": {"type": "string", "format": "byte"}}}),
            ),
            (json!({"additionalProperties": false}), json!({"additionalProperties": false})),
            (json!(true), json!({})),
        ] {
            assert_eq!(of_schema(new.clone()), old, "{new}");
        }
    }
}
