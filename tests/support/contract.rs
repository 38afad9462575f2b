//! Every answer that a test sees is held against `openapi/openapi.json`: an operation that is documented may
//! answer with its documented statuses and content types alone.
//!
//! Paths and methods that aren't in the document are passed over, as are answers without a body to errors in a
//! request's head: those never reach an operation. `TEST_CONTRACT_SEEN` names a file that takes a line for each
//! operation and status seen, to find those that no test ever sees; `TEST_EXCHANGES` one that takes whole exchanges as
//! JSON, some of each kind, for validators of other make.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

use super::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../openapi/openapi.json")).expect("the document is JSON")
});
static SEEN: Mutex<BTreeSet<(String, u16)>> = Mutex::new(BTreeSet::new());

/// Exchanges of one operation and status that are written down, and bytes of a body.
const EXCHANGES_MAX: usize = 25;
const EXCHANGE_BYTES_MAX: usize = 64 << 10;
static EXCHANGES: Mutex<BTreeMap<(String, u16), usize>> = Mutex::new(BTreeMap::new());

/// Writes an exchange down, if that is asked for.
pub fn record(method: &str, target: &str, sent: (&[(&str, &str)], Option<&[u8]>), answer: &Answer) {
    let Some(path) = std::env::var_os("TEST_EXCHANGES") else { return };
    let Some((name, _)) = operation(method, target.split('?').next().unwrap_or_default()) else { return };
    let (headers, body) = (sent.0, sent.1.unwrap_or_default());
    let is_packed = answer.header("content-encoding").is_some();
    let sent = answer.header("content-type").unwrap_or_default();
    if is_unlisted_stream(&name, sent)
        || method == "HEAD"
        || is_packed
        || body.len().max(answer.body.len()) > EXCHANGE_BYTES_MAX
    {
        return;
    }
    let mut exchanges = EXCHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    let count = exchanges.entry((name, answer.status)).or_default();
    *count += 1;
    if *count <= EXCHANGES_MAX {
        let text = String::from_utf8_lossy;
        let line = json!({"method": method, "target": target, "headers": headers, "body": text(body),
                          "status": answer.status, "answer_headers": answer.headers, "answer": text(&answer.body)});
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("the file of exchanges can be written");
    }
}

/// Lines or events of what a call yields: said in words.
fn is_unlisted_stream(operation: &str, content_type: &str) -> bool {
    let is_call = matches!(operation, "POST /v1/apply" | "POST /v1/functions/{name}/call");
    is_call && ["application/x-ndjson", "text/event-stream"].contains(&content_type)
}

/// Fails when the document doesn't say that this request may be answered so.
#[track_caller]
pub fn hold(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap_or_default();
    let Some((name, operation)) = operation(method, path) else { return };
    note(&name, answer.status);
    let is_of_the_head = matches!(answer.status, 400 | 414 | 431) && answer.header("content-type").is_none();
    if is_of_the_head && answer.body.is_empty() {
        return;
    }
    let response = resolved(&operation["responses"][answer.status.to_string()]);
    assert!(
        response.is_object(),
        "{name} answered {}, which the document doesn't list: {}",
        answer.status,
        answer.text()
    );
    let sent = answer.header("content-type").and_then(|value| value.split(';').next());
    let listed = response["content"].as_object();
    match (sent, listed) {
        (None, listed) => assert!(
            listed.is_none() && answer.body.is_empty(),
            "{name}: {} came without a content type",
            answer.status
        ),
        // Raw bytes, and what a call yields, come to those who ask for them alone: a second schema would choke
        // generators.
        (Some("application/octet-stream"), _) if answer.status == 200 => {}
        (Some(sent), _) if answer.status == 200 && is_unlisted_stream(&name, sent) => {}
        (Some(sent), listed) => assert!(
            listed.is_some_and(|listed| listed.contains_key(sent)),
            "{name}: {} came as {sent}, which the document doesn't list: {response}",
            answer.status
        ),
    }
}

/// A response, or the one that it refers to.
fn resolved(response: &'static Value) -> &'static Value {
    let name = response["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/responses/"));
    name.map_or(response, |name| &DOCUMENT["components"]["responses"][name])
}

/// The operation of a request, as `METHOD /template`; HEAD is GET without a body.
fn operation(method: &str, path: &str) -> Option<(String, &'static Value)> {
    let method = if method == "HEAD" { "GET" } else { method };
    let paths = DOCUMENT["paths"].as_object()?;
    // A path without parameters is the better match.
    let exact = paths.get_key_value(path);
    let (template, operations) =
        exact.or_else(|| paths.iter().find(|(template, _)| is_of(template, path)))?;
    let operation = operations.get(method.to_lowercase())?;
    Some((format!("{method} {template}"), operation))
}

fn is_of(template: &str, path: &str) -> bool {
    let (wanted, given) = (template.split('/'), path.split('/'));
    wanted.clone().count() == given.clone().count()
        && wanted.zip(given).all(|(wanted, given)| {
            wanted == given || (wanted.starts_with('{') && wanted.ends_with('}') && !given.is_empty())
        })
}

fn note(name: &str, status: u16) {
    let Some(file) = std::env::var_os("TEST_CONTRACT_SEEN") else { return };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.insert((name.to_owned(), status)) {
        let file = OpenOptions::new().create(true).append(true).open(file);
        let written = file.and_then(|mut file| writeln!(file, "{name} {status}"));
        written.expect("the file of what was seen can be written");
    }
}
