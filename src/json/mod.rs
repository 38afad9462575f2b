//! Raw JSON: checks a text, finds the members of an envelope, cuts arrays into chunks. Never builds a value
//! and never copies one.
//!
//! What a caller sends stays the bytes that came in; only a worker's runtime decodes them. Nothing here
//! knows HTTP, jobs or limits other than those that are handed in. Every function is pure, takes time
//! linear in its text and does not recurse.

mod envelope;
mod error;
mod number;
#[cfg(test)]
mod oracle;
mod scan;
mod split;
#[cfg(test)]
mod tests;
mod words;

pub use envelope::{EnvelopeError, MEMBERS_MAX, Member, envelope};
pub use error::{Reason, ScanError};
pub use number::whole;
pub use scan::{Kind, Shape, check, check_grammar};
pub use split::{Elements, INDEXED_BYTES_MAX, Splitter, elements};
