//! `forkpool openapi`: the API's document, without a server.

use std::process::ExitCode;

use crate::config::ServeFlags;
use crate::http;

#[derive(Debug, clap::Args)]
pub struct Openapi {
    #[command(flatten)]
    flags: ServeFlags,

    /// In version 3.0, for tools that don't read 3.1
    #[arg(long)]
    v3_0: bool,
}

pub fn run(openapi: Openapi) -> ExitCode {
    // Nothing given is fine here: the document is then of the API alone. What is given must be good.
    let flags = &openapi.flags;
    let serves = flags.targets.is_some()
        || flags.function.is_some()
        || flags.command.is_some()
        || flags.builtin.is_some()
        || flags.config.is_some();
    let mut functions = Vec::new();
    let mut base_url = String::new();
    if serves {
        let config = match super::resolve(openapi.flags) {
            Ok(config) => config,
            Err(status) => return status,
        };
        base_url = config.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
        match crate::app::check(&config) {
            Ok(checked) => functions = checked.functions,
            Err(reason) => {
                super::tell(&reason);
                return ExitCode::from(super::EXIT_USAGE);
            }
        }
    }
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    let document = http::document(functions.iter(), &base_url);
    let document = if openapi.v3_0 { http::document_30(&document) } else { document };
    super::print(&http::text_of(&document));
    ExitCode::SUCCESS
}
