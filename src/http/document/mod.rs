//! The OpenAPI document: [`contract`] generates the file that is checked in from the handlers; [`edition`] writes a
//! server's own from that file ([`checked_in`]) and the functions that it offers ([`functions`]), in version 3.1 or
//! ([`v30`]) 3.0, whole or ([`brief`]) of functions alone; [`served`] keeps and answers it.

mod brief;
mod checked_in;
mod contract;
mod edition;
mod functions;
mod names;
mod schema;
mod served;
mod text;
mod v30;

pub use contract::{contract, contract_text};
pub use edition::{Described, Edition, Part, Version, write as write_document};
pub use served::{DocumentCache, openapi, openapi_30};
pub use text::Layout;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::Function;
    use crate::runtime::Runtime;
    use crate::schema::Types;

    const EDITIONS: [(Version, Part); 4] = [
        (Version::V31, Part::Whole),
        (Version::V30, Part::Whole),
        (Version::V31, Part::Functions),
        (Version::V30, Part::Functions),
    ];

    fn written((version, part): (Version, Part), has_tokens: bool, functions: &[&Function]) -> String {
        let server = Described { base_url: "", has_tokens };
        let written = write_document(Vec::new(), Layout::Lines, Edition { version, part }, server, functions);
        String::from_utf8(written.expect("memory takes it").0).expect("text")
    }

    #[test]
    fn without_functions_it_is_the_checked_in_file() {
        let text = written((Version::V31, Part::Whole), true, &[]);
        assert!(text == include_str!("../../../openapi/openapi.json"));
    }

    /// A function with types of all kinds.
    fn typed() -> Function {
        let mut function = Function::new("tasks.thumbnail", Runtime::Python);
        let size = json!({"type": "object", "properties": {"of": {"type": ["integer", "null"]},
                          "pair": {"type": "array", "prefixItems": [{"type": "string"}, {}], "items": false}}});
        let parameters = json!({"type": "object", "required": ["size"], "additionalProperties": false,
            "$defs": {"Size": size},
            "properties": {
                "size": {"$ref": "#/$defs/Size"},
                "other": {"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]},
                "many": {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]},
                "word": {"enum": ["a", null]}, "nothing": {"type": "null"}}});
        function.types = Types::new(Some(parameters), Some(json!({"type": "null"})));
        function
    }

    /// Calls `visit` with every object of a document.
    fn each(value: &Value, visit: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
        match value {
            Value::Object(members) => {
                visit(members);
                members.values().for_each(|member| each(member, visit));
            }
            Value::Array(items) => items.iter().for_each(|item| each(item, visit)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn no_tool_stumbles_over_a_schema() {
        let functions = [&typed(), &Function::new("f", Runtime::Native)];
        for edition in EDITIONS {
            let document: Value = serde_json::from_str(&written(edition, false, &functions)).expect("JSON");
            each(&document, &mut |object| {
                let kind = object.get("type");
                let is_array = kind.is_some_and(|kind| kind == "array");
                assert!(
                    !is_array || object.get("items").is_some_and(Value::is_object),
                    "{edition:?} {object:?}"
                );
                let values = object.get("enum").and_then(Value::as_array);
                assert!(
                    !values.is_some_and(|values| values.contains(&Value::Null)),
                    "{edition:?} {object:?}"
                );
                if edition.0 == Version::V30 {
                    let is_typed = kind.is_some_and(Value::is_string);
                    assert!(is_typed || !object.contains_key("nullable"), "{edition:?} {object:?}");
                    assert!(kind.is_none_or(|kind| kind != "null"), "{edition:?} {object:?}");
                }
            });
        }
    }

    #[test]
    fn each_reference_is_to_something_and_each_component_is_referred_to() {
        let functions = [&typed(), &Function::new("f", Runtime::Native)];
        for edition in EDITIONS {
            let document: Value = serde_json::from_str(&written(edition, true, &functions)).expect("JSON");
            let mut referred = std::collections::BTreeSet::new();
            each(&document, &mut |object| {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    let place = reference.strip_prefix('#').expect("of this document");
                    assert!(document.pointer(place).is_some(), "{edition:?}: {reference}");
                    referred.insert(place.to_owned());
                }
            });
            for (group, members) in document["components"].as_object().expect("components") {
                for name in
                    members.as_object().expect("members").keys().filter(|_| group != "securitySchemes")
                {
                    assert!(
                        referred.contains(&format!("/components/{group}/{name}")),
                        "{edition:?}: {group}/{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn tokens_are_named_where_they_are_asked_for() {
        for edition in EDITIONS {
            let without = written(edition, false, &[&typed()]);
            assert_eq!(without.matches("\"security\": []").count(), 1, "{edition:?}");
            for word in ["\"security\": [{", "bearer", "\"401\"", "Unauthorized"] {
                assert!(!without.contains(word), "{edition:?}: {word}");
            }
            let with: Value = serde_json::from_str(&written(edition, true, &[&typed()])).expect("JSON");
            assert_eq!(with["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
            for (path, item) in with["paths"].as_object().expect("paths") {
                for operation in item.as_object().expect("operations").values() {
                    let is_open = crate::http::layers::guard::is_open(path);
                    let wanted = if is_open { json!([]) } else { json!([{"bearer": []}]) };
                    assert_eq!(operation["security"], wanted, "{edition:?}: {path}");
                }
            }
        }
    }
}
