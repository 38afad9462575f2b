//! What the tests from outside share: a real server process, an HTTP client that judges nothing, a raw
//! socket, `/proc`, and bounded waits. It knows the contract alone and nothing of the crate's inside.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

mod answer;
mod client;
mod contract;
mod gate;
mod live;
mod output;
pub mod proc;
mod program;
mod raw;
mod seat;
mod server;
mod unix;
mod wait;

pub use answer::Answer;
pub use client::{Client, Worker};
pub use gate::Gate;
pub use live::Looks;
pub use program::{Ended, Program, output};
pub use raw::Raw;
pub use seat::Seat;
pub use server::{Server, binary, fixture};
pub use unix::UnixClient;
pub use wait::{late, never_within, on_time, promised, value_in_time, wait_from, wait_until};

/// A count that the promise names, scaled: `TEST_SCALE` is 10 for the whole of it, 1 (the default)
/// for a tenth.
pub fn scaled(full: usize) -> usize {
    let scale = std::env::var("TEST_SCALE").ok().and_then(|v| v.parse().ok()).unwrap_or(1);
    (full * scale / 10).max(1)
}

/// A small generator of repeatable noise (xorshift), so that a failing run can be run again.
#[derive(Debug)]
pub struct Noise(u64);

impl Noise {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
