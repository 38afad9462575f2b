//! The binary: a zygote if it was executed as one, else the command.

use std::process::ExitCode;

use forkpool::worker::{ZYGOTE_ARGUMENT, builtins, run_zygote};

fn main() -> ExitCode {
    // Before anything could start a thread: a zygote forks.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ZYGOTE_ARGUMENT) {
        return ExitCode::from(u8::try_from(run_zygote(&builtins())).unwrap_or(1));
    }
    forkpool::cli::run()
}
