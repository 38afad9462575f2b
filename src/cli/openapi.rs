//! `forkpool openapi`: the API's document, without a server.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use crate::catalog::Function;
use crate::config::ServeFlags;
use crate::http::{self, Described, Edition, Layout, Part, Version};

#[derive(Debug, clap::Args)]
pub struct Openapi {
    #[command(flatten)]
    flags: ServeFlags,

    /// In version 3.0, for tools that don't read 3.1
    #[arg(long)]
    v3_0: bool,

    /// Of the functions alone and in brief: their operations, and what waits for their results
    #[arg(long)]
    functions: bool,
}

pub fn run(openapi: Openapi) -> ExitCode {
    // Nothing given is fine here: the document is then of the API alone. What is given must be good.
    let mut flags = openapi.flags;
    let serves = flags.targets.is_some()
        || flags.function.is_some()
        || flags.command.is_some()
        || flags.builtin.is_some()
        || flags.config.is_some();
    flags.own_functions |= !serves;
    let config = match super::resolve(flags) {
        Ok(config) => config,
        Err(status) => return status,
    };
    let mut functions = Vec::new();
    if serves {
        match crate::app::check(&config) {
            Ok(checked) => functions = checked.functions,
            Err(reason) => {
                super::tell(&reason);
                return ExitCode::from(super::EXIT_USAGE);
            }
        }
    }
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    let functions: Vec<&Function> = functions.iter().collect();
    let edition = Edition {
        version: if openapi.v3_0 { Version::V30 } else { Version::V31 },
        part: if openapi.functions { Part::Functions } else { Part::Whole },
    };
    let base_url = config.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
    let server = Described { base_url: &base_url, has_tokens: config.tokens.is_some() };
    let out = BufWriter::new(io::stdout().lock());
    // A reader that has left is no fault.
    let _ = http::write_document(out, Layout::Lines, edition, server, &functions)
        .and_then(|(mut out, _)| out.flush());
    ExitCode::SUCCESS
}
