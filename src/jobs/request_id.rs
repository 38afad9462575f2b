//! Ids of requests, by which answers, lines of logs and what a client knows of a request are brought together.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a request: its client's own, or one that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    /// The so-manieth of this process.
    Made(u64),
    /// As it was sent.
    Sent(Arc<str>),
}

/// Most characters of one that is sent.
pub const REQUEST_ID_CHARS_MAX: usize = 128;

/// What all ids begin with that this process makes: another's begin otherwise, before a restart or beside it.
static PREFIX: LazyLock<String> =
    LazyLock::new(|| format!("{:012x}-", RandomState::new().hash_one(std::process::id()) >> 16));
static COUNT: AtomicU64 = AtomicU64::new(1);

impl RequestId {
    /// Another than all before it.
    pub fn make() -> Self {
        Self::Made(COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this may be one: visible ASCII, at most [`REQUEST_ID_CHARS_MAX`] characters.
    pub fn is_good(text: &[u8]) -> bool {
        (1..=REQUEST_ID_CHARS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
    }

    /// Reads one that was sent, or that [`fmt::Display`] wrote; `None` if it is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| Self::is_good(text.as_bytes()))?;
        // `+1` and `01` are none of ours.
        let number = text.strip_prefix(PREFIX.as_str()).filter(|number| !number.starts_with(['+', '0']));
        let made = number.and_then(|number| number.parse().ok()).map(Self::Made);
        Some(made.unwrap_or_else(|| Self::Sent(text.into())))
    }

    /// Its text, and the number that follows it, if one does.
    pub fn parts(&self) -> (&str, Option<u64>) {
        match self {
            Self::Made(number) => (&PREFIX, Some(*number)),
            Self::Sent(text) => (text, None),
        }
    }

    /// Bytes that it holds besides itself.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Made(_) => 0,
            Self::Sent(text) => text.len(),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (prefix, Some(number)) => write!(f, "{prefix}{number}"),
            (text, None) => f.write_str(text),
        }
    }
}

/// As text.
impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("no request id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_made_is_another_each_time_and_reads_back() {
        let (first, second) = (RequestId::make(), RequestId::make());
        assert_ne!(first, second);
        assert_eq!(RequestId::parse(first.to_string().as_bytes()), Some(first.clone()));
        assert_eq!(
            serde_json::from_str::<RequestId>(&serde_json::to_string(&first).unwrap()).unwrap(),
            first
        );
        for other in [format!("{}+1", *PREFIX), format!("{}01", *PREFIX), (*PREFIX).clone()] {
            assert_eq!(RequestId::parse(other.as_bytes()), Some(RequestId::Sent(other.as_str().into())));
        }
    }

    #[test]
    fn one_that_is_sent_is_visible_and_short() {
        let longest = "x".repeat(REQUEST_ID_CHARS_MAX);
        for good in ["a", "0190-7f:{\"x\"}", longest.as_str()] {
            assert_eq!(RequestId::parse(good.as_bytes()).map(|id| id.to_string()).as_deref(), Some(good));
        }
        let long = format!("{longest}x");
        for bad in ["", " a", "a b", "a\tb", "a\x1b[0m", "\u{e9}", long.as_str()] {
            assert_eq!(RequestId::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
