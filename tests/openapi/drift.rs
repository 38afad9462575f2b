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
        assert!(written == generated, "{file} has drifted: run UPDATE_OPENAPI=1 cargo test --test openapi");
    }
}

/// The document of the API alone.
pub fn document() -> Value {
    forkpool::http::document(std::iter::empty(), "")
}

#[test]
fn the_document() {
    hold("openapi/openapi.json", |_| forkpool::http::text_of(&document()));
}

/// Holds the part of the README between two comments.
fn hold_table(name: &str, made_in: &str, table: &str) {
    let first = format!("<!-- {name}: generated from src/api/{made_in} -->\n");
    let last = format!("<!-- end of {name} -->\n");
    hold("README.md", |readme| {
        let (before, rest) = readme.split_once(&first).expect("the comment before the table");
        let (_, after) = rest.split_once(&last).expect("the comment behind the table");
        format!("{before}{first}{table}{last}{after}")
    });
}

/// One test: two would write the file at once.
#[test]
fn the_readmes_tables() {
    hold_table("options", "options.rs", &forkpool::api::table_of_options());
    hold_table("codes", "code.rs", &forkpool::api::table_of_codes());
}
