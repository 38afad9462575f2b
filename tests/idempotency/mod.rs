//! `Idempotency-Key` from outside: what is sent again is answered again, and never run again.

mod at_once;
mod bad_input;
mod bounds;
mod clients;
mod failures;
mod kept;
mod keyed;
