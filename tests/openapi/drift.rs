//! The files that are checked in are what the code says.

use std::fs;
use std::path::Path;

use serde_json::Value;

fn hold(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi").join(file);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, generated).expect("the file can be written");
    }
    assert!(
        fs::read_to_string(&path).expect("the file can be read") == generated,
        "openapi/{file} has drifted: run UPDATE_OPENAPI=1 cargo test --test openapi"
    );
}

/// The document of the API alone.
pub fn document() -> Value {
    forkpool::http::document(std::iter::empty(), "")
}

#[test]
fn the_document() {
    hold("openapi.json", &forkpool::http::text_of(&document()));
}

#[test]
fn its_translation() {
    hold("openapi-3.0.json", &forkpool::http::text_of(&forkpool::http::document_30(&document())));
}
