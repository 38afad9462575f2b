//! `forkpool openapi`: the API's document, without a server.

use std::process::ExitCode;

use crate::config::ServeFlags;
use crate::http::{self, FunctionShown};

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
    let mut offered = Vec::new();
    let mut base_url = String::new();
    if serves {
        let config = match super::resolve(openapi.flags) {
            Ok(config) => config,
            Err(status) => return status,
        };
        base_url = config.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
        match crate::app::check(&config) {
            Ok(checked) => offered = checked.offered,
            Err(reason) => {
                super::tell(&reason);
                return ExitCode::from(super::EXIT_USAGE);
            }
        }
    }
    offered.sort_by(|one, other| one.name.cmp(&other.name));
    let shown = offered.iter().map(|function| FunctionShown {
        name: &function.name,
        runtime: function.runtime.name(),
        doc: function.doc.as_deref(),
        signature: function.signature.as_deref(),
        types: &function.types,
    });
    let document = http::document(shown, &base_url);
    let document = if openapi.v3_0 { http::document_30(&document) } else { document };
    super::print(&http::text_of(&document));
    ExitCode::SUCCESS
}
