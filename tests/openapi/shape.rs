//! What every operation of the document has, and what generators choke on.

use std::collections::BTreeSet;

use forkpool::api::Code;
use serde_json::Value;

use super::drift::document;

fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let each = |(path, item): (&String, &Value)| {
        let operations = item.as_object().expect("operations").clone();
        let path = path.clone();
        operations.into_iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    };
    paths.iter().flat_map(each).collect()
}

#[test]
fn nothing_in_it_chokes_generators() {
    let mut document = document();
    // What a request may say as null, as the library takes None, is another thing.
    let schemas = document["components"]["schemas"].as_object_mut().expect("schemas");
    schemas.retain(|_, schema| schema["additionalProperties"] != false);
    let text = document.to_string();
    for word in ["\"oneOf\"", "\"null\"", "\"anyOf\"", "propertyNames"] {
        assert!(!text.contains(word), "{word} in the document");
    }
}

#[test]
fn every_operation_says_what_it_is() {
    let document = document();
    for (name, operation) in operations(&document) {
        assert!(operation["operationId"].is_string(), "{name} has no operationId");
        for said in ["summary", "description"] {
            assert!(operation[said].as_str().is_some_and(|text| text.len() > 5), "{name} has no {said}");
        }
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} has not one tag");
        let responses = operation["responses"].as_object().unwrap();
        let good = responses.iter().filter(|(status, _)| status.starts_with('2'));
        let good: Vec<&str> = good.map(|(status, _)| status.as_str()).collect();
        assert_eq!(good.len(), 1, "{name}: one success status, not {good:?}");
        for (status, response) in responses {
            let content = super::examples::resolved(&document, response)["content"].as_object();
            let has_schema = content.is_some_and(|all| all.values().all(|one| one["schema"].is_object()));
            assert!(
                has_schema || ["204", "304"].contains(&status.as_str()),
                "{name}: {status} has no schema"
            );
        }
        let body = &operation["requestBody"];
        assert!(body.is_null() || example_of(&document, body).is_some(), "{name}: its body has no example");
    }
}

#[test]
fn what_repeats_stands_once_and_is_used() {
    let document = document();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut inline: BTreeSet<String> = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let responses = operation["responses"].as_object().expect("responses").values();
        for said in parameters.chain(responses) {
            let Some(reference) = said["$ref"].as_str() else {
                // Values stand where they are answered: generators look there.
                let is_value = said["content"]["application/json"].is_object();
                assert!(
                    is_value || inline.insert(said.to_string()),
                    "{name}: it stands elsewhere, too: {said}"
                );
                continue;
            };
            assert_eq!(
                said.as_object().map(serde_json::Map::len),
                Some(1),
                "{name}: beside a reference: {said}"
            );
            let target = reference.strip_prefix("#/components").expect("a component");
            assert!(document["components"].pointer(target).is_some(), "{name}: no {target}");
            used.insert(target.to_owned());
        }
    }
    for group in ["parameters", "responses"] {
        for (name, component) in document["components"][group].as_object().expect("components") {
            assert!(used.contains(&format!("/{group}/{name}")), "{group}/{name} is used");
            assert!(!inline.contains(&component.to_string()), "{group}/{name} stands elsewhere, too");
        }
    }
}

/// A person can review it.
#[test]
fn it_is_short() {
    let lines = include_str!("../../openapi/openapi.json").lines().count();
    assert!(lines <= 14_000, "{lines} lines");
}

#[test]
fn jobs_are_linked_from_what_makes_them() {
    let document = document();
    for (path, status) in [
        ("/v1/apply_async", "202"),
        ("/v1/map_async", "202"),
        ("/v1/functions/{name}/call_async", "202"),
        ("/v1/functions/{name}/map_async", "202"),
    ] {
        let response = &document["paths"][path]["post"]["responses"][status];
        let links = &super::examples::resolved(&document, response)["links"];
        for target in ["getJob", "getResult", "cancelJob"] {
            assert_eq!(links[target]["operationId"], target, "{path}: {links}");
            assert_eq!(links[target]["parameters"]["id"], "$response.body#/id");
        }
    }
    let known: Vec<Value> =
        operations(&document).into_iter().map(|(_, operation)| operation["operationId"].clone()).collect();
    for (name, operation) in operations(&document) {
        for response in operation["responses"].as_object().unwrap().values() {
            let response = super::examples::resolved(&document, response);
            for link in response["links"].as_object().into_iter().flat_map(|links| links.values()) {
                assert!(known.contains(&link["operationId"]), "{name} links to nothing: {link}");
            }
        }
    }
}

/// The example of a request's body: its own, or its schema's.
pub fn example_of(document: &Value, body: &Value) -> Option<(String, Value)> {
    let (kind, content) = body["content"].as_object()?.iter().next()?;
    let named = content["schema"]["$ref"]
        .as_str()
        .and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    let all = [Some(&content["example"]), named.map(|schema| &schema["example"])];
    let found = all.into_iter().flatten().find(|example| !example.is_null())?;
    Some((kind.clone(), found.clone()))
}

/// What a stream's items end with is in its lines.
#[test]
fn outcomes_are_told_where_they_are_answered() {
    let document = document();
    for (name, operation) in operations(&document) {
        if name.starts_with("post /v1/imap") {
            assert!(operation["responses"].get("422").is_none(), "{name}");
        }
    }
    let of_result = &document["paths"]["/v1/jobs/{id}/result"]["get"]["responses"]["422"];
    let of_result = &super::examples::resolved(&document, of_result)["description"];
    for code in [
        "function-raised",
        "worker-died",
        "run-timeout",
        "queue-timeout",
        "cancelled",
        "interrupted",
        "pool-terminated",
        "result-not-json",
        "result-too-large",
        "worker-protocol-error",
        "invalid-arguments",
        "command-failed",
        "unknown-ref",
    ] {
        assert!(of_result.as_str().is_some_and(|text| text.contains(code)), "{code}: {of_result}");
    }
}

/// Every description and summary below.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let said = ["description", "summary"].into_iter().filter_map(|name| members.get(name)?.as_str());
            found.extend(said.map(str::to_owned));
            members.values().for_each(|member| texts(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_codes_that_it_names_are_the_tables() {
    let mut said = Vec::new();
    texts(&document(), &mut said);
    let mut named = 0;
    for text in &said {
        for word in text.split('`').skip(1).step_by(2) {
            let is_spelt_so = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            if is_spelt_so && word.trim_start_matches('-').contains('-') && !word.starts_with('-') {
                assert!(Code::ALL.iter().any(|code| code.as_str() == word), "no code {word}: {text}");
                named += 1;
            }
        }
    }
    assert!(named > 100, "{named}");
}
