//! The library's rules from outside, by their numbers in the catalogue of its semantics (1 to 13), and imap
//! with its streams. What a service can't have is left out: callbacks (4). Closing, recycling and
//! initializers of pools (8 to 10) stand with the pools.

mod backpressure;
mod collect;
mod collected_limit;
mod conversion;
pub mod exchange;
mod held_back;
mod imap;
mod leaving;
mod odd_values;
mod rules;
mod rules_of_errors;
mod stream;
mod stream_input;
