//! Every setting, typed. The only reader of flags, environment and files.
//!
//! Flags win over `FORKPOOL_*` environment variables, which win over the TOML file, which wins over the defaults.
//! All of them stand in one table, `settings.rs`. What has a table of its own in the file: [`commands`] (programs
//! that are offered as functions), [`pools`] (and functions). Nothing here opens a socket or starts a process.

mod bind;
mod commands;
mod file;
mod flags;
mod interpreter;
mod nearest;
mod pools;
mod processors;
mod public;
pub(crate) mod quantity;
mod setting;
mod settings;
#[cfg(test)]
mod settings_docs;
mod shell_words;
mod targets;
mod tokens;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use interpreter::{ChosenBy, Interpreter};
pub use nearest::{nearest, unknown_variables};
pub use pools::{FunctionConfig, FunctionTables, InitArgs, PoolConfig, PoolTables};
pub use public::{HostName, PageOrigin, PublicUrl};
pub use quantity::Preload;
pub use setting::{Setting, SettingValue};
pub use settings::{Limits, ServeFlags};
pub use tokens::Tokens;

/// What is served, where, and within which limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens.
    pub bind: Bind,
    /// Who may call; `None` when nobody is asked who they are.
    pub tokens: Option<TokenFile>,
    /// Whether a missing `tokens` is meant, wherever the server listens.
    pub insecure_no_auth: bool,
    /// Names that Host may be besides IP literals and `localhost`.
    pub allow_hosts: Vec<HostName>,
    /// Whose web pages may call besides the server's own.
    pub allow_origins: Vec<PageOrigin>,
    /// Where clients reach the server, if that isn't where it listens.
    pub public_url: Option<PublicUrl>,
    /// What is taken and yet unwise.
    pub warnings: Vec<String>,
    /// What the Python runtime loads; `None` when nothing Python is offered.
    pub python: Option<PythonConfig>,
    /// Whether the `builtin.*` native functions are offered.
    pub builtin: bool,
    /// Programs offered as functions, by name.
    pub commands: Vec<CommandConfig>,
    /// Whether the program that this is in has functions of its own; they are offered.
    pub own_functions: bool,
    /// Worker processes of each pool that does not say how many.
    pub workers: usize,
    /// Pools made at start, and what the runtimes' own are like.
    pub pools: PoolTables,
    /// What is said of single functions.
    pub functions: FunctionTables,
    /// How long a task may run where nothing else says.
    pub run_timeout: Option<Duration>,
    /// What of Python code is loaded before workers are forked, in pools that do not say.
    pub preload: Preload,
    /// Where the output of workers goes besides its job's log.
    pub worker_output: WorkerOutput,
    /// How a line of the log is written.
    pub log_format: LogFormat,
    /// Of which jobs the log has a line.
    pub log_jobs: LogJobs,
    /// Whether a function's own traceback is part of its error.
    pub tracebacks: bool,
    /// Every bound, with its unit in its name or documentation.
    pub limits: Limits,
    /// The settings that have a default, with the values that hold: for people.
    pub settings: Vec<SettingValue>,
}

/// The tokens, and where they stand.
#[derive(Debug, Clone)]
pub struct TokenFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub tokens: Arc<Tokens>,
}

/// What the Python runtime loads.
#[derive(Debug, Clone)]
pub struct PythonConfig {
    /// What runs it, 3.9 or newer.
    pub interpreter: Interpreter,
    /// First on `sys.path`, in this order (the files' folders, then `--python-path`).
    pub paths: Vec<PathBuf>,
    /// Those of them that `--python-path` named.
    pub added_paths: Vec<PathBuf>,
    /// The current folder, where anything is named by a module's name. On `sys.path` it stands behind the standard
    /// library, whose modules nothing in it hides, and before what is installed.
    pub folder: Option<PathBuf>,
    /// Files whose public functions are offered.
    pub files: Vec<PythonFile>,
    /// Modules whose public functions are offered.
    pub modules: Vec<String>,
    /// Single functions offered by their dotted name.
    pub functions: Vec<String>,
}

/// A Python file and the module name that it is imported under.
#[derive(Debug, Clone)]
pub struct PythonFile {
    /// The file's stem.
    pub module: String,
    /// Absolute path.
    pub path: PathBuf,
}

/// A program offered as a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandConfig {
    /// Public name.
    pub name: String,
    /// The program and its arguments, placeholders among them.
    pub argv: Vec<String>,
    /// How its standard output becomes the value.
    pub output: CommandOutput,
    /// Whether a value that begins with `-` may take a placeholder's place.
    pub allow_dash: bool,
}

/// How a program's standard output becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandOutput {
    /// As a string, less one newline at its end.
    Text,
    /// It is the value's JSON.
    Json,
    /// As bytes.
    Bytes,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Bind {
    /// An address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// Where the output of workers goes besides its job's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerOutput {
    /// A line each, with job, function and pid, to the server's standard error.
    Stderr,
    /// Nowhere else.
    Job,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Time, level, part, message, fields.
    Text,
    /// A JSON object.
    Json,
}

/// Of which jobs the log has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogJobs {
    /// Those that failed.
    Failed,
    /// Each that ended, and each attempt that is followed by another.
    All,
    /// None.
    None,
}

/// Why a configuration is refused; the message names the setting and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);
