//! OpenAPI 3.1 as 3.0: the same statements in the words of the older version; what it has no word for is said
//! less strictly, never differently.

use serde_json::{Map, Value, json};

use crate::schema::is_large_integer;

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

/// What describes a schema and demands nothing.
const ANNOTATIONS: &[&str] =
    &["title", "description", "default", "example", "deprecated", "readOnly", "writeOnly", "externalDocs"];

/// The contract's `info` in version 3.0.
pub fn of_info(info: &mut Value) {
    let license = &mut info["license"];
    if let Some(identifier) = license.as_object_mut().and_then(|license| license.remove("identifier")) {
        let name = identifier.as_str().unwrap_or_default();
        license["url"] = format!("https://spdx.org/licenses/{name}.html").into();
    }
}

/// Translates the member `schema` wherever there is one: in a path's item, a response, a parameter. Examples are
/// nobody's schema.
pub fn of_schemas_in(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "schema" => *member = Older::default().of_schema(member.take()),
                    "example" | "examples" => {}
                    _ => of_schemas_in(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(of_schemas_in),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Translates schemas.
#[derive(Debug, Default)]
pub struct Older<'a> {
    /// The schemas that they may refer to, by their names in the document, as far as they are known.
    pub named: Option<&'a Map<String, Value>>,
}

impl Older<'_> {
    /// The schema in version 3.0.
    pub fn of_schema(&self, schema: Value) -> Value {
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
            self.of_member(&name, member, &mut made);
        }
        if made.get("type").is_some_and(|kind| kind == "array") && !made.contains_key("items") {
            made.insert("items".into(), json!({}));
        }
        mark_null(&mut made);
        if !made.contains_key("type") {
            made.remove("items");
        }
        made.into()
    }

    fn of_member(&self, name: &str, member: Value, made: &mut Map<String, Value>) {
        match (name, member) {
            ("type", Value::Array(kinds)) => of_kinds(kinds, made),
            // Null alone is anything, as the only null that 3.0 knows is one of a type's values.
            ("type", Value::String(kind)) if kind == "null" => {}
            ("const", Value::Null) => {}
            ("const", value) => drop(made.insert("enum".into(), json!([value]))),
            ("enum", Value::Array(values)) => of_enum(values, made),
            ("examples", Value::Array(examples)) => {
                if let Some(first) = examples.into_iter().next() {
                    made.insert("example".into(), first);
                }
            }
            ("contentEncoding", _) => drop(made.insert("format".into(), "byte".into())),
            ("prefixItems", Value::Array(items)) => {
                let items = items.into_iter().map(|item| self.of_schema(item)).collect();
                made.insert("items".into(), any_of(items));
            }
            ("items", Value::Bool(_)) => {}
            // By position they are said already.
            ("items", _) if made.contains_key("items") => {}
            ("exclusiveMinimum" | "exclusiveMaximum", Value::Number(bound)) => {
                let bound_name = if name == "exclusiveMinimum" { "minimum" } else { "maximum" };
                made.insert(bound_name.into(), bound.into());
                made.insert(name.to_owned(), true.into());
            }
            ("properties", Value::Object(properties)) => {
                let properties = properties.into_iter().map(|(name, schema)| (name, self.of_schema(schema)));
                made.insert("properties".into(), Value::Object(properties.collect()));
            }
            ("anyOf" | "oneOf", Value::Array(choices)) => self.of_choices(name, choices, made),
            ("allOf", Value::Array(parts)) => {
                // A part that was nothing but a condition says nothing now.
                let parts = parts.into_iter().map(|part| self.of_schema(part));
                push_parts(made, parts.filter(|part| *part != json!({})).collect());
            }
            // In 3.1 it speaks of null, which is no type in 3.0.
            ("not", schema) if schema.to_string().contains("\"null\"") => {}
            ("items" | "not", schema) => drop(made.insert(name.to_owned(), self.of_schema(schema))),
            ("additionalProperties", schema @ Value::Object(_)) => {
                made.insert(name.to_owned(), self.of_schema(schema));
            }
            (_, member) => drop(made.insert(name.to_owned(), member)),
        }
    }

    /// A choice of null is a mark on each of the others.
    fn of_choices(&self, name: &str, choices: Vec<Value>, made: &mut Map<String, Value>) {
        let count = choices.len();
        let is_null = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "null");
        let left: Vec<Value> = choices.into_iter().filter(|choice| !is_null(choice)).collect();
        let has_null = left.len() < count;
        let left: Vec<Value> = left.into_iter().map(|choice| self.of_schema(choice)).collect();
        if !has_null {
            made.insert(name.to_owned(), left.into());
            return;
        }
        let marked: Option<Vec<Value>> = left.into_iter().map(|choice| self.or_null(choice)).collect();
        match marked.map(<[Value; 1]>::try_from) {
            Some(Ok([Value::Object(only)])) if only.keys().all(|member| !made.contains_key(member)) => {
                made.extend(only);
            }
            Some(Ok([only])) => push_parts(made, vec![only]),
            Some(Err(several)) => drop(made.insert(name.to_owned(), several.into())),
            // One of them can't be marked: it says nothing, and so does the choice.
            None => {}
        }
    }

    /// The same, or null; `None` where 3.0 has no word for that: the mark stands beside a type alone.
    fn or_null(&self, mut schema: Value) -> Option<Value> {
        if schema == json!({}) {
            return Some(schema);
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let named = reference.rsplit('/').next().and_then(|name| self.named?.get(name))?;
            let kind = named.get("type").filter(|kind| kind.is_string())?;
            return Some(json!({"type": kind, "allOf": [schema], "nullable": true}));
        }
        schema.get("type")?;
        schema["nullable"] = true.into();
        Some(schema)
    }
}

/// Adds to what must hold, too.
fn push_parts(made: &mut Map<String, Value>, parts: Vec<Value>) {
    if parts.is_empty() {
        return;
    }
    let all = made.entry("allOf").or_insert_with(|| json!([]));
    if let Some(all) = all.as_array_mut() {
        all.extend(parts);
    }
}

/// `["integer", "null"]`: one type, which may be null; of several, any.
fn of_kinds(kinds: Vec<Value>, made: &mut Map<String, Value>) {
    let count = kinds.len();
    let mut named: Vec<Value> = kinds.into_iter().filter(|kind| kind != "null").collect();
    if named.len() < count {
        made.insert("nullable".into(), true.into());
    }
    // Any of several has no word that all tools read.
    if named.len() == 1 {
        made.insert("type".into(), named.remove(0));
    }
}

/// The values of an enum; null is a mark.
fn of_enum(mut values: Vec<Value>, made: &mut Map<String, Value>) {
    let count = values.len();
    values.retain(|value| !value.is_null());
    if values.len() < count {
        made.insert("nullable".into(), true.into());
    }
    if !values.is_empty() {
        made.insert("enum".into(), values.into());
    }
}

/// The mark of null needs a type beside it: that of an enum's values. Where there is none, nothing is demanded.
fn mark_null(made: &mut Map<String, Value>) {
    if !made.contains_key("nullable") || made.contains_key("type") {
        return;
    }
    let values = made.get("enum").and_then(Value::as_array);
    match values.and_then(|values| kind_of(values)) {
        Some(kind) => drop(made.insert("type".into(), kind.into())),
        None => made.retain(|name, _| ANNOTATIONS.contains(&name.as_str())),
    }
}

/// The type that all these values have.
pub fn kind_of(values: &[Value]) -> Option<&'static str> {
    let kind = |value: &Value| match value {
        Value::Bool(_) => Some("boolean"),
        Value::String(text) if is_large_integer(text) => Some("integer"),
        Value::String(_) => Some("string"),
        Value::Number(number) => Some(if number.is_f64() { "number" } else { "integer" }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let first = kind(values.first()?)?;
    values.iter().all(|value| kind(value) == Some(first)).then_some(first)
}

/// What is one of these: items by position, each of which is any of them.
pub fn any_of(items: Vec<Value>) -> Value {
    let mut kinds: Vec<Value> = Vec::new();
    for item in items {
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
        let named = Map::from_iter([("Size".to_owned(), json!({"type": "object"}))]);
        let older = Older { named: Some(&named) };
        for (new, old) in [
            (
                json!({"type": ["integer", "null"], "minimum": 1}),
                json!({"type": "integer", "nullable": true, "minimum": 1}),
            ),
            (json!({"type": "null", "title": "t"}), json!({"title": "t"})),
            (json!({"const": null}), json!({})),
            (
                json!({"enum": ["a", null], "title": "t"}),
                json!({"type": "string", "enum": ["a"], "title": "t", "nullable": true}),
            ),
            (json!({"enum": [1, "a", null], "title": "t"}), json!({"title": "t"})),
            (json!({"const": 3}), json!({"enum": [3]})),
            (json!({"exclusiveMinimum": 0}), json!({"minimum": 0, "exclusiveMinimum": true})),
            (
                json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "items": false}),
                json!({"type": "array", "items": {"type": "integer"}}),
            ),
            (json!({"type": ["array", "object", "null"], "items": {}}), json!({})),
            (json!({"$ref": "#/a"}), json!({"$ref": "#/a"})),
            (
                json!({"$ref": "#/a", "description": "b"}),
                json!({"allOf": [{"$ref": "#/a"}], "description": "b"}),
            ),
            (
                json!({"anyOf": [{"$ref": "#/Size"}, {"type": "null"}]}),
                json!({"type": "object", "allOf": [{"$ref": "#/Size"}], "nullable": true}),
            ),
            // Of what kind it is isn't known.
            (json!({"anyOf": [{"$ref": "#/Other"}, {"type": "null"}], "title": "t"}), json!({"title": "t"})),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
                json!({"anyOf": [{"type": "string", "nullable": true}, {"type": "integer", "nullable": true}]}),
            ),
            (
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}], "description": "b"}),
                json!({"type": "string", "enum": ["a"], "nullable": true, "description": "b"}),
            ),
            (
                json!({"properties": {"schema": {"type": "string", "contentEncoding": "base64"}}}),
                json!({"properties": {"schema": {"type": "string", "format": "byte"}}}),
            ),
            (json!({"additionalProperties": false}), json!({"additionalProperties": false})),
            (json!(true), json!({})),
        ] {
            assert_eq!(older.of_schema(new.clone()), old, "{new}");
        }
    }
}
