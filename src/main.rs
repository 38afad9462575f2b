//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    forkpool::program::run()
}
