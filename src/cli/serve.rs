//! `forkpool serve`: serve until told to stop.

use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use crate::app::ServeError;
use crate::config::{Config, LogFormat, ServeFlags};

pub(super) const AFTER_HELP: &str = "\
What is served:
  A name that ends in .py or contains a slash is a file. The public functions that it defines are
  offered as STEM.NAME; its folder comes first on sys.path. Any other name is a module, which is
  imported, from the current folder too. A module's __all__ says what is public, if there is one.
  Python is the first of --python, VIRTUAL_ENV, the environment that forkpool is in, ./.venv, python3.

Other ways to say it:
  Every flag is a variable of the environment (--body-limit is FORKPOOL_BODY_LIMIT) and a member
  of the --config file (body_limit); the files and modules are FORKPOOL_TARGETS and targets.
  But the file has a table for each command, [commands.NAME].
  Flags win over the environment, the environment over the file. A variable that is empty counts
  as unset. Lists: commas between functions (FORKPOOL_FUNCTION=os.getpid,time.sleep), colons
  between files, modules and folders (FORKPOOL_TARGETS=tasks.py:shop.reports,
  FORKPOOL_PYTHON_PATH=src:lib), a line for each command in FORKPOOL_COMMAND.
  Times: 0.5, 500ms, 10s, 5m, 1h. Sizes: 65536, 64KiB, 64MiB, 1GiB.

Examples:
  forkpool serve tasks.py
  forkpool serve tasks.py --function os.getpid --builtin --workers 4
  forkpool serve --command 'count=wc -w' --command 'head=head -n {0}'
  forkpool serve shop.reports --python .venv/bin/python --bind unix:/run/forkpool.sock";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Serve {
    #[command(flatten)]
    pub flags: ServeFlags,

    /// Stop when this process, which must be the parent, ends.
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<i32>,
}

pub fn run(serve: Serve) -> ExitCode {
    if let Some(parent) = serve.parent {
        // The parent may have ended before the signal was armed.
        let armed = prctl::set_pdeathsig(Signal::SIGTERM);
        if armed.is_err() || getppid().as_raw() != parent {
            super::tell("the process that started this server is gone");
            return ExitCode::FAILURE;
        }
    }
    match super::resolve(serve.flags) {
        Ok(config) => serve_as(config),
        Err(status) => status,
    }
}

fn serve_as(config: Config) -> ExitCode {
    let is_told_in_the_log = config.log_format == LogFormat::Json;
    match crate::app::serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !is_told_in_the_log {
                super::tell(&error.to_string());
            }
            match error {
                ServeError::Configuration(_) => ExitCode::from(super::EXIT_USAGE),
                ServeError::Failed(_) => ExitCode::FAILURE,
            }
        }
    }
}
