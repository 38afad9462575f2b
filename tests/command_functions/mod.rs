//! Programs as functions, from outside: arguments and input, values, failures, what is refused, what is left.

mod ends;
mod failures;
mod limits;
mod refusals;
mod values;
