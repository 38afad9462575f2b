//! A program's first step: a zygote or a keeper if it was executed as one, else its command line.

use std::process::ExitCode;

use crate::cli;
use crate::worker::{Functions, KEEPER_ARGUMENT, ZYGOTE_ARGUMENT, run_keeper, run_zygote};

/// Serves the program's own functions until SIGTERM or Ctrl-C.
///
/// It reads the program's command line, the environment and the file of `--config` as `forkpool serve` does:
/// the same flags, and `--help` lists them. The functions are always offered, in the pool `native`; flags may
/// add Python files and `--builtin`.
///
/// Call it in a plain `main`, before anything that starts a thread (an async runtime, a logger), reads
/// arguments or standard input: the program is executed twice more, as the zygote that workers are forked from and as
/// the process that cleans up if the server is killed (both with the argument `__zygote`), and these are told apart
/// here. What `main` does before, all do. Files that it opened are closed in workers:
/// what a function needs open, a `LazyLock` opens in each.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     forkpool::serve(forkpool::Functions::new().register("add", |a: i64, b: i64| a + b))
/// }
/// ```
#[must_use]
pub fn serve(functions: Functions) -> ExitCode {
    let (any, problem) = (!functions.is_empty(), functions.problem().map(str::to_owned));
    zygote(functions).unwrap_or_else(|| match problem {
        Some(problem) => cli::refuse(&problem),
        None => cli::serve(any),
    })
}

/// The command `forkpool`, which has no functions of its own.
#[must_use]
pub fn run() -> ExitCode {
    zygote(Functions::new()).unwrap_or_else(cli::run)
}

/// What became of the zygote or the keeper, if this is one. Before anything could start a thread: a zygote forks.
fn zygote(functions: Functions) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next()?;
    if first != ZYGOTE_ARGUMENT {
        return None;
    }
    // A program may tell its zygote apart by that argument: the keeper, which must not serve either, has it too.
    let status = match (arguments.next(), arguments.next()) {
        (Some(second), Some(mark)) if second == KEEPER_ARGUMENT => run_keeper(mark.to_str()?),
        _ => run_zygote(functions),
    };
    Some(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}
