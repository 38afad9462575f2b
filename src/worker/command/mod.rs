//! Programs as functions: each call starts the program, feeds it, and takes its standard output for the
//! value.
//!
//! No shell is in between; what a client sends is never looked at by one. The program is in the worker's own
//! process group and goes with it.

mod child;
mod lookup;
mod template;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::rc::Rc;

use base64::Engine as _;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};

use super::functions::Functions;
use super::native::{Arguments, Raised};
use crate::json;
use crate::transport::{CommandOutput, FunctionTypes, LoadCommand};
use child::{Ran, Trouble};
use template::Template;

/// Deepest value, as the server takes it.
const VALUE_DEPTH_MAX: usize = 1_000;
const SIGNATURE_BYTES_MAX: usize = 1 << 10;
/// The argument of a typed call that no placeholder takes.
const STDIN: &str = "stdin";

/// Why a command can't be offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// One of the protocol's reasons.
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
}

/// The functions with this command added as the last.
pub(super) fn add(
    functions: Functions,
    command: LoadCommand,
    result_bytes_max: usize,
) -> Result<Functions, Refused> {
    let LoadCommand { name, argv, output, allow_dash } = command;
    let template = Template::parse(&argv, allow_dash)?;
    let named = template.program().to_owned();
    let program = lookup::find(&named, std::env::var_os("PATH").as_deref())?;
    let shown = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    // The whole command line may hold what is none of a client's business.
    let doc = format!("Runs the program {shown}.");
    let mut signature = template.signature();
    signature.truncate(signature.floor_char_boundary(SIGNATURE_BYTES_MAX));
    let offered = Rc::new(Offered { program, named, template, output, result_bytes_max });
    let (alone, types) = (Rc::clone(&offered), types(&offered));
    let called = functions
        .with_raw(&name, &signature, &doc, types, move |arguments, value| offered.call(arguments, value));
    Ok(called.with_program(move |arguments| alone.program(arguments)))
}

/// What a command takes by name: its placeholders, and `stdin` for what stands in none.
fn types(offered: &Offered) -> FunctionTypes {
    let (mut positional, names) = offered.template.parameters();
    let placed = json!({"description": "Takes a place in the command line: a text as it is, else its JSON."});
    let mut properties: Map<String, Value> =
        positional.iter().chain(&names).map(|name| (name.clone(), placed.clone())).collect();
    let required: Vec<String> = properties.keys().cloned().collect();
    if !properties.contains_key(STDIN) {
        let described = "Standard input: a text or bytes as they are, else its JSON.";
        properties.insert(STDIN.into(), json!({"description": described}));
        positional.push(STDIN.into());
    }
    let mut parameters = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        parameters["required"] = json!(required);
    }
    let bytes = json!({"type": "object", "required": ["$bytes"], "additionalProperties": false,
                       "properties": {"$bytes": {"type": "string", "contentEncoding": "base64"}}});
    let returns = match offered.output {
        CommandOutput::Text => json!({"type": "string"}),
        CommandOutput::Json => json!({}),
        CommandOutput::Bytes => bytes,
    };
    FunctionTypes { parameters: Some(parameters), returns: Some(returns), positional, rest: None }
}

/// A command that can be called.
struct Offered {
    /// Absolute.
    program: PathBuf,
    /// As it was written: what the program finds as its own name.
    named: String,
    template: Template,
    output: CommandOutput,
    result_bytes_max: usize,
}

impl Offered {
    fn call(&self, arguments: Arguments<'_>, value: &mut Vec<u8>) -> Result<(), Raised> {
        let call = self.template.fill(arguments)?;
        let mut command = Command::new(&self.program);
        command.arg0(&self.named).args(&call.words);
        // Earlier items of a chunk have their part in its value.
        let room = self.result_bytes_max.saturating_sub(value.len().saturating_sub(arguments.before));
        // One more than the value, for the newline that is dropped.
        match child::run(&mut command, &call.input, room.saturating_add(1)) {
            Ok(Ran { status, stdout, stderr }) if status.success() => {
                drop(stderr);
                self.say(&stdout, value)
            }
            Ok(Ran { status, stderr, .. }) => Err(failed(status, stderr)),
            Err(Trouble::TooMuch) => Err(Raised::TooLarge { bytes: None }),
            Err(Trouble::Start(error)) => Err(not_started(&error)),
            Err(Trouble::Lost(error)) => Err(not_run(format!("was lost: {error}"))),
        }
    }

    /// What takes the place of a process: its input in a file of memory, its output the process's own.
    fn program(&self, arguments: Arguments<'_>) -> Result<Command, Raised> {
        let call = self.template.fill(arguments)?;
        let mut command = Command::new(&self.program);
        command.arg0(&self.named).args(&call.words);
        command.stdin(stdin_of(&call.input).map_err(|error| not_run(format!("has no input: {error}")))?);
        Ok(command)
    }

    /// Appends the value that this output stands for.
    fn say(&self, stdout: &[u8], value: &mut Vec<u8>) -> Result<(), Raised> {
        match self.output {
            CommandOutput::Text => {
                let text = stdout.strip_suffix(b"\n").unwrap_or(stdout);
                let text = std::str::from_utf8(text).map_err(|error| Raised::NotJson {
                    message: format!("what the command wrote is not UTF-8: {error}"),
                    path: "$".into(),
                })?;
                // Writing JSON into memory can't fail for a text.
                let _ = serde_json::to_writer(value, text);
            }
            CommandOutput::Json => {
                let shape = json::check(stdout, VALUE_DEPTH_MAX).map_err(|error| Raised::NotJson {
                    message: format!("what the command wrote is not JSON: {error}"),
                    path: "$".into(),
                })?;
                value.extend_from_slice(stdout.get(shape.start..shape.end).unwrap_or_default());
            }
            CommandOutput::Bytes => {
                value.extend_from_slice(b"{\"$bytes\":\"");
                value.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(stdout).as_bytes());
                value.extend_from_slice(b"\"}");
            }
        }
        Ok(())
    }
}

fn stdin_of(input: &[u8]) -> io::Result<Stdio> {
    if input.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(memfd_create(c"forkpool-input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(input)?;
    file.rewind()?;
    Ok(file.into())
}

fn failed(status: ExitStatus, stderr: String) -> Raised {
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok()).map(Signal::as_str);
    let message = match (status.code(), status.signal(), signal) {
        (Some(code), ..) => format!("ended with exit status {code}"),
        (None, _, Some(name)) => format!("was ended by {name}"),
        // Real-time signals have no names.
        (None, Some(number), None) => format!("was ended by signal {number}"),
        (None, None, None) => "ended in an unknown way".to_owned(),
    };
    Raised::CommandFailed { message, exit_code: status.code(), signal, stderr }
}

fn not_started(error: &io::Error) -> Raised {
    if error.raw_os_error() == Some(libc::E2BIG) {
        return Raised::invalid("$", "the arguments are longer than a command line may be");
    }
    not_run(format!("could not be started: {error}"))
}

fn not_run(message: String) -> Raised {
    Raised::CommandFailed { message, exit_code: None, signal: None, stderr: String::new() }
}
