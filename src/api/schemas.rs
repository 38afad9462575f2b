//! Schemas of members that take less than their type says.

use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use super::body::CHUNKSIZE_MAX;

fn words(words: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()))
}

/// `on_error`.
pub fn on_error() -> Object {
    let text = "`raise` (as the library: one failure loses all values; if left out) or `collect`: each item is \
                `{\"value\":…}` or `{\"error\":{…}}`. imap has a record per item always.";
    words(&["raise", "collect"]).description(Some(text)).build()
}

/// `chunksize`.
pub fn chunksize() -> Object {
    let text =
        "Items a task, at least 1; if left out, by the library's formula: so that each worker gets 4 tasks.";
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    number.minimum(Some(1)).maximum(Some(CHUNKSIZE_MAX)).description(Some(text)).build()
}

/// `preload`.
pub fn preload() -> Object {
    let text = "What is loaded before workers are forked: `auto` (what can be; each worker loads a module that \
                starts a thread while it loads), `on` (everything: such a module is refused) or `off` (each worker \
                loads everything). As the server's `--preload` if left out; true and false are taken for `on` and \
                `off`. Python only.";
    words(&["auto", "on", "off"]).description(Some(text)).build()
}

/// `state` of jobs that have not ended.
pub fn open_state() -> Object {
    words(&["queued", "running"]).description(Some("In this state.")).build()
}

/// `runtime` of a new pool.
pub fn runtime() -> Object {
    let text = "Of which functions; may be left out where those of only one are served.";
    words(&["python", "native", "command"]).description(Some(text)).build()
}
