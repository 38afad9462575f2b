//! The binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: forkpool::sys::Blocks = forkpool::sys::Blocks;

fn main() -> ExitCode {
    forkpool::entry::run()
}
