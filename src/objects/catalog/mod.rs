//! The one table of kinds, methods, arguments and answers. Routing, the checks of arguments and the document are all
//! read off it; an object's own file holds what a method does.

mod collections;
mod locks;
mod messages;
mod shared;
mod sync;

use std::time::Duration;

use super::address::Kind;
use super::error::ErrorCode;

/// A kind of object.
#[derive(Debug)]
pub struct KindSpec {
    /// Which.
    pub kind: Kind,
    /// What it is in the library, for people.
    pub about: &'static str,
    /// The arguments of its constructor.
    pub constructor: &'static [Param],
    /// A body of PUT.
    pub made: &'static str,
    /// What GET shows of it then.
    pub shown: &'static str,
    /// Its methods.
    pub methods: &'static [Method],
}

/// A method.
#[derive(Debug)]
pub struct Method {
    /// As the library has it.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its arguments.
    pub params: &'static [Param],
    /// What it returns.
    pub answer: Answer,
    /// A body, and its answer.
    pub example: (&'static str, &'static str),
    /// The codes of its own, each with when.
    pub errors: &'static [(ErrorCode, &'static str)],
    /// Whether it may make the object larger: then it is refused when there is no room.
    pub allocates: bool,
}

/// An argument.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Other names that are taken for it.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub param_type: ParamType,
    /// Whether it must be given.
    pub required: bool,
    /// The smallest and the largest of an integer.
    pub bounds: (i64, i64),
    /// What it is for, and its default.
    pub about: &'static str,
}

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// Any JSON.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Integer,
    /// A duration in seconds.
    Seconds,
    /// A string.
    Text,
    /// An array.
    List,
    /// An array of pairs, or an object for string keys.
    Pairs,
}

/// What a method returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `None`.
    Null,
    /// A truth.
    Bool,
    /// A whole number.
    Integer,
    /// Any JSON.
    Any,
    /// An array.
    List,
    /// An array of pairs.
    Pairs,
    /// Whether, and with which token.
    Acquired,
    /// A hold with a lease.
    Renewed,
}

impl Param {
    const fn new(name: &'static str, param_type: ParamType, about: &'static str) -> Self {
        Self { name, aliases: &[], param_type, required: false, bounds: (i64::MIN, i64::MAX), about }
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn between(mut self, least: i64, most: i64) -> Self {
        self.bounds = (least, most);
        self
    }

    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Whether it is called so.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

impl Method {
    const fn new(name: &'static str, about: &'static str, answer: Answer) -> Self {
        Self { name, about, params: &[], answer, example: ("", "null"), errors: &[], allocates: false }
    }

    const fn params(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    const fn example(mut self, body: &'static str, answer: &'static str) -> Self {
        self.example = (body, answer);
        self
    }

    const fn errors(mut self, errors: &'static [(ErrorCode, &'static str)]) -> Self {
        self.errors = errors;
        self
    }

    const fn allocates(mut self) -> Self {
        self.allocates = true;
        self
    }
}

/// Every kind.
pub static KINDS: [&KindSpec; 14] = [
    &messages::QUEUES,
    &messages::PIPES,
    &locks::LOCKS,
    &locks::RLOCKS,
    &locks::SEMAPHORES,
    &locks::BOUNDED_SEMAPHORES,
    &locks::CONDITIONS,
    &sync::EVENTS,
    &sync::BARRIERS,
    &shared::VALUES,
    &shared::ARRAYS,
    &collections::DICTS,
    &collections::LISTS,
    &collections::NAMESPACES,
];

impl Kind {
    /// What the table says of it.
    pub fn spec(self) -> &'static KindSpec {
        KINDS[self as usize]
    }
}

impl KindSpec {
    /// A method by its name.
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// Most characters of an owner's name.
pub const OWNER_CHARS_MAX: usize = 256;
/// The shortest lease.
pub const LEASE_MIN: Duration = Duration::from_millis(1);
/// Most items of an array.
pub(super) const LENGTH_MAX: i64 = 1 << 24;
/// Most permits of a semaphore, as in the library.
const PERMITS_MAX: i64 = 2_147_483_647;
/// Most parties of a barrier.
const PARTIES_MAX: i64 = 1_000_000;

const TIMEOUT: Param = Param::new(
    "timeout",
    ParamType::Seconds,
    "Seconds to wait, at most 86,400; left out or null: as long as the server lets a request wait (`--max-wait`).",
);
const TOO_LARGE: (ErrorCode, &str) = (ErrorCode::ResultTooLarge, "more than `--result-limit` in one answer");
const BLOCK: Param = Param::new("block", ParamType::Bool, "Whether to wait at all; `true` if left out.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (spec, kind) in KINDS.iter().zip(Kind::ALL) {
            assert_eq!(spec.kind, kind);
            assert_eq!(kind.spec().kind, kind);
            assert!(serde_json::from_str::<serde_json::Value>(spec.shown).is_ok(), "{kind}");
            for method in spec.methods {
                let body = if method.example.0.is_empty() { "{}" } else { method.example.0 };
                for text in [body, method.example.1] {
                    let read = serde_json::from_str::<serde_json::Value>(text);
                    assert!(read.is_ok(), "{kind} {}: {text}", method.name);
                }
                let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).unwrap();
                for name in body.keys() {
                    assert!(method.params.iter().any(|p| p.name == name), "{kind} {} {name}", method.name);
                }
            }
        }
    }
}
