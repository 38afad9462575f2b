//! The contract as a file: `openapi/openapi.json` is what the code says. Run with `UPDATE_OPENAPI=1` to write it
//! anew.

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");

#[test]
fn the_checked_in_document_is_the_generated_one() {
    let generated = forkpool::http::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(CHECKED_IN, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap();
    assert!(
        checked_in == generated,
        "openapi/openapi.json has drifted: run UPDATE_OPENAPI=1 cargo test --test openapi"
    );
}

#[test]
fn nothing_in_it_chokes_generators() {
    let text = forkpool::http::openapi_json();
    for word in ["\"oneOf\"", "\"null\"", "\"anyOf\""] {
        assert!(!text.contains(word), "{word} in the document");
    }
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{name} has no operationId");
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{name} says nothing"
            );
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} has not one tag");
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(
                responses.keys().filter(|status| status.starts_with('2')).count(),
                1,
                "{name}: one success status"
            );
        }
    }
}
