//! What a function returns: a value, or a `Result` whose error is the job's.

use std::any::type_name;
use std::error::Error;
use std::fmt::Display;
use std::ops::Deref;

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::write::{self, Written};
use super::{names, schemas};
use crate::worker::native::Raised;

/// What a function may return. `M` tells the implementations apart and is inferred:
///
/// - `Plain`: a value that is `Serialize`. `Result<T, E>` is one when `T` and `E` are: its `Ok` is the
///   value, its `Err` the job's error, whose message is `E`'s text or else its JSON;
/// - `Failing`: a `Result` whose error is a [`std::error::Error`];
/// - `Boxed`, `BoxedLocal`: a `Result` whose error is a `Box<dyn Error + Send + Sync>` or points at one
///   as `anyhow::Error` does; a `Box<dyn Error>`;
/// - `Yields`, `MayYield`: a [`Yielded`](super::Yielded); a `Result` of one and of a [`std::error::Error`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no outcome of a function",
    note = "return a value that implements `serde::Serialize`, or a `Result` of one and a \
            `std::error::Error` or a `String`",
    note = "an error that is both an `Error` and `Serialize` must become one of them: \
            `.map_err(|error| error.to_string())`"
)]
pub trait Outcome<M> {
    /// Appends the value's JSON; what was written when it is an error means nothing.
    #[doc(hidden)]
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised>;

    /// The type's name, for people.
    #[doc(hidden)]
    fn shown() -> &'static str {
        type_name::<Self>()
    }
}

/// See [`Outcome`].
#[derive(Debug)]
pub struct Plain;
/// See [`Outcome`].
#[derive(Debug)]
pub struct Failing;
/// See [`Outcome`].
#[derive(Debug)]
pub struct Boxed;
/// See [`Outcome`].
#[derive(Debug)]
pub struct BoxedLocal;

impl<T: Serialize> Outcome<Plain> for T {
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised> {
        match write::value(&self, output)? {
            Written::Value => Ok(()),
            Written::Err(json) => {
                let message = serde_json::from_str(&json).unwrap_or(json);
                Err(Raised::Error { kind: names::of_error(names::error_part(type_name::<T>())), message })
            }
        }
    }
}

impl<T: Serialize, E: Error> Outcome<Failing> for Result<T, E> {
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised> {
        ok(self, output)
    }
}

impl<T: Serialize, E> Outcome<Boxed> for Result<T, E>
where
    E: Display + Deref<Target = dyn Error + Send + Sync>,
{
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised> {
        ok(self, output)
    }
}

impl<T: Serialize> Outcome<BoxedLocal> for Result<T, Box<dyn Error>> {
    fn write(self, output: &mut Vec<u8>) -> Result<(), Raised> {
        ok(self, output)
    }
}

/// What a function returns, of which the schema is known. See [`Outcome`].
pub trait Returned<M> {
    /// The schema of the value, a `Result`'s `Ok`.
    #[doc(hidden)]
    fn schema() -> Schema;
}

impl<T: JsonSchema> Returned<Plain> for T {
    fn schema() -> Schema {
        let schema = schemas::value::<T>();
        // A `Result` of two types that are data both.
        let ok = schema.as_value().pointer("/oneOf/0/properties/Ok").cloned();
        let is_result = type_name::<T>().starts_with("core::result::Result<");
        match ok.filter(|_| is_result).map(Schema::try_from) {
            Some(Ok(mut inner)) => {
                if let Some(definitions) = schema.get("$defs") {
                    inner.insert("$defs".into(), definitions.clone());
                }
                inner
            }
            Some(Err(_)) | None => schema,
        }
    }
}

impl<T: JsonSchema, E: Error> Returned<Failing> for Result<T, E> {
    fn schema() -> Schema {
        schemas::value::<T>()
    }
}

impl<T: JsonSchema, E> Returned<Boxed> for Result<T, E>
where
    E: Display + Deref<Target = dyn Error + Send + Sync>,
{
    fn schema() -> Schema {
        schemas::value::<T>()
    }
}

impl<T: JsonSchema> Returned<BoxedLocal> for Result<T, Box<dyn Error>> {
    fn schema() -> Schema {
        schemas::value::<T>()
    }
}

fn ok<T: Serialize, E: Display>(result: Result<T, E>, output: &mut Vec<u8>) -> Result<(), Raised> {
    match result {
        // A `Result` within it is data.
        Ok(value) => write::data(&value, output),
        Err(error) => Err(Raised::of_error(&error)),
    }
}

impl Raised {
    /// The function's own error.
    pub(super) fn of_error<E: Display>(error: &E) -> Self {
        Self::Error { kind: names::of_error(type_name::<E>()), message: error.to_string() }
    }

    /// As of an item of a list.
    pub(super) fn within(self, at: usize) -> Self {
        if let Self::NotJson { message, path } = self {
            return Self::NotJson { message, path: format!("$[{at}]{}", path.trim_start_matches('$')) };
        }
        self
    }
}
