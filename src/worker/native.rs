//! A function compiled into this binary: raw JSON in, raw JSON out. What type its values have is the business
//! of [`typed`](super::typed).

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use super::by_name::{LaidOut, lay_out};
use crate::json;
use crate::transport::{FunctionTypes, Kind, LIST_SEPARATOR};

/// Why a native function gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raised {
    /// It failed.
    Error {
        /// The error's type, as its user would name it.
        kind: String,
        /// What went wrong.
        message: String,
    },
    /// It was called wrongly.
    InvalidArguments {
        /// What does not fit.
        message: String,
        /// Where (`$.args[0]`).
        path: String,
    },
    /// An argument refers to a shared object that there is not, or to one of another kind.
    UnknownRef {
        /// What is wrong.
        message: String,
        /// Where (`$.args[0]`).
        path: String,
    },
    /// Its value can't be said in JSON.
    NotJson {
        /// What can't.
        message: String,
        /// Where in the value (`$[0].x`).
        path: String,
    },
    /// Its value's JSON is larger than it may be.
    TooLarge {
        /// How large, where that was counted to its end.
        bytes: Option<u64>,
    },
    /// The program that it is ended with another exit status than 0 or by a signal, or could not be started.
    CommandFailed {
        /// What happened, as the rest of a sentence that begins with the command.
        message: String,
        /// The exit status.
        exit_code: Option<i32>,
        /// The signal's name.
        signal: Option<&'static str>,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
}

impl Raised {
    /// An argument that does not fit.
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::InvalidArguments { message: message.into(), path: path.into() }
    }
}

/// The arguments of one call, each as raw JSON.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    /// By position.
    pub positional: &'a [&'a [u8]],
    /// By name, as one JSON object.
    pub keywords: Option<&'a [u8]>,
    /// Bytes that lie in the output already and are none of the value that this call makes or is a part of.
    pub before: usize,
}

impl<'a> Arguments<'a> {
    /// The arguments as exactly `N` positional ones.
    pub fn exactly<const N: usize>(&self) -> Result<[&'a [u8]; N], Raised> {
        if self.keywords.is_some_and(|keywords| keywords.iter().any(|byte| !b"{} \t\r\n".contains(byte))) {
            return Err(Raised::invalid("$.kwargs", "the function takes no keyword arguments"));
        }
        <[&[u8]; N]>::try_from(self.positional).map_err(|_| {
            let given = self.positional.len();
            Raised::invalid(
                "$.args",
                format!("the function takes {N} positional arguments, {given} were given"),
            )
        })
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(super) type Body = Box<dyn Fn(Arguments<'_>, &mut Vec<u8>) -> Result<(), Raised>>;

/// The program that a call of a command would run, ready to take this process's place.
pub(super) type Program = Box<dyn Fn(Arguments<'_>) -> Result<Command, Raised>>;

/// How an item of a map is a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// It is the only one.
    Whole,
    /// It is an array of them.
    ByPosition,
    /// It is an object of them.
    ByName,
}

impl Spread {
    /// As a kind of task has it.
    pub fn of(kind: Kind) -> Self {
        if matches!(kind, Kind::CallTyped | Kind::CallTypedYielding | Kind::MapTyped | Kind::MapTypedItems) {
            Self::ByName
        } else if matches!(kind, Kind::Starmap | Kind::StarmapItems) {
            Self::ByPosition
        } else {
            Self::Whole
        }
    }
}

/// A function and what is said of it.
pub struct Function {
    /// Public name.
    pub name: String,
    /// Documentation.
    pub doc: Option<String>,
    /// How it is called, `(x)`.
    pub signature: Option<String>,
    /// What its arguments and its value must be.
    pub types: FunctionTypes,
    pub(super) body: Body,
    /// Of a command.
    pub(super) program: Option<Program>,
}

impl Function {
    /// CALL and CALL_KEYWORDS.
    pub(super) fn apply(
        &self,
        arguments: &[u8],
        keywords: Option<&[u8]>,
        output: &mut Vec<u8>,
    ) -> Result<(), Raised> {
        let positional: Vec<&[u8]> = json::elements(arguments).collect();
        let arguments = Arguments { positional: &positional, keywords, before: output.len() };
        catch_unwind(AssertUnwindSafe(|| (self.body)(arguments, output)))
            .unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    /// One item of a map whose items have records, or the arguments by name of a call.
    pub(super) fn item(&self, item: &[u8], spread: Spread, output: &mut Vec<u8>) -> Result<(), Raised> {
        let before = output.len();
        catch_unwind(AssertUnwindSafe(|| self.call(item, spread, before, output)))
            .unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    /// One call with the arguments that an item is.
    fn call(&self, item: &[u8], spread: Spread, before: usize, output: &mut Vec<u8>) -> Result<(), Raised> {
        match spread {
            Spread::Whole => (self.body)(Arguments { positional: &[item], keywords: None, before }, output),
            Spread::ByPosition => {
                let positional: Vec<&[u8]> = json::elements(item).collect();
                (self.body)(Arguments { positional: &positional, keywords: None, before }, output)
            }
            Spread::ByName => {
                let LaidOut { positional, keywords } = lay_out(&self.types, item)?;
                let arguments = Arguments { positional: &positional, keywords: keywords.as_deref(), before };
                (self.body)(arguments, output).map_err(|raised| raised.by_name(&self.types))
            }
        }
    }

    /// MAP and its kin: the index of the item that failed comes with the error; `done` is told after each item.
    pub(super) fn map(
        &self,
        items: &[u8],
        spread: Spread,
        output: &mut Vec<u8>,
        done: impl Fn(u64),
    ) -> Result<(), (u64, Raised)> {
        let (at, before) = (Cell::new(0), output.len());
        let run = AssertUnwindSafe(|| {
            output.push(b'[');
            for item in lists(items).flat_map(json::elements) {
                if at.get() > 0 {
                    output.push(b',');
                }
                self.call(item, spread, before, output)?;
                at.set(at.get() + 1);
                done(at.get());
            }
            output.push(b']');
            Ok(())
        });
        // One guard for all: the loop is what a chunk's speed is made of.
        let ran = catch_unwind(run).unwrap_or_else(|panic| Err(panicked(&*panic)));
        ran.map_err(|raised| (at.get(), raised))
    }
}

/// The lists of a MAP's payload.
fn lists(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(payload);
    std::iter::from_fn(move || {
        let here = rest?;
        let end = memchr::memchr(LIST_SEPARATOR, here);
        rest = end.map(|end| &here[end + 1..]);
        Some(&here[..end.unwrap_or(here.len())])
    })
}

/// A panic is an error like any other.
fn panicked(panic: &(dyn Any + Send)) -> Raised {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Raised::Error { kind: "panic".into(), message }
}
