//! The files that are checked in are what the code says.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Holds a file, below the package's folder, to what is generated.
fn hold(file: &str, generated: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let written = fs::read_to_string(&path).expect("the file can be read");
    let generated = generated(&written);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, generated).expect("the file can be written");
    } else {
        assert!(
            written == generated,
            "{file} has drifted: run UPDATE_OPENAPI=1 cargo test --test all openapi::drift"
        );
    }
}

/// The document of the API alone.
pub fn document() -> Value {
    forkpool::http::contract()
}

#[test]
fn the_document() {
    hold("openapi/openapi.json", |_| forkpool::http::contract_text());
}

/// Holds the part of a page of the book between two comments.
fn hold_part(page: &str, name: &str, made_from: &str, part: &str) {
    let first = format!("<!-- {name}: generated from {made_from} -->\n");
    let last = format!("<!-- end of {name} -->\n");
    hold(&format!("docs/src/reference/{page}.md"), |text| {
        let (before, rest) = text.split_once(&first).expect("the comment before the part");
        let (_, after) = rest.split_once(&last).expect("the comment behind the part");
        format!("{before}{first}{part}{last}{after}")
    });
}

#[test]
fn the_books_tables_of_options_and_codes() {
    hold_part("options", "options", "src/api/options.rs", &forkpool::api::table_of_options());
    hold_part("codes", "codes", "src/api/code.rs", &forkpool::api::table_of_codes());
}

#[test]
fn the_books_tables_of_calls() {
    let document = document();
    let tags = document["tags"].as_array().expect("tags");
    let of_objects = |tag: &&Value| !TAGS_OF_CALLS.contains(&tag["name"].as_str().expect("a name"));
    let (objects, calls): (Vec<_>, Vec<_>) = tags.iter().partition(of_objects);
    assert_eq!(calls.len(), TAGS_OF_CALLS.len(), "each of these tags is in the document");
    hold_part("calls", "calls", "the document", &tables_of_calls(&document, &calls));
    hold_part("object-calls", "object calls", "the document", &tables_of_calls(&document, &objects));
}

/// What is on the page of calls; any other tag is a kind of objects.
const TAGS_OF_CALLS: [&str; 6] = ["submit", "jobs", "functions", "pools", "processes", "operations"];

/// A heading and a table for each tag, a row for each of its operations.
fn tables_of_calls(document: &Value, tags: &[&Value]) -> String {
    let mut text = String::new();
    for tag in tags {
        let (name, about) = (words(&tag["name"]), words(&tag["description"]));
        text += &format!("\n## {name}\n\n{}.\n\n", about.trim_end_matches('.'));
        text += "| call | operationId | what | status |\n|---|---|---|---|\n";
        text.extend(rows_of_calls(document, &name));
    }
    text + "\n"
}

fn rows_of_calls<'a>(document: &'a Value, tag: &'a str) -> impl Iterator<Item = String> + 'a {
    let methods = ["post", "put", "get", "patch", "delete"];
    let operations = document["paths"].as_object().into_iter().flatten().flat_map(move |(path, item)| {
        methods.into_iter().filter_map(move |method| Some((path, method, item.get(method)?)))
    });
    operations.filter(move |(.., operation)| operation["tags"][0] == tag).map(|(path, method, operation)| {
        let responses = operation["responses"].as_object().expect("responses");
        let status = responses.keys().find(|status| status.starts_with('2')).expect("a success");
        let (id, what) = (words(&operation["operationId"]), words(&operation["summary"]));
        format!("| `{} {path}` | `{id}` | {what} | {status} |\n", method.to_uppercase())
    })
}

/// A text of the document on one line, as a table's cell takes it.
fn words(text: &Value) -> String {
    text.as_str().expect("a text").replace('\n', " ").replace('|', "\\|")
}
