//! The command line of a program with functions of its own: the flags of `forkpool serve`, without a
//! subcommand.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::serve;

const ABOUT: &str = "Serve the functions of this program over HTTP until SIGTERM or Ctrl-C";

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    serve: serve::Serve,
}

pub(super) fn run(args: impl IntoIterator<Item = OsString>, own: bool) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match parse(args.clone()) {
        Ok(program) => {
            let mut serve = program.serve;
            serve.flags.own_functions = own;
            serve::run(serve)
        }
        Err(told) => super::answer(&told, &args),
    }
}

fn parse(args: Vec<OsString>) -> Result<Program, clap::Error> {
    let name = args.first().and_then(|path| Path::new(path).file_name()).unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let help = serve::AFTER_HELP.replace("forkpool serve", &name);
    let mut command = Program::command()
        .bin_name(name)
        .about(ABOUT)
        .long_about(ABOUT)
        .after_help(help)
        .mut_args(super::variable_as_meant);
    let matches =
        command.try_get_matches_from_mut(args).map_err(|told| super::in_our_words(told, &command))?;
    Program::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Program, clap::Error> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_flags_are_those_of_serve() {
        Program::command().debug_assert();
        let program = parsed(&["/bin/shop", "tasks.py", "--builtin", "--workers", "5"]).expect("good");
        assert_eq!(program.serve.flags.targets, Some(vec!["tasks.py".to_owned()]));
        assert_eq!(parsed(&["shop", "--wrong"]).map_err(|told| told.exit_code()).map(drop), Err(2));
        let mut flags = parsed(&["shop"]).expect("good").serve.flags;
        flags.own_functions = true;
        assert!(flags.resolve().is_ok_and(|config| config.own_functions && !config.builtin));
    }

    #[test]
    fn help_names_the_program() {
        let told = parsed(&["/bin/shop", "--help"]).expect_err("help").to_string();
        assert!(told.contains("Usage: shop [OPTIONS]") && told.starts_with(ABOUT), "{told}");
        assert!(told.contains("\n  shop tasks.py\n") && !told.contains("forkpool serve"), "{told}");
    }
}
