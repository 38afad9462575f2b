//! JSON values as Python compares them: equality, order, hashing of keys, `repr`.
//!
//! Values are read for a comparison and dropped; what is kept and answered is always the text that came in.

mod digest;
mod number;
mod sort;
mod string;
mod value;

pub(super) use digest::Wanted;
pub(super) use number::Number;
pub(super) use sort::sorted;
pub(super) use value::{Key, NoOrder, Value, bytes_of, members, shown};
