//! The contract as files: `openapi/` is what the code says; its examples work, and each
//! answer is what it says. Run with `UPDATE_OPENAPI=1` to write the files anew.

mod drift;
mod examples;
mod names;
mod shape;
mod typed;
mod typed_map;
