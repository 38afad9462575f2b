//! Schemas of functions as the document has them: the same statements, in words that all tools read.

use serde_json::{Map, Value, json};

use super::v30::{any_of, kind_of};

/// Members of a schema that are one schema, many, and many by name.
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const MANY: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: &[&str] = &["$defs", "dependentSchemas", "patternProperties", "properties"];

/// Visits the schemas that stand in this one, with the member that they are in. Examples and defaults are none.
fn parts(members: &mut Map<String, Value>, mut visit: impl FnMut(&str, &mut Value)) {
    for (name, member) in members {
        if ONE.contains(&name.as_str()) {
            visit(name, member);
        } else if MANY.contains(&name.as_str()) {
            member.as_array_mut().into_iter().flatten().for_each(|part| visit(name, part));
        } else if NAMED.contains(&name.as_str()) {
            let parts = member.as_object_mut().into_iter().flat_map(Map::values_mut);
            parts.for_each(|part| visit(name, part));
        }
    }
}

/// Says what makes tools stumble in other words: each array says what its items are, no enum has a null in it, and
/// what is null alone (what a function returns that returns nothing) is left open, as FastAPI leaves it, and members
/// beside those with names are.
pub fn plain(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if is_null(members) {
        members.retain(|name, _| name != "type" && name != "const");
        members.entry("description").or_insert_with(|| "Always null.".into());
        return;
    }
    say_items(members);
    open_others(members);
    take_null_out(members);
    parts(members, |place, part| {
        // Beside others null is one to choose.
        let is_choice = matches!(place, "anyOf" | "oneOf");
        if !is_choice || !part.as_object().is_some_and(is_null) {
            plain(part);
        }
    });
}

fn is_null(members: &Map<String, Value>) -> bool {
    members.get("type").is_some_and(|kind| kind == "null") || members.get("const").is_some_and(Value::is_null)
}

/// Items by position are said by what each of them may be, too.
fn say_items(members: &mut Map<String, Value>) {
    if members.get("type").is_none_or(|kind| kind != "array") {
        return;
    }
    let by_position = members.get("prefixItems").and_then(Value::as_array);
    let of_position = by_position.map(|items| (items.len(), any_of(items.clone())));
    match (members.get("items"), of_position) {
        (Some(Value::Bool(false)), Some((count, any))) => {
            members.insert("maxItems".into(), count.into());
            members.insert("items".into(), any);
        }
        (None, Some((count, any))) if members.get("maxItems").is_some_and(|most| *most == json!(count)) => {
            members.insert("items".into(), any);
        }
        (None | Some(Value::Bool(_)), _) => drop(members.insert("items".into(), json!({}))),
        (Some(_), _) => {}
    }
}

/// Members beside those with names may be anything: TypeScript's types can't say less of them than of those.
fn open_others(members: &mut Map<String, Value>) {
    let has_names =
        members.get("properties").and_then(Value::as_object).is_some_and(|named| !named.is_empty());
    if let Some(others) =
        members.get_mut("additionalProperties").filter(|others| has_names && others.is_object())
    {
        *others = true.into();
    }
}

/// `["a", null]`: `a`, or null.
fn take_null_out(members: &mut Map<String, Value>) {
    let values = members.get_mut("enum").and_then(Value::as_array_mut);
    let Some(values) = values.filter(|values| values.iter().any(Value::is_null)) else { return };
    values.retain(|value| !value.is_null());
    let values = members.remove("enum");
    members.remove("type");
    let mut choice = json!({"enum": values});
    if let Some(kind) = choice["enum"].as_array().and_then(|values| kind_of(values)) {
        choice["type"] = kind.into();
    }
    let choices = json!([choice, {"type": "null"}]);
    if members.contains_key("anyOf") {
        members.insert("allOf".into(), json!([{"anyOf": choices}]));
    } else {
        members.insert("anyOf".into(), choices);
    }
}

/// Points references to definitions of its own at the document's schemas, by the names that they have there.
pub fn point(schema: &mut Value, name: &impl Fn(&str) -> String) {
    let Value::Object(members) = schema else { return };
    if let Some(Value::String(reference)) = members.get_mut("$ref")
        && let Some(own) = reference.strip_prefix("#/$defs/")
    {
        *reference = format!("#/components/schemas/{}", name(own));
    }
    parts(members, |_, part| point(part, name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_stumble_over_is_said_otherwise() {
        for (said, wanted) in [
            (json!({"type": "null"}), json!({"description": "Always null."})),
            (
                json!({"type": "array", "items": {"type": "null", "title": "t"}}),
                json!({"type": "array", "items": {"title": "t", "description": "Always null."}}),
            ),
            (
                json!({"anyOf": [{"type": "array"}, {"type": "null"}]}),
                json!({"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]}),
            ),
            (
                json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}),
                json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "maxItems": 2,
                       "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}),
            ),
            (
                json!({"type": "array", "prefixItems": [{"type": "integer"}], "maxItems": 1}),
                json!({"type": "array", "prefixItems": [{"type": "integer"}], "maxItems": 1,
                       "items": {"type": "integer"}}),
            ),
            (
                json!({"type": "array", "prefixItems": [{"type": "integer"}]}),
                json!({"type": "array", "prefixItems": [{"type": "integer"}], "items": {}}),
            ),
            (
                json!({"enum": ["a", null], "title": "t"}),
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}], "title": "t"}),
            ),
            (
                json!({"type": ["string", "null"], "enum": ["a", null]}),
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
            ),
            (
                json!({"properties": {"x": {"type": "array"}}, "default": {"type": "array"}}),
                json!({"properties": {"x": {"type": "array", "items": {}}}, "default": {"type": "array"}}),
            ),
        ] {
            let mut schema = said.clone();
            plain(&mut schema);
            assert_eq!(schema, wanted, "{said}");
        }
    }

    #[test]
    fn references_are_pointed_at_the_document() {
        let mut schema = json!({"$ref": "#/$defs/Size", "properties": {"x": {"$ref": "#/$defs/a.B"}},
                                "examples": [{"$ref": "#/$defs/Size"}]});
        point(&mut schema, &|name| format!("m_{name}"));
        assert_eq!(
            schema,
            json!({"$ref": "#/components/schemas/m_Size",
                   "properties": {"x": {"$ref": "#/components/schemas/m_a.B"}},
                   "examples": [{"$ref": "#/$defs/Size"}]})
        );
    }
}
