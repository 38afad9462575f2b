//! What was asked for, as values: whoever reads a [`JobSpec`] that was written down can run its job.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::id::JobId;
use super::idempotency_keys::IdempotencyKey;
use super::request_id::RequestId;
use super::terms::Terms;
use crate::json::Splitter;

/// Which call made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// One call.
    Apply,
    /// One call per item.
    Map,
    /// One call per item, each an array of arguments.
    Starmap,
    /// One call per item of a stream, records in order.
    Imap,
    /// The same, records as they come.
    ImapUnordered,
}

impl JobKind {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Map => "map",
            Self::Starmap => "starmap",
            Self::Imap => "imap",
            Self::ImapUnordered => "imap_unordered",
        }
    }
}

/// What a job is asked to be, without its arguments: kept and shown as long as the job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Its id.
    pub id: JobId,
    /// When it was asked for.
    pub created_at: SystemTime,
    /// Which call.
    pub kind: JobKind,
    /// Public name of the function.
    pub function: Arc<str>,
    /// The pool that runs it.
    pub pool: Arc<str>,
    /// The name of who asked for it, where callers have names.
    pub owner: Option<Arc<str>>,
    /// The id of the request that asked for it, where it came in one.
    pub request_id: Option<RequestId>,
    /// Items to do, as far as they are known at the start; 1 for an apply, 0 for a stream.
    pub total: u64,
    /// Items a task, for maps.
    pub chunksize: Option<u64>,
    /// Whether it is kept once it has ended (`_async`).
    pub retained: bool,
    /// What else was asked for.
    pub terms: Terms,
}

/// The arguments: needed until all of them have been run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// One call.
    Call {
        /// A JSON array of positional arguments; of a typed call a JSON object of all.
        #[serde(with = "text")]
        arguments: Bytes,
        /// A JSON object of those by name; of a typed call none.
        #[serde(with = "optional_text")]
        keywords: Option<Bytes>,
        /// Whether all are given by name, and the worker converts them to the types of the function's signature.
        typed: bool,
        /// Whether what the function yields is passed on as it comes.
        yielding: bool,
    },
    /// One call per element of a JSON array.
    Map {
        /// The array; indexed, if it is large.
        #[serde(with = "array")]
        items: Splitter,
        /// Whether each item is the arguments by name, as of a typed call.
        typed: bool,
        /// A record per item, instead of all values or none.
        collect: bool,
    },
    /// One call per item of a stream, which comes piece by piece.
    Stream,
}

/// A job before it is accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// What it is asked to be.
    pub info: JobInfo,
    /// Its arguments.
    pub work: Work,
    /// The idempotency key that it was sent under.
    pub key: Option<Box<IdempotencyKey>>,
}

/// JSON as the text that it is.
pub(super) mod text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, ser};

    pub fn serialize<S: Serializer>(json: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(std::str::from_utf8(json).map_err(ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from).map(Bytes::from)
    }
}

/// An array as the text that it is.
mod array {
    use serde::{Deserializer, Serializer, ser};

    use crate::json::Splitter;

    pub fn serialize<S: Serializer>(array: &Splitter, to: S) -> Result<S::Ok, S::Error> {
        let list = std::str::from_utf8(array.list()).map_err(ser::Error::custom)?;
        to.collect_str(&format_args!("[{list}]"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Splitter, D::Error> {
        super::text::deserialize(from).map(Splitter::indexed)
    }
}

/// The same, where there may be none.
mod optional_text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(json: &Option<Bytes>, to: S) -> Result<S::Ok, S::Error> {
        match json {
            Some(json) => super::text::serialize(json, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Bytes::from))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use super::*;
    use crate::jobs::{FailureCode, OnDisconnect};

    /// A call of `f` in the pool `native` that is kept once it has ended.
    pub(crate) fn example() -> JobSpec {
        JobSpec {
            info: JobInfo {
                id: JobId::new(),
                created_at: SystemTime::now(),
                kind: JobKind::Apply,
                function: "f".into(),
                pool: "native".into(),
                owner: None,
                request_id: None,
                total: 1,
                chunksize: None,
                retained: true,
                terms: Terms::default(),
            },
            work: Work::Call {
                arguments: Bytes::from_static(b"[1]"),
                keywords: None,
                typed: false,
                yielding: false,
            },
            key: None,
        }
    }

    #[test]
    fn what_was_written_down_reads_back_the_same() {
        let mut all = vec![example(), example(), example()];
        all[0].info.terms = Terms {
            run_timeout: Some(Duration::from_millis(1_500)),
            queue_timeout: Some(Duration::ZERO),
            priority: -3,
            key: Some("customer".into()),
            retries: 2,
            retry_on: Cow::Owned(vec![FailureCode::WorkerDied, FailureCode::NotStarted]),
            retry_delay: Duration::from_secs(60),
            result_ttl: Some(Duration::from_secs(1)),
            on_disconnect: OnDisconnect::Cancel,
            tags: vec!["é \"quoted\"".into(), String::new()],
            convert: false,
        };
        all[0].info.owner = Some("ann".into());
        all[0].info.request_id = Some(RequestId::Sent("r-1".into()));
        all[1].info.request_id = Some(RequestId::make());
        all[0].key = Some(Box::new(IdempotencyKey { text: "k".into(), fingerprint: [9; 32] }));
        let keywords = Some(Bytes::from_static(b"{\"a\": [\"\xc3\xa9\\u0000\"]}"));
        let arguments = Bytes::from_static(b"[ 1e3,\n\"\\\\\" ]");
        all[0].work = Work::Call { arguments, keywords, typed: true, yielding: true };
        let items = Splitter::new(Bytes::from_static(b"[1, 2]"));
        all[1].work = Work::Map { items, typed: true, collect: true };
        all[1].info.kind = JobKind::Starmap;
        (all[1].info.total, all[1].info.chunksize) = (2, Some(1));
        all[2].work = Work::Stream;
        for spec in all {
            let written = serde_json::to_vec(&spec).unwrap();
            assert_eq!(serde_json::from_slice::<JobSpec>(&written).unwrap(), spec);
        }
    }
}
