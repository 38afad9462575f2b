//! Schemas of members that take less than their type says.

use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, Type};

fn words(words: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()))
}

/// `on_error`.
pub fn on_error() -> Object {
    let text = "`raise` (as the library: one failure loses all values; if left out) or `collect`: each item is \
                `{\"value\":…}` or `{\"error\":{…}}`. imap has a record per item always.";
    words(&["raise", "collect"]).description(Some(text)).build()
}

/// `retry_on`.
pub fn retry_on() -> Schema {
    let codes = ["worker-died", "interrupted", "function-raised", "run-timeout", "worker-protocol-error"];
    let text = "After which codes; `worker-died`, `interrupted` and `function-raised` if left out.";
    ArrayBuilder::new().items(words(&codes)).description(Some(text)).into()
}

/// `tags`.
pub fn tags() -> Schema {
    let tag = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(256));
    let text = "Labels of the client's own, to list by.";
    ArrayBuilder::new().items(tag).max_items(Some(32)).description(Some(text)).into()
}

/// `preload`.
pub fn preload() -> Object {
    let text = "What is loaded before workers are forked: `auto` (what can be; each worker loads a module that \
                starts a thread while it loads), `on` (everything: such a module is refused) or `off` (each worker \
                loads everything). As the server's `--preload` if left out; true and false are taken for `on` and \
                `off`. Python only.";
    words(&["auto", "on", "off"]).description(Some(text)).build()
}

/// `durable`.
pub fn durable() -> Object {
    let text = "Must be false: this server keeps jobs in memory.";
    let never = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([Value::Bool(false)]));
    never.description(Some(text)).build()
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
