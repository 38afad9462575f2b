//! The command line: subcommands, their help, and the way from arguments to what runs. [`client`] is the HTTP
//! client of those that need one, [`tour`] what `demo` shows, [`embedded`] the command line of a program with
//! functions of its own.
//!
//! Exit statuses: 0 well, 1 what was asked for failed, 2 wrong usage or configuration (what can't be loaded is wrong
//! configuration), 130 interrupted.

mod check_config;
mod child;
mod client;
mod demo;
mod embedded;
mod folder;
mod foreign;
mod healthcheck;
mod openapi;
mod serve;
mod tour;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, ServeFlags, unknown_variables};

/// Wrong usage or configuration.
const EXIT_USAGE: u8 = 2;

const ABOUT: &str = "Python's multiprocessing as an HTTP service";

const LONG_ABOUT: &str = "Python's multiprocessing as an HTTP service.

forkpool keeps pre-forked, warm, isolated worker processes behind a JSON API: apply, map and their kin, \
from any language that speaks HTTP.";

const EXAMPLES: &str = "\
Try it:
  forkpool demo                          see it work, with a curl line for every request
  forkpool serve tasks.py                offer the public functions of tasks.py as tasks.NAME
  curl -s --json '{\"function\":\"tasks.square\",\"args\":[12]}' http://127.0.0.1:8080/v1/apply";

#[derive(Debug, Parser)]
#[command(name = "forkpool", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_DEMO: &str = "\
Each request of the multiprocessing introduction is printed as a curl line with its answer.
The exit status is 0 if all answers are right.";

const AFTER_OPENAPI: &str = "\
It takes the flags of forkpool serve, so that a build can use one line for both: the document is the one
that such a server has at /openapi.json, with an operation for each function. Without any it is of the
API alone.";

const AFTER_CHECK: &str = "\
Loads what would be served and lists it, with every setting that differs from its default.
The exit status is 0 when all is well, 2 when something is wrong.";

const AFTER_HEALTHCHECK: &str = "\
For a container's HEALTHCHECK and for scripts: it asks /readyz where --bind (or FORKPOOL_BIND)
says that the server listens, and needs no token.
The exit status is 0 when it is ready, 1 when it is not or does not answer.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the bundled examples and run a tour of them over HTTP
    #[command(after_help = AFTER_DEMO)]
    Demo(demo::Demo),
    /// Serve functions until SIGTERM or Ctrl-C
    Serve(Box<serve::Serve>),
    /// Print the API's document (OpenAPI 3.1)
    #[command(after_help = AFTER_OPENAPI)]
    Openapi(Box<openapi::Openapi>),
    /// Say what would be served, or what is wrong, and exit
    #[command(after_help = AFTER_CHECK)]
    CheckConfig(Box<check_config::CheckConfig>),
    /// Ask a running server whether it is ready
    #[command(after_help = AFTER_HEALTHCHECK)]
    Healthcheck(healthcheck::Healthcheck),
}

/// Does what the process's arguments ask for.
#[must_use]
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// Serves the functions of the program that this is in, and what its flags add; `own`: whether it has any.
#[must_use]
pub fn serve(own: bool) -> ExitCode {
    embedded::run(std::env::args_os(), own)
}

/// Says that the program itself is wrong.
#[must_use]
pub fn refuse(problem: &str) -> ExitCode {
    tell(problem);
    ExitCode::from(EXIT_USAGE)
}

fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match parse(args.clone()) {
        Ok(cli) => match cli.command {
            Command::Demo(demo) => demo::run(&demo),
            Command::Serve(serve) => serve::run(*serve),
            Command::Openapi(openapi) => openapi::run(*openapi),
            Command::CheckConfig(check) => check_config::run(*check),
            Command::Healthcheck(check) => healthcheck::run(&check),
        },
        Err(told) => answer(&told, &args),
    }
}

/// Says what the reader of arguments has to say: help and version come this way too.
fn answer(told: &clap::Error, args: &[OsString]) -> ExitCode {
    if let Some(advice) = foreign::advice(told, args) {
        tell(&advice);
        return ExitCode::from(EXIT_USAGE);
    }
    // A reader that has left is no fault.
    let _ = told.print();
    if let Some(variable) = variable_of(told) {
        tell(&format!("the value is from the environment: {variable}"));
    }
    if let Some(file) = file_without_serve(told) {
        tell(&format!("to offer its functions: forkpool serve {file}"));
    }
    ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(EXIT_USAGE))
}

/// A file where a subcommand was to be.
fn file_without_serve(told: &clap::Error) -> Option<&str> {
    match told.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if word.contains(['.', '/']) => Some(word),
        _ => None,
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command().mut_subcommands(|command| command.mut_args(variable_as_meant));
    let matches = command.try_get_matches_from_mut(args).map_err(|told| in_our_words(told, &command))?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Without tips that lead nowhere: to flags that are for our own use, and to what can't be served anyway.
fn in_our_words(mut told: clap::Error, command: &clap::Command) -> clap::Error {
    if told.kind() != ErrorKind::UnknownArgument {
        return told;
    }
    told.remove(ContextKind::Suggested);
    let all = command.get_subcommands().chain([command]);
    let mut hidden = all.flat_map(clap::Command::get_arguments).filter(|arg| arg.is_hide_set());
    if let Some(ContextValue::String(flag)) = told.get(ContextKind::SuggestedArg)
        && hidden.any(|arg| arg.get_long() == flag.strip_prefix("--"))
    {
        told.remove(ContextKind::SuggestedArg);
    }
    told
}

/// All variables are named alike: one sentence of help says more than thirty names. One that is set but
/// empty counts as unset, as scripts and container files write it.
fn variable_as_meant(arg: Arg) -> Arg {
    let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let arg = if empty { arg.env(None) } else { arg };
    arg.hide_env(true)
}

/// The variable that a refused value came from, if it did: the message names the flag, which nobody
/// may have given.
fn variable_of(error: &clap::Error) -> Option<String> {
    let ContextValue::String(arg) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let flag = arg.split([' ', '=', '[']).next().filter(|flag| flag.starts_with("--"))?;
    let given = std::env::args().any(|arg| arg.split('=').next() == Some(flag));
    let variable = format!("FORKPOOL_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
    (!given && std::env::var_os(&variable).is_some()).then_some(variable)
}

/// The configuration, or the exit status after the reason is told.
fn resolve(flags: ServeFlags) -> Result<Config, ExitCode> {
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for warning in unknown_variables(variables) {
        tell(&format!("warning: {warning}"));
    }
    flags.resolve().map_err(|error| {
        tell(&error.to_string());
        ExitCode::from(EXIT_USAGE)
    })
}

/// A line for the operator on standard error.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "forkpool: {line}");
}

/// The whole text on standard output; a reader that has left is no fault.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_and_files_may_come_in_any_order() {
        let args =
            ["forkpool", "serve", "a.py", "--function", "os.getpid", "--builtin", "b.py", "--workers", "5"];
        let cli = parse(args.map(OsString::from)).expect("good");
        let Command::Serve(serve) = cli.command else { panic!("not serve") };
        assert_eq!(serve.flags.targets, Some(vec!["a.py".to_owned(), "b.py".to_owned()]));
        assert_eq!(serve.flags.function, Some(vec!["os.getpid".to_owned()]));
    }

    /// Says to the test below that it runs in an environment made for it.
    const IN_AN_ENVIRONMENT: &str = "TEST_IN_AN_EMPTY_ENVIRONMENT";

    /// Tests something only where the next test runs it: in a process of its own, whose environment is set.
    #[test]
    fn in_an_empty_environment() {
        if std::env::var_os(IN_AN_ENVIRONMENT).is_none() {
            return;
        }
        let cli = parse(["forkpool", "serve", "--builtin"].map(OsString::from)).expect("good");
        let Command::Serve(serve) = cli.command else { panic!("not serve") };
        let flags = &serve.flags;
        assert_eq!((&flags.targets, &flags.function, &flags.python_path), (&None, &None, &None));
        assert!(flags.workers.is_none() && flags.max_wait.is_some());
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let output = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "cli::tests::in_an_empty_environment"])
            .env(IN_AN_ENVIRONMENT, "1")
            .env("FORKPOOL_TARGETS", "")
            .env("FORKPOOL_FUNCTION", "")
            .env("FORKPOOL_PYTHON_PATH", "")
            .env("FORKPOOL_WORKERS", "")
            .env("FORKPOOL_MAX_WAIT", "5s")
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn a_file_without_a_subcommand_is_told_apart() {
        let told = |word: &str| parse(["forkpool", word].map(OsString::from)).expect_err("no subcommand");
        assert_eq!(file_without_serve(&told("tasks.py")), Some("tasks.py"));
        assert_eq!(file_without_serve(&told("shop.images")), Some("shop.images"));
        assert_eq!(file_without_serve(&told("sevre")), None);
    }

    #[test]
    fn tips_lead_somewhere() {
        let told = |flag: &str| parse(["forkpool", "serve", flag].map(OsString::from)).expect_err("unknown");
        let text = |flag: &str| told(flag).to_string();
        assert!(!text("--parnet").contains("--parent"), "{}", text("--parnet"));
        assert!(text("--wrokers").contains("'--workers'"), "{}", text("--wrokers"));
        assert!(!text("--xyzzy").contains("as a value"), "{}", text("--xyzzy"));
    }

    #[test]
    fn a_number_below_zero_is_a_value() {
        let told =
            parse(["forkpool", "serve", "--workers", "-1"].map(OsString::from)).expect_err("too small");
        assert!(told.to_string().contains("at least 1"), "{told}");
    }

    #[test]
    fn wrong_usage_is_status_2_and_help_is_0() {
        let status = |args: &[&str]| {
            parse(args.iter().map(OsString::from)).map_or_else(|told| told.exit_code(), |_| -1)
        };
        assert_eq!(status(&["forkpool", "serve", "--wrong"]), 2);
        assert_eq!(status(&["forkpool"]), 2);
        assert_eq!(status(&["forkpool", "--version"]), 0);
        assert_eq!(status(&["forkpool", "serve", "--help"]), 0);
    }
}
