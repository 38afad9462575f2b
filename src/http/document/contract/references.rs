//! What several operations say alike stands once, in the document's components: they refer to it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Moves the parameters and the responses that repeat into the components.
pub fn share(document: &mut Value) {
    let mut paths = document["paths"].take();
    for (group, naming) in [("parameters", parameter_name as Naming), ("responses", response_name)] {
        let mut components = document["components"][group].take().as_object().cloned().unwrap_or_default();
        let mut repeated = repeated(&mut paths, group);
        each(&mut paths, group, |place, value| {
            let Some(said) = repeated.get_mut(&value.to_string()).filter(|said| said.count > 1) else {
                return;
            };
            let name = said.name.get_or_insert_with(|| naming(place, value, &components));
            components.entry(name.clone()).or_insert_with(|| value.clone());
            *value = json!({"$ref": format!("#/components/{group}/{name}")});
        });
        components.sort_keys();
        document["components"][group] = components.into();
    }
    document["paths"] = paths;
}

/// A name for a new component beside these.
type Naming = fn(&Place, &Value, &Map<String, Value>) -> String;

#[derive(Default)]
struct Said {
    count: usize,
    /// As a component.
    name: Option<String>,
}

/// Where something is said.
struct Place {
    path: String,
    operation: String,
}

/// Goes over the parameters or the responses of all operations that aren't references.
fn each(paths: &mut Value, group: &str, mut visit: impl FnMut(&Place, &mut Value)) {
    for (path, item) in paths.as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let id = operation["operationId"].as_str().unwrap_or_default();
            let place = Place { path: path.clone(), operation: pascal(id) };
            let all: Vec<&mut Value> = match operation.get_mut(group) {
                Some(Value::Object(members)) => members.values_mut().collect(),
                Some(Value::Array(items)) => items.iter_mut().collect(),
                _ => Vec::new(),
            };
            for value in all.into_iter().filter(|value| value.get("$ref").is_none() && !is_value(value)) {
                visit(&place, value);
            }
        }
    }
}

/// Whether a response is a value: it stands where it is answered, since generators (swagger-typescript-api) look there
/// for what to read.
fn is_value(said: &Value) -> bool {
    said["content"]["application/json"].is_object()
}

/// How often each is said, by its text.
fn repeated(paths: &mut Value, group: &str) -> BTreeMap<String, Said> {
    let mut all: BTreeMap<String, Said> = BTreeMap::new();
    each(paths, group, |_, value| all.entry(value.to_string()).or_default().count += 1);
    all
}

/// `IdempotencyKey`; of a name that many paths have, with what it is of: `JobId`.
fn parameter_name(place: &Place, parameter: &Value, taken: &Map<String, Value>) -> String {
    let name = pascal(parameter["name"].as_str().unwrap_or_default());
    let of = match (place.path.split('/').nth(2), &*name) {
        (Some("jobs"), "Id") => "Job",
        (Some("processes"), "Id") => "Process",
        (Some("functions"), "Name") => "Function",
        (_, "Name") => "Object",
        (_, "End") => "Pipe",
        (_, "Function") => "Called",
        (Some("jobs" | "processes"), "Cursor") => "Id",
        (_, "Cursor") => "Name",
        _ => "",
    };
    free(format!("{of}{name}"), place, taken)
}

/// A problem's codes, a value's schema, or what is said of it.
fn response_name(place: &Place, response: &Value, taken: &Map<String, Value>) -> String {
    let description = response["description"].as_str().unwrap_or_default();
    let quoted = description.split('`').skip(1).step_by(2);
    let codes: Vec<String> = quoted.filter(|word| !word.starts_with("--")).map(pascal).collect();
    let schema = &response["content"]["application/json"]["schema"]["$ref"];
    let name = match schema.as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(schema) => schema.to_owned(),
        None if response["content"]["application/problem+json"].is_object() => codes.join("Or"),
        None => pascal(description.split([':', ',']).next().unwrap_or_default().trim_start_matches("The ")),
    };
    free(name, place, taken)
}

/// Where the name is taken, with the first operation that says so; where that is taken, too, with a number.
fn free(name: String, place: &Place, taken: &Map<String, Value>) -> String {
    let of_operation = format!("{}{name}", place.operation);
    let numbered = (2..).map(|number| format!("{of_operation}{number}"));
    let mut names = [name, of_operation.clone()].into_iter().chain(numbered);
    names.find(|name| !name.is_empty() && !taken.contains_key(name)).unwrap_or(of_operation)
}

/// `IdempotencyKey` of `Idempotency-Key`, `Getitem` of `__getitem__`.
pub fn pascal(words: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    words.split(|letter: char| !letter.is_ascii_alphanumeric()).map(word).collect()
}
