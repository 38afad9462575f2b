//! What an operator may set: one struct that is read from flags and environment (by clap) and from
//! the file (by serde).
//!
//! Every member is optional, so that the layers can be laid over each other: flags and environment
//! over the file over the defaults. A list that is given replaces the list below it. Ranges stand
//! in the members' types.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::commands::{self, CommandEntry};
use super::quantity::{Bytes, Count, Preload, Seconds, Switch};
use super::{
    Bind, Config, ConfigError, FunctionTables, HostName, Limits, PoolTables, PublicUrl, TokenFile,
    WorkerOutput, file, processors, targets, tokens,
};

/// Most workers of a pool.
const WORKERS_MAX: u64 = 1_024;
const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A request's own size and that of a value.
type Message = Bytes<KIB, { 64 * GIB }>;
/// What the server holds in all.
type Store = Bytes<KIB, TIB>;
/// A client that is slow or silent.
type Patience = Seconds<100, DAY>;
/// A finished job's life.
type Life = Seconds<100, { 366 * DAY }>;

/// The flags of `serve`, `check-config` and `openapi`; each is also a variable and a member of the
/// file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeFlags {
    /// Python files (tasks.py) and modules (package.module) whose public functions are offered; a
    /// colon separates several in one word
    #[arg(value_name = "FILE.py|MODULE", env = "FORKPOOL_TARGETS", value_delimiter = ':')]
    pub targets: Option<Vec<String>>,

    /// Offer one Python function more by its full name, like os.getpid (repeatable, or with commas)
    #[arg(long, value_name = "NAME", env = "FORKPOOL_FUNCTION", value_delimiter = ',')]
    #[arg(help_heading = "What is served")]
    pub function: Option<Vec<String>>,

    /// Offer a program as a function, without a shell; {0} and {name} take arguments, the rest is its input
    /// (repeatable)
    #[arg(long, value_name = "NAME=PROGRAM ARG…", env = "FORKPOOL_COMMAND")]
    #[arg(help_heading = "What is served")]
    #[serde(skip)]
    pub command: Option<Vec<String>>,

    /// The file's `[commands.NAME]`.
    #[arg(skip)]
    pub commands: Option<BTreeMap<String, CommandEntry>>,

    /// Offer the native functions: builtin.echo, .square, .sleep, .getpid, .fail
    #[arg(long, value_name = "on|off", env = "FORKPOOL_BUILTIN", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "on", help_heading = "What is served")]
    pub builtin: Option<Switch>,

    /// Whether the program itself has functions; no flag says so.
    #[arg(skip)]
    #[serde(skip)]
    pub own_functions: bool,

    /// Read what flags and environment leave open from this TOML file
    #[arg(long, value_name = "FILE", env = "FORKPOOL_CONFIG", help_heading = "What is served")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    #[arg(
        long,
        help = "Listen here: an address (port 0: a free one) or unix:/path; one that other machines can reach \
                needs --token-file [default: 127.0.0.1:8080]",
        value_name = "ADDRESS",
        env = "FORKPOOL_BIND",
        help_heading = "Where"
    )]
    pub bind: Option<Bind>,

    /// Who may call: a file of [[token]] tables (name, hash or token), or of a token a line; callers send
    /// Authorization: Bearer TOKEN [default: none]
    #[arg(long, value_name = "FILE", env = "FORKPOOL_TOKEN_FILE", help_heading = "Where")]
    pub token_file: Option<PathBuf>,

    /// Listen without tokens even where other machines can reach it: whoever does may run your functions
    /// [default: off]
    #[arg(long, value_name = "on|off", env = "FORKPOOL_INSECURE_NO_AUTH", num_args = 0..=1)]
    #[arg(require_equals = true, default_missing_value = "on", help_heading = "Where")]
    pub insecure_no_auth: Option<Switch>,

    /// A name that the Host header may be besides IP addresses and localhost: that of an ingress or a sidecar
    /// (repeatable, or with commas) [default: none]
    #[arg(long, value_name = "NAME", env = "FORKPOOL_ALLOW_HOST", value_delimiter = ',')]
    #[arg(help_heading = "Where")]
    pub allow_host: Option<Vec<HostName>>,

    /// Where clients reach the server, like https://pool.example/jobs: links begin with it, and web pages of its
    /// origin may call [default: none]
    #[arg(long, value_name = "URL", env = "FORKPOOL_PUBLIC_URL", help_heading = "Where")]
    pub public_url: Option<PublicUrl>,

    /// Worker processes of each pool, 1 to 1024 [default: the processors this process may use]
    #[arg(long, value_name = "N", env = "FORKPOOL_WORKERS", help_heading = "Workers")]
    pub workers: Option<Count<1, WORKERS_MAX>>,

    /// The Python interpreter, 3.9 or newer: a path, or a name looked up on PATH [default: python3]
    #[arg(long, value_name = "INTERPRETER", env = "FORKPOOL_PYTHON", help_heading = "Workers")]
    pub python: Option<PathBuf>,

    /// Add a folder to sys.path, after the folders of the files (repeatable, or with colons)
    /// [default: none]
    #[arg(long, value_name = "DIR", env = "FORKPOOL_PYTHON_PATH", value_delimiter = ':')]
    #[arg(help_heading = "Workers")]
    pub python_path: Option<Vec<PathBuf>>,

    /// What is loaded before workers are forked: what can be (a module that starts a thread while it loads is loaded
    /// by each worker), everything (such a module is refused), or nothing [default: auto]
    #[arg(long, value_name = "auto|on|off", env = "FORKPOOL_PRELOAD", help_heading = "Workers")]
    pub preload: Option<Preload>,

    /// Where what functions print goes: to the job's log and standard error, or to the log alone
    /// [default: stderr]
    #[arg(long, value_enum, value_name = "stderr|job", env = "FORKPOOL_WORKER_OUTPUT")]
    #[arg(hide_possible_values = true, help_heading = "Workers")]
    pub worker_output: Option<WorkerOutput>,

    /// Whether a function's traceback is part of its error [default: on]
    #[arg(long, value_name = "on|off", env = "FORKPOOL_TRACEBACKS", help_heading = "Workers")]
    pub tracebacks: Option<Switch>,

    /// Output kept per job and Process; what is beyond is cut and marked [default: 64KiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_LOG_LIMIT", help_heading = "Workers")]
    pub log_limit: Option<Bytes<0, GIB>>,

    /// Time for a runtime to load, and for a worker from fork to its first word [default: 30s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_START_TIMEOUT", help_heading = "Clocks")]
    pub start_timeout: Option<Seconds<100, HOUR>>,

    /// The end of a wait for a result whose request names no timeout [default: 50s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_MAX_WAIT", help_heading = "Clocks")]
    pub max_wait: Option<Patience>,

    /// After SIGTERM: how long work is still taken [default: 0s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_DRAIN_DELAY", help_heading = "Clocks")]
    pub drain_delay: Option<Seconds<0, HOUR>>,

    /// After that: how long running work may go on before it is killed [default: 20s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_DRAIN_LIMIT", help_heading = "Clocks")]
    pub drain_limit: Option<Seconds<0, DAY>>,

    /// How long the value of a finished job is kept [default: 1h]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_RESULT_TTL", help_heading = "Clocks")]
    pub result_ttl: Option<Life>,

    /// How long a job that ended without a value is kept [default: 24h]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_FAILURE_TTL", help_heading = "Clocks")]
    pub failure_ttl: Option<Life>,

    /// How long a Process that has ended is kept [default: 1h]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_PROCESS_TTL", help_heading = "Clocks")]
    pub process_ttl: Option<Life>,

    /// How long an idempotency key is kept [default: 24h]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_IDEMPOTENCY_TTL", help_heading = "Clocks")]
    pub idempotency_ttl: Option<Life>,

    /// From a request's first byte to the end of its head [default: 10s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_HEAD_TIMEOUT", help_heading = "Clocks")]
    pub head_timeout: Option<Patience>,

    /// A request body that brings no byte for so long ends its request [default: 30s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_BODY_STALL", help_heading = "Clocks")]
    pub body_stall: Option<Patience>,

    /// A client that takes no byte of its answer for so long is left [default: 30s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_WRITE_STALL", help_heading = "Clocks")]
    pub write_stall: Option<Patience>,

    /// How long a connection may rest between two requests [default: 75s]
    #[arg(long, value_name = "TIME", env = "FORKPOOL_IDLE_TIMEOUT", help_heading = "Clocks")]
    pub idle_timeout: Option<Patience>,

    /// Largest request body; beyond: 413 [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_BODY_LIMIT", help_heading = "Limits")]
    pub body_limit: Option<Message>,

    /// Largest value of a task, as JSON; beyond: 422 [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_RESULT_LIMIT", help_heading = "Limits")]
    pub result_limit: Option<Message>,

    /// Jobs accepted and not finished; beyond: 503 [default: 100000]
    #[arg(long, value_name = "N", env = "FORKPOOL_QUEUE_JOBS", help_heading = "Limits")]
    pub queue_jobs: Option<Count<1, 100_000_000>>,

    /// Bytes of their arguments, and of the bodies being read; beyond: 503 [default: 1GiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_QUEUE_BYTES", help_heading = "Limits")]
    pub queue_bytes: Option<Store>,

    /// Finished jobs kept; beyond, the oldest expire early [default: 1000000]
    #[arg(long, value_name = "N", env = "FORKPOOL_FINISHED_JOBS", help_heading = "Limits")]
    pub finished_jobs: Option<Count<1, 100_000_000>>,

    /// Bytes of their values; beyond, the oldest expire early [default: 1GiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_FINISHED_BYTES", help_heading = "Limits")]
    pub finished_bytes: Option<Store>,

    /// Worker processes of all pools, those made at start included; a pool that would have more: 503 [default: 4096]
    #[arg(long, value_name = "N", env = "FORKPOOL_POOL_WORKERS", help_heading = "Limits")]
    pub pool_workers: Option<Count<1, 100_000>>,

    /// Processes (POST /v1/processes) alive at once; beyond: 503 [default: 1024]
    #[arg(long, value_name = "N", env = "FORKPOOL_PROCESSES", help_heading = "Limits")]
    pub processes: Option<Count<1, 100_000>>,

    /// Processes kept that have ended; beyond, the oldest are forgotten early [default: 1000]
    #[arg(long, value_name = "N", env = "FORKPOOL_ENDED_PROCESSES", help_heading = "Limits")]
    pub ended_processes: Option<Count<1, 1_000_000>>,

    /// Shared objects of all kinds; beyond: 503 [default: 100000]
    #[arg(long, value_name = "N", env = "FORKPOOL_OBJECTS", help_heading = "Limits")]
    pub objects: Option<Count<1, 10_000_000>>,

    /// Bytes that shared objects hold in all; beyond: 503 [default: 1GiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_OBJECT_BYTES", help_heading = "Limits")]
    pub object_bytes: Option<Store>,

    /// Idempotency keys kept; one more is answered 503 [default: 1000000]
    #[arg(long, value_name = "N", env = "FORKPOOL_IDEMPOTENCY_KEYS", help_heading = "Limits")]
    pub idempotency_keys: Option<Count<1, 100_000_000>>,

    /// Bytes of their answers; beyond, the oldest large ones are 410 [default: 1GiB]
    #[arg(long, value_name = "SIZE", env = "FORKPOOL_IDEMPOTENCY_BYTES", help_heading = "Limits")]
    pub idempotency_bytes: Option<Store>,

    /// Open connections; one more is answered 503 [default: 16384]
    #[arg(long, value_name = "N", env = "FORKPOOL_CONNECTIONS", help_heading = "Limits")]
    pub connections: Option<Count<1, 1_000_000>>,

    /// Nesting of arrays and objects in a request; beyond: 400 [default: 128]
    #[arg(long, value_name = "N", env = "FORKPOOL_DEPTH", help_heading = "Limits")]
    pub depth: Option<Count<1, 512>>,

    /// `[pools.NAME]`: in the file alone.
    #[arg(skip)]
    pub pools: Option<PoolTables>,

    /// `[functions."NAME"]`: in the file alone.
    #[arg(skip)]
    pub functions: Option<FunctionTables>,
}

/// Lays one layer over another; a member that is missing here does not compile.
macro_rules! lay_over {
    ($over:ident, $under:ident: $($member:ident),*) => {
        ServeFlags {
            config: $over.config,
            own_functions: $over.own_functions,
            $($member: $over.$member.or($under.$member)),*
        }
    };
}

impl ServeFlags {
    /// The whole configuration, or what is wrong with it. Reads the file that `config` names.
    ///
    /// # Errors
    /// The first thing that is refused, with the knob's name and what to give instead.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let flags = match &self.config {
            Some(path) => {
                let below = file::read(path)?;
                self.over(below)
            }
            None => self,
        };
        let builtin = flags.builtin.is_some_and(|switch| switch.0);
        let limits = Limits::from(&flags);
        let python = targets::python(targets::Given {
            targets: flags.targets.unwrap_or_default(),
            functions: flags.function.unwrap_or_default(),
            interpreter: flags.python.unwrap_or_else(|| PathBuf::from("python3")),
            paths: flags.python_path.unwrap_or_default(),
            builtin,
        })?;
        let given = flags.command.unwrap_or_default();
        let commands = commands::all(&given, flags.commands.unwrap_or_default())?;
        if python.is_none() && !builtin && commands.is_empty() && !flags.own_functions {
            let hint = "give a file (tasks.py), a module (package.module), --function os.getpid, \
                        --command 'count=wc -w' or --builtin";
            return Err(ConfigError(format!("nothing to serve: {hint}")));
        }
        let bind = flags.bind.unwrap_or_else(Bind::default);
        let insecure_no_auth = flags.insecure_no_auth.is_some_and(|switch| switch.0);
        let (tokens, warnings) = callers(&bind, flags.token_file, insecure_no_auth)?;
        Ok(Config {
            bind,
            tokens,
            insecure_no_auth,
            allow_hosts: flags.allow_host.unwrap_or_default(),
            public_url: flags.public_url,
            warnings,
            python,
            builtin,
            commands,
            own_functions: flags.own_functions,
            workers: flags.workers.map_or_else(default_workers, Count::get),
            pools: flags.pools.unwrap_or_default(),
            functions: flags.functions.unwrap_or_default(),
            preload: flags.preload.unwrap_or_default(),
            worker_output: flags.worker_output.unwrap_or(WorkerOutput::Stderr),
            tracebacks: flags.tracebacks.is_none_or(|switch| switch.0),
            limits,
        })
    }

    fn over(self, under: Self) -> Self {
        lay_over!(self, under: targets, function, command, commands, builtin, bind, token_file, insecure_no_auth,
            allow_host, public_url, workers, python, python_path, preload, worker_output, tracebacks, log_limit,
            start_timeout, max_wait, drain_delay, drain_limit, result_ttl, failure_ttl, head_timeout,
            body_stall, write_stall, idle_timeout, body_limit, result_limit, queue_jobs, queue_bytes,
            finished_jobs, finished_bytes, idempotency_ttl, idempotency_keys, idempotency_bytes, objects,
            object_bytes, pool_workers, processes, ended_processes, process_ttl, connections, depth, pools, functions)
    }

    /// Paths that a file names count from the file's own folder.
    pub(super) fn anchor(&mut self, folder: &Path) {
        for target in self.targets.iter_mut().flatten().filter(|target| targets::is_file(target)) {
            if let Some(path) = folder.join(&*target).to_str() {
                *target = path.to_owned();
            }
        }
        if let Some(path) = &mut self.token_file {
            *path = folder.join(&*path);
        }
        for path in self.python_path.iter_mut().flatten() {
            *path = folder.join(&*path);
        }
        for entry in self.commands.iter_mut().flat_map(BTreeMap::values_mut) {
            entry.folder = Some(folder.to_owned());
        }
        // A bare name is looked up on PATH.
        if let Some(python) = self.python.as_mut().filter(|python| python.components().count() > 1) {
            *python = folder.join(&*python);
        }
    }
}

/// Who may call, and what is unwise about it.
fn callers(
    bind: &Bind,
    token_file: Option<PathBuf>,
    insecure_no_auth: bool,
) -> Result<(Option<TokenFile>, Vec<String>), ConfigError> {
    match token_file {
        Some(_) if insecure_no_auth => {
            let detail = "--token-file and --insecure-no-auth exclude each other: leave one out";
            Err(ConfigError(detail.to_owned()))
        }
        Some(path) => {
            let read = tokens::read(&path)?;
            Ok((Some(TokenFile { path, tokens: Arc::new(read.tokens) }), read.warnings))
        }
        None if bind.is_local() => Ok((None, Vec::new())),
        None if insecure_no_auth => {
            let detail = "other machines can reach this server, and whoever does may run its functions";
            Ok((None, vec![format!("--insecure-no-auth: no tokens are asked for at {bind}: {detail}")]))
        }
        None => Err(ConfigError(bind.refusal())),
    }
}

/// The processors this process may use, within what a pool may have.
pub(super) fn default_workers() -> usize {
    processors::usable().min(Count::<1, WORKERS_MAX>(WORKERS_MAX).get())
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
