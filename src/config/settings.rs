//! The table of settings: one entry each, from which come the flag with its help, the variable, the file's member, the
//! default and its range, the limit, what `check-config` prints, the example of a file and the book's table.
//!
//! A new setting is an entry here and its use. An entry's documentation is its help, without a full stop; what an entry
//! may say is told at `settings!`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use serde::Deserialize;

use super::commands::CommandEntry;
use super::flags::default_workers;
use super::quantity::{Bytes, Count, Preload, Seconds, Switch};
use super::setting::{Setting, SettingValue, settings};
use super::value::{Limit, Value};
use super::{
    Bind, FunctionTables, HostName, LogFormat, LogJobs, PageOrigin, PoolTables, PublicUrl, WorkerOutput,
};

/// Most workers of a pool.
pub(super) const WORKERS_MAX: u64 = 1_024;
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);
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
/// How long what has ended is kept.
type Life = Seconds<100, { 366 * DAY }>;

settings! {
    "What is served" {
        /// Python files (tasks.py) and modules (package.module) whose public functions are offered; a
        /// colon separates several in one word
        targets: Vec<String> { placeholder: "FILE.py|MODULE", separator: Some(':'), is_positional: true };

        /// Offer one Python function more by its full name, like os.getpid (repeatable, or with commas)
        function: Vec<String>;

        /// Offer a program as a function, without a shell; {0} and {name} take arguments, the rest is its input
        /// (repeatable)
        #[serde(skip)]
        command: Vec<String> { placeholder: "NAME=PROGRAM ARG…", separator: None };

        /// Offer the native functions: builtin.echo, .square, .sleep, .getpid, .fail
        builtin: Switch { may_be_bare: true };

        /// Read what flags and environment leave open from this TOML file
        #[serde(skip)]
        config: PathBuf;
    }

    "Where" {
        /// Listen here: an address (port 0: a free one) or unix:/path; one that other machines can reach
        /// needs --token-file
        bind: Bind = "127.0.0.1:8080";

        /// Who may call: a file of [[token]] tables (name, hash or token), or of a token a line; callers send
        /// Authorization: Bearer TOKEN
        token_file: PathBuf {
            default: Some("none"),
            range: "a file",
            example: "\"tokens.toml\"",
            see: "[Tokens](../how-to/tokens.md)"
        };

        /// Listen without tokens even where other machines can reach it: whoever does may run your functions
        insecure_no_auth: Switch = "off" { may_be_bare: true };

        /// A name that the Host header may be besides IP addresses and localhost: that of an ingress or a sidecar
        /// (repeatable, or with commas)
        allow_host: Vec<HostName> { default: Some("none"), example: "[]" };

        /// Let web pages of this origin call, like https://app.example (CORS; repeatable, or with commas)
        allow_origin: Vec<PageOrigin> { default: Some("none"), example: "[]" };

        /// Where clients reach the server, like https://pool.example/jobs: links begin with it, and web pages of its
        /// origin may call
        public_url: PublicUrl { default: Some("none"), example: "\"https://pool.example\"" };
    }

    "Workers" {
        /// Worker processes of each pool, 1 to 1024
        workers: Count<1, WORKERS_MAX> {
            default: Some("the processors this process may use"),
            machine_default: Some(|| default_workers().to_string()),
            example: "4",
            more: "A pool may say how many it has"
        };

        /// The Python interpreter, 3.9 or newer: a path, or a name looked up on PATH
        python: PathBuf {
            default: Some("that of a virtual environment, else python3"),
            placeholder: "INTERPRETER",
            range: "3.9 or newer",
            example: "\".venv/bin/python\"",
            see: "[Which interpreter](../how-to/python.md#which-interpreter)"
        };

        /// Add a folder to sys.path, after the folders of the files (repeatable, or with colons)
        python_path: Vec<PathBuf> { default: Some("none"), placeholder: "DIR", range: "folders", example: "[]" };

        /// What is loaded before workers are forked: what can be (a module that starts a thread while it loads is
        /// loaded by each worker), everything (such a module is refused), or nothing
        preload: Preload = "auto" { see: "[Members of a pool](pools.md)" };

        /// Where what functions print goes: to the job's log and standard error, or to the log alone
        worker_output: WorkerOutput = "stderr";

        /// Whether a function's traceback is part of its error
        tracebacks: Switch = "on";

        /// Output kept per job and Process; what is beyond is cut and marked
        log_limit as log_bytes_max: Bytes<0, GIB> = "64KiB";
    }

    "The log" {
        /// How the lines on standard error are written: for people, or a JSON object each
        log_format: LogFormat = "text" { see: "[Read the log](../how-to/logs.md)" };

        /// Of which jobs the log has a line once they have ended: those that failed, all (and each attempt that is
        /// followed by another), or none
        log_jobs: LogJobs = "failed";
    }

    "Clocks" {
        /// Time for a runtime to load, and for a worker from fork to its first word
        start_timeout as start_timeout: Seconds<100, HOUR> = "30s";

        /// How long a task may run where neither its request nor its function's table says; then its worker is killed
        run_timeout: Patience { default: Some("none"), range: "100ms to 24h, or left out", example: "\"10m\"" };

        /// The end of a wait for a result whose request names no timeout
        max_wait as max_wait: Patience = "50s";

        /// After SIGTERM: how long work is still taken
        drain_delay as drain_delay: Seconds<0, HOUR> = "0s";

        /// After that: how long running work may go on before it is killed
        drain_limit as drain_limit: Seconds<0, DAY> = "20s";

        /// How long the value of a finished job is kept
        result_ttl as result_ttl: Life = "1h";

        /// How long a job that ended without a value is kept
        failure_ttl as failure_ttl: Life = "24h";

        /// How long a Process that has ended is kept
        process_ttl as process_ttl: Life = "1h";

        /// How long an idempotency key is kept
        idempotency_ttl as idempotency_ttl: Life = "24h";

        /// From a request's first byte to the end of its head
        head_timeout as head_timeout: Patience = "10s";

        /// A request body that brings no byte for so long ends its request
        body_stall as body_stall_timeout: Patience = "30s" {
            more: "So does one that after twice that has brought less than 1 KiB a second on average"
        };

        /// A client that takes no byte of its answer for so long is left
        write_stall as write_stall_timeout: Patience = "30s";

        /// How long a connection may rest between two requests
        idle_timeout as idle_timeout: Patience = "75s";
    }

    "Limits" {
        /// Largest request body; beyond: 413
        body_limit as body_bytes_max: Message = "64MiB";

        /// Largest value of a task, as JSON; beyond: 422
        result_limit as result_bytes_max: Message = "64MiB" {
            more: "Largest answer, too, that is put together from a shared object's items"
        };

        /// Jobs accepted and not finished; beyond: 503
        queue_jobs as queue_jobs_max: Count<1, 100_000_000> = "100000" { more: "Over all pools" };

        /// Bytes of their arguments, and of the bodies being read; beyond: 503
        queue_bytes as queue_bytes_max: Store = "1GiB";

        /// Bytes of answers that nobody has taken yet: values of running jobs, records of streams, what is being
        /// written; beyond: 503
        answer_bytes as answer_bytes_max: Store = "1GiB" {
            more: "Streams and running maps wait then until clients have read"
        };

        /// Finished jobs kept; beyond, the oldest expire early
        finished_jobs as finished_jobs_max: Count<1, 100_000_000> = "1000000";

        /// Bytes of them: values, logs, and what else they take; beyond, the oldest expire early
        finished_bytes as finished_bytes_max: Store = "1GiB" {
            more: "As much again of the output of Processes that have ended"
        };

        /// Worker processes of all pools, those made at start included; a pool that would have more: 503
        pool_workers as pool_workers_max: Count<1, 100_000> = "4096";

        /// Processes (POST /v1/processes) alive at once; beyond: 503
        processes as processes_max: Count<1, 100_000> = "1024";

        /// Processes kept that have ended; beyond, the oldest are forgotten early
        ended_processes as ended_processes_max: Count<1, 1_000_000> = "1000";

        /// Shared objects of all kinds; beyond: 503
        objects as objects_max: Count<1, 10_000_000> = "100000";

        /// Bytes that shared objects hold in all; beyond: 503
        object_bytes as object_bytes_max: Store = "1GiB" {
            more: "Each item and each call that waits costs something, too"
        };

        /// Idempotency keys kept; one more is answered 503
        idempotency_keys as idempotency_keys_max: Count<1, 100_000_000> = "1000000";

        /// Bytes of them and of their answers; beyond, the oldest large ones are 410
        idempotency_bytes as idempotency_bytes_max: Store = "1GiB" {
            more: "Large is more than 4 KiB; where none is left, new keys are answered 503"
        };

        /// Open connections; one more is answered 503
        connections as connections_max: Count<1, 1_000_000> = "16384";

        /// Nesting of arrays and objects in a request; beyond: 400
        depth as depth_max: Count<1, 512> = "128";
    }
}

impl clap::Args for ServeFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(SETTINGS.iter().map(Setting::flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(&ServeFlags::default())
    }
}
