//! What an object is called: its kind, its name, and, of a pipe, which end.

use std::fmt;
use std::sync::Arc;

use crate::names::is_name;

/// What sort of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Queue`, `JoinableQueue`, `SimpleQueue`.
    Queues,
    /// `Pipe`.
    Pipes,
    /// `Lock`.
    Locks,
    /// `RLock`.
    RLocks,
    /// `Semaphore`.
    Semaphores,
    /// `BoundedSemaphore`.
    BoundedSemaphores,
    /// `Condition`.
    Conditions,
    /// `Event`.
    Events,
    /// `Barrier`.
    Barriers,
    /// `Value`.
    Values,
    /// `Array`.
    Arrays,
    /// `Manager().dict`.
    Dicts,
    /// `Manager().list`.
    Lists,
    /// `Manager().Namespace`.
    Namespaces,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 14] = [
        Self::Queues,
        Self::Pipes,
        Self::Locks,
        Self::RLocks,
        Self::Semaphores,
        Self::BoundedSemaphores,
        Self::Conditions,
        Self::Events,
        Self::Barriers,
        Self::Values,
        Self::Arrays,
        Self::Dicts,
        Self::Lists,
        Self::Namespaces,
    ];

    /// In the plural, as addresses have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queues => "queues",
            Self::Pipes => "pipes",
            Self::Locks => "locks",
            Self::RLocks => "rlocks",
            Self::Semaphores => "semaphores",
            Self::BoundedSemaphores => "bounded_semaphores",
            Self::Conditions => "conditions",
            Self::Events => "events",
            Self::Barriers => "barriers",
            Self::Values => "values",
            Self::Arrays => "arrays",
            Self::Dicts => "dicts",
            Self::Lists => "lists",
            Self::Namespaces => "namespaces",
        }
    }

    /// The same backwards.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// One of them in words: `queue`, `bounded semaphore`.
    pub fn noun(self) -> String {
        self.as_str().trim_end_matches('s').replace('_', " ")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an object is, or an end of a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Of a pipe: 0 or 1.
    pub end: Option<u8>,
}

impl Address {
    /// An object as a whole.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into(), end: None }
    }

    /// From `queues/q` or `pipes/p/0`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut segments = text.split('/');
        let (kind, name) = (Kind::parse(segments.next()?)?, segments.next()?);
        let end = match (segments.next(), segments.next()) {
            (None, None) => None,
            (Some("0"), None) if kind == Kind::Pipes => Some(0),
            (Some("1"), None) if kind == Kind::Pipes => Some(1),
            _ => return None,
        };
        is_name(name).then(|| Self { kind, name: name.into(), end })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)?;
        self.end.map_or(Ok(()), |end| write!(f, "/{end}"))
    }
}

/// One life of a worker or a process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HolderId(pub u64);

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct ObjectCaller {
    /// Whose death gives back what it holds; `None` over HTTP.
    pub holder: Option<HolderId>,
    /// Who owns what is acquired: in a worker `PID:THREAD`; over HTTP it is the argument `owner`.
    pub owner: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_given_back() {
        for path in ["queues/q", "pipes/p/0", "pipes/p/1", "pipes/p", "dicts/a.b-c_D9"] {
            assert_eq!(Address::parse(path).map(|address| address.to_string()).as_deref(), Some(path));
        }
        for path in [
            "queues/",
            "queues",
            "queues/q/0",
            "pipes/p/2",
            "pipes/p/00",
            "pipes/p/0/0",
            "jobs/x",
            "queues/a b",
            "queues/..",
            "/v1/queues/q",
            "Queues/q",
            "queues/é",
        ] {
            assert_eq!(Address::parse(path), None, "{path}");
        }
    }
}
