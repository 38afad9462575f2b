//! The options of submissions: read one by one, each wrong one named.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::body::{BodyProblem, Members, invalid};
use super::code::Code;
use super::query::{Invalid, Query};
use crate::jobs::{FailureCode, Terms};
use crate::service::TermsAsked;

/// Members that every submission may have besides its own.
pub const OPTIONS: &[&str] = &[
    "pool",
    "run_timeout",
    "queue_timeout",
    "priority",
    "key",
    "retries",
    "retry_on",
    "retry_delay",
    "result_ttl",
    "tags",
    "durable",
];

const SECONDS_MAX: f64 = 86_400.0;
const RESULT_TTL_MAX: f64 = 31_622_400.0;
const PRIORITY_MOST: i64 = 100;
const KEY_CHARS_MAX: usize = 256;
const RETRIES_MAX: i64 = 1_000;
const TAGS_MAX: usize = 32;
const TAG_CHARS_MAX: usize = 256;
const RETRIABLE: &[FailureCode] = &[
    FailureCode::WorkerDied,
    FailureCode::Interrupted,
    FailureCode::FunctionRaised,
    FailureCode::RunTimeout,
    FailureCode::WorkerProtocolError,
];

/// The options of a call whose body is its arguments.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it stands for parameters in the document; no value is made")]
pub struct CallOptions {
    /// The pool to run it, of the function's runtime.
    pool: Option<String>,
    /// Seconds that a task may run; then its worker is killed.
    #[param(minimum = 0, maximum = 86400)]
    run_timeout: Option<f64>,
    /// Seconds that the job may wait for its first task to start.
    #[param(minimum = 0, maximum = 86400)]
    queue_timeout: Option<f64>,
    /// Larger first; 0 if left out.
    #[param(minimum = -100, maximum = 100)]
    priority: Option<i64>,
    /// Keys have turns: jobs of the same priority run key by key, not first come first served.
    #[param(min_length = 1, max_length = 256)]
    key: Option<String>,
    /// How often a task that ended without a value is run again; 0 if left out.
    #[param(minimum = 0, maximum = 1000)]
    retries: Option<i64>,
    /// After which codes, with commas between; `worker-died`, `interrupted` and `function-raised` if left out.
    retry_on: Option<String>,
    /// Seconds before the first retry, doubled each time, at most 60; 0 if left out.
    #[param(minimum = 0, maximum = 86400)]
    retry_delay: Option<f64>,
    /// Seconds that the value is kept; `--result-ttl` if left out.
    #[param(minimum = 0, maximum = 31622400)]
    result_ttl: Option<f64>,
    /// Labels of the client's own, to list by, with commas between.
    #[param(pattern = "^[^,]{1,256}(,[^,]{1,256}){0,31}$")]
    tags: Option<String>,
    /// Must be false: this server keeps jobs in memory.
    #[param(value_type = Option<String>, pattern = "^false$")]
    durable: Option<bool>,
}

/// What a submission asks for besides its own members.
#[derive(Debug)]
pub struct Options {
    /// The pool asked for.
    pub pool: Option<String>,
    retries: Option<u32>,
    terms: Terms,
}

impl Options {
    pub(super) fn read(members: &Members<'_>) -> Result<Self, BodyProblem> {
        let defaults = Terms::default();
        let terms = Terms {
            run_timeout: seconds(members, "run_timeout", SECONDS_MAX)?,
            queue_timeout: seconds(members, "queue_timeout", SECONDS_MAX)?,
            priority: members.whole("priority", -PRIORITY_MOST, PRIORITY_MOST)?.unwrap_or(0),
            key: members.string("key")?.map(checked_key).transpose()?,
            retry_on: retry_on(members)?.map_or(defaults.retry_on, Cow::Owned),
            retry_delay: seconds(members, "retry_delay", SECONDS_MAX)?.unwrap_or_default(),
            result_ttl: seconds(members, "result_ttl", RESULT_TTL_MAX)?,
            tags: tags(members)?,
            ..defaults
        };
        let durable: Option<bool> = value(members, "durable", || "true or false".to_owned())?;
        if durable == Some(true) {
            return Err(BodyProblem::NotDurable);
        }
        let retries = members.whole("retries", 0, RETRIES_MAX)?;
        Ok(Self { pool: members.string("pool")?, retries, terms })
    }
}

impl From<Options> for TermsAsked {
    fn from(options: Options) -> Self {
        let Options { pool, retries, terms } = options;
        Self { pool, retries, terms }
    }
}

impl Options {
    /// From the query of a stream or a typed call.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BodyProblem> {
        let day = Duration::from_secs_f64(SECONDS_MAX);
        let whole = |name: &str, least: i64, most: i64| -> Result<i64, Invalid> {
            let Some(text) = query.text(name) else { return Ok(0) };
            let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
            let detail = || format!("{name} must be a whole number from {least} to {most}, not {text:?}");
            number.ok_or_else(|| Invalid::new(name, detail()))
        };
        let list = |name: &str| -> Vec<String> {
            query.text(name).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
        };
        match query.text("durable") {
            None | Some("false") => {}
            Some("true") => return Err(BodyProblem::NotDurable),
            Some(_) => return Err(must_be("durable", "true or false")),
        }
        let codes = query.text("retry_on").map(|_| codes_of(&list("retry_on"))).transpose()?;
        let terms = Terms {
            run_timeout: query.seconds("run_timeout", day)?,
            retry_on: codes.map_or_else(|| Terms::default().retry_on, Cow::Owned),
            result_ttl: query.seconds("result_ttl", Duration::from_secs_f64(RESULT_TTL_MAX))?,
            tags: checked_tags(list("tags"))?,
            queue_timeout: query.seconds("queue_timeout", day)?,
            priority: i8::try_from(whole("priority", -PRIORITY_MOST, PRIORITY_MOST)?).unwrap_or(0),
            key: query.text("key").map(str::to_owned).map(checked_key).transpose()?,
            retry_delay: query.seconds("retry_delay", day)?.unwrap_or_default(),
            ..Terms::default()
        };
        let retries = query.text("retries").map(|_| whole("retries", 0, RETRIES_MAX)).transpose()?;
        let retries = retries.and_then(|retries| u32::try_from(retries).ok());
        Ok(Self { retries, pool: query.text("pool").map(str::to_owned), terms })
    }
}

fn value<T: DeserializeOwned>(
    members: &Members<'_>,
    name: &str,
    what: impl FnOnce() -> String,
) -> Result<Option<T>, BodyProblem> {
    let Some(text) = members.text(name) else { return Ok(None) };
    serde_json::from_slice(text).map(Some).map_err(|_| must_be(name, &what()))
}

fn must_be(name: &str, what: &str) -> BodyProblem {
    invalid(name, &format!("{name} must be {what}"))
}

fn seconds(members: &Members<'_>, name: &str, most: f64) -> Result<Option<Duration>, BodyProblem> {
    let Some(text) = members.text(name) else { return Ok(None) };
    let number = serde_json::from_slice(text).ok().filter(|number| *number <= most);
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    duration.map(Some).ok_or_else(|| must_be(name, &format!("a number of seconds from 0 to {most}")))
}

fn retry_on(members: &Members<'_>) -> Result<Option<Vec<FailureCode>>, BodyProblem> {
    value::<Vec<String>>(members, "retry_on", codes_wanted)?.map(|names| codes_of(&names)).transpose()
}

fn codes_of(names: &[String]) -> Result<Vec<FailureCode>, BodyProblem> {
    let code = |name: &String| RETRIABLE.iter().find(|code| Code::from(**code).as_str() == name).copied();
    let mut codes = Vec::new();
    for name in names {
        let code = code(name).ok_or_else(|| must_be("retry_on", &codes_wanted()))?;
        // A list may say one as often as it likes; it is kept once.
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Ok(codes)
}

fn codes_wanted() -> String {
    let known: Vec<_> = RETRIABLE.iter().map(|code| Code::from(*code).as_str()).collect();
    format!("a list of codes, of: {}", known.join(", "))
}

fn checked_key(key: String) -> Result<Arc<str>, BodyProblem> {
    let fits = (1..=KEY_CHARS_MAX).contains(&key.chars().count());
    fits.then(|| key.into()).ok_or_else(|| invalid("key", "key must be a string of 1 to 256 characters"))
}

fn tags(members: &Members<'_>) -> Result<Vec<String>, BodyProblem> {
    checked_tags(value(members, "tags", tags_wanted)?.unwrap_or_default())
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, BodyProblem> {
    let fits = |tag: &String| (1..=TAG_CHARS_MAX).contains(&tag.chars().count());
    if tags.len() > TAGS_MAX || !tags.iter().all(fits) {
        return Err(must_be("tags", &tags_wanted()));
    }
    Ok(tags)
}

fn tags_wanted() -> String {
    format!("a list of at most {TAGS_MAX} strings of 1 to {TAG_CHARS_MAX} characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_kept_once_however_often_it_is_said() {
        let names: Vec<String> =
            ["run-timeout", "worker-died"].repeat(1_000).into_iter().map(str::to_owned).collect();
        let codes = codes_of(&names).expect("both are known");
        assert_eq!(codes, [FailureCode::RunTimeout, FailureCode::WorkerDied]);
        assert!(codes_of(&[]).is_ok_and(|codes| codes.is_empty()));
        assert!(codes_of(&["worker-died".into(), "cancelled".into()]).is_err());
    }
}
