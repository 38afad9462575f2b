//! `forkpool openapi`: the API's document, without a server.

use std::process::ExitCode;

use crate::config::ServeFlags;

#[derive(Debug, clap::Args)]
pub struct Openapi {
    #[command(flatten)]
    flags: ServeFlags,
}

pub fn run(openapi: Openapi) -> ExitCode {
    // Nothing given is fine here; what is given must be good.
    let flags = &openapi.flags;
    let serves = flags.targets.is_some()
        || flags.function.is_some()
        || flags.command.is_some()
        || flags.config.is_some();
    if serves && let Err(status) = super::resolve(openapi.flags) {
        return status;
    }
    let mut document = crate::http::openapi_json();
    if !document.ends_with('\n') {
        document.push('\n');
    }
    super::print(&document);
    ExitCode::SUCCESS
}
