//! Packets of the control socket between the server and a zygote.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest packet in bytes.
pub const PACKET_BYTES_MAX: usize = 128 << 10;

/// From the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum ToZygote {
    /// What to load; the first packet.
    Load {
        /// Version of the protocol.
        protocol: u32,
        /// The process that must be the workers' parent.
        server_pid: i32,
        /// First on the import path, in this order.
        paths: Vec<String>,
        /// On the import path behind the standard library, before what is installed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
        /// Why this interpreter runs, in words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        chosen_by: String,
        /// Whether to say what is not offered, and why.
        #[serde(default, skip_serializing_if = "is_false")]
        say_skipped: bool,
        /// Files whose public functions are offered.
        files: Vec<LoadFile>,
        /// Modules whose public functions are offered.
        modules: Vec<String>,
        /// Single functions.
        functions: Vec<String>,
        /// Programs offered as functions: a zygote that gets any offers these and nothing else.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        commands: Vec<LoadCommand>,
        /// Whether the zygote loads it all before it forks; if not, each worker does.
        #[serde(default = "preloads", skip_serializing_if = "Clone::clone")]
        preload: bool,
        /// Modules and functions that each worker loads, whatever `preload` says.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        late: Vec<String>,
        /// Whether errors carry the function's traceback.
        tracebacks: bool,
        /// Largest value in bytes of JSON.
        result_bytes_max: usize,
    },
    /// Make a worker of the descriptors that come with this.
    Fork {
        /// The server's number of it.
        worker: u64,
        /// What for.
        #[serde(flatten)]
        purpose: ForkPurpose,
    },
}

/// What a worker is for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ForkPurpose {
    /// What it runs before its first task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializer: Option<ForkInitializer>,
    /// It is no worker of a pool but a Process: one call, and then its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ForkProcess>,
    /// It stays when a task has left threads in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_threads: bool,
}

impl ForkPurpose {
    /// A worker of a pool.
    pub fn worker(initializer: Option<ForkInitializer>, keep_threads: bool) -> Self {
        Self { initializer, process: None, keep_threads }
    }

    /// A Process of this name.
    pub fn process(name: &str) -> Self {
        Self { process: Some(ForkProcess { name: name.to_owned() }), ..Self::default() }
    }
}

fn is_false(truth: &bool) -> bool {
    !truth
}

fn preloads() -> bool {
    true
}

/// A process that runs one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkProcess {
    /// Its name, for what it says of itself.
    pub name: String,
}

/// A function that a worker runs before it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkInitializer {
    /// Its index in the zygote's announcement.
    pub function: u32,
    /// The text of a JSON array: its positional arguments. A text, so that numbers keep their digits and only
    /// the worker reads it.
    pub args: String,
}

/// A file to load and the name it is imported under.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadFile {
    /// Module name.
    pub module: String,
    /// Absolute path.
    pub path: String,
}

/// A program that is offered as a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadCommand {
    /// Public name.
    pub name: String,
    /// The program and its arguments, placeholders (`{0}`, `{name}`) among them.
    pub argv: Vec<String>,
    /// How its standard output becomes the value.
    pub output: CommandOutput,
    /// Whether a value that begins with `-` may take a placeholder's place.
    pub allow_dash: bool,
}

/// How a program's standard output becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandOutput {
    /// As a string, less one newline at its end.
    Text,
    /// It is the value's JSON.
    Json,
    /// As bytes, `{"$bytes":"<base64>"}`.
    Bytes,
}

/// What is known of a function's arguments and value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionTypes {
    /// The JSON Schema of the object of its arguments by name; left out where not even names are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// The JSON Schema of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Value>,
    /// The arguments that are given by position, in order: the worker's own affair.
    #[serde(skip)]
    pub positional: Vec<String>,
    /// The argument whose items are the positional ones that follow, likewise.
    #[serde(skip)]
    pub rest: Option<String>,
}

/// A function as its zygote announces it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnnouncedFunction {
    /// Public name.
    pub name: String,
    /// Its documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What its arguments and its value must be.
    #[serde(default)]
    pub types: FunctionTypes,
}

/// What runs a zygote's code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// Its own file, as it sees itself.
    pub path: String,
    /// Its version.
    pub version: String,
}

/// What a module has and does not offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The module.
    pub what: String,
    /// The names, and why.
    pub message: String,
    /// Whether it offers nothing at all.
    #[serde(default)]
    pub all: bool,
}

/// From a zygote or the parent of a new worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum FromZygote {
    /// What runs it; sent first, by those whose code is interpreted.
    Interpreter(Interpreter),
    /// It is about to import or resolve this.
    Loading {
        /// Module or name.
        what: String,
    },
    /// A function offered; the first has index 0.
    Function(AnnouncedFunction),
    /// Something is not offered.
    Skipped(Skipped),
    /// Everything is loaded.
    Ready,
    /// Loading failed.
    Refused {
        /// Module or name.
        what: String,
        /// One of the protocol's reasons.
        reason: String,
        /// What went wrong.
        message: String,
        /// The function's own frames.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceback: Option<String>,
        /// The threads that it has started, by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        threads: Vec<String>,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
    },
    /// What each worker loads, and at what cost.
    Late {
        /// Module or name.
        what: String,
        /// How long it takes.
        seconds: f64,
        /// Memory of the worker's own.
        bytes: u64,
    },
    /// A worker lives; its pidfd comes with this.
    Forked {
        /// The server's number of it.
        worker: u64,
        /// Its process.
        pid: i32,
    },
    /// A worker won't come.
    ForkFailed {
        /// The server's number of it.
        worker: u64,
        /// One of the protocol's reasons.
        reason: String,
        /// What went wrong.
        message: String,
    },
}
