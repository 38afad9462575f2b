//! # forkpool: Python's `multiprocessing` as an HTTP service
//!
//! Pre-forked, warm, isolated worker processes behind a JSON API: `apply`, `map` and their kin, from any
//! language that speaks HTTP. A worker that dies fails the one task that it ran.
//!
//! As a library it serves a Rust program's own functions, by the engine and with the flags of the command:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use forkpool::Functions;
//!
//! fn main() -> ExitCode {
//!     let functions = Functions::new()
//!         .register("square", |x: f64| x * x)
//!         .register("add", |a: i64, b: i64| a + b)
//!         .describe("The sum of two integers.")
//!         .register("parse", |text: String| text.parse::<i64>())
//!         .register_named("greet", ["name", "greeting"], |name: String, greeting: Option<String>| {
//!             format!("{}, {name}!", greeting.as_deref().unwrap_or("Hello"))
//!         });
//!     forkpool::serve(functions)
//! }
//! ```
//!
//! ```text
//! $ cargo run --release -- --bind 127.0.0.1:8080
//! forkpool listening on http://127.0.0.1:8080
//! $ curl -s --json '{"function":"add","args":[1,2]}' http://127.0.0.1:8080/v1/apply
//! 3
//! $ curl -s --json '{"function":"square","iterable":[1,2,3]}' http://127.0.0.1:8080/v1/map
//! [1.0,4.0,9.0]
//! ```
//!
//! - **Arguments** are any types that implement serde's `Deserialize`, up to six. What doesn't fit is the
//!   job's error `invalid-arguments`, with the path. [`Functions::register_named`] lets a client give them by
//!   name, too; an `Option` at the end may be left out.
//! - **Values** are any types that implement `Serialize`. What JSON can't say (NaN) is `result-not-json`,
//!   with the path. Bytes travel as [`Bytes`].
//! - **Errors are values**: of a `Result`, the error is the job's, `function-raised` with the name of its
//!   type and its message. A panic is an error, too; under `panic = "abort"` it ends the worker
//!   (`worker-died`).
//! - **Shared objects** of the server are arguments like any others: [`Queue`], [`Connection`], [`Lock`], [`RLock`],
//!   [`Semaphore`], [`BoundedSemaphore`], [`Condition`], [`Event`], [`Barrier`], [`Value`] and [`Array`] (memory that
//!   all workers map), [`Dict`], [`List`], [`Namespace`]. A client refers to one as `{"$forkpool": "/v1/queues/q"}`,
//!   and what isn't there is `unknown-ref`. Their errors are values ([`ObjectError`]); a [`Guard`] releases its lock.
//!   They live in functions alone, in any of their threads:
//!
//!   ```
//!   let functions = forkpool::Functions::new()
//!       .register("enqueue", |queue: forkpool::Queue<i64>, item: i64| queue.put(&item))
//!       .register("count_up", |value: forkpool::Value<i64>| {
//!           let _guard = value.lock()?;
//!           value.set(value.get() + 1);
//!           Ok::<_, forkpool::ObjectError>(value.get())
//!       });
//!   ```
//! - **Processes**: workers are forked from a *zygote*, which is the program executed once more, so that
//!   [`serve`] must come before anything that starts a thread. A function may do what it likes to its
//!   process: that is its own, and is replaced when it dies.
//!
//! What is not named above serves the command `forkpool` and may change with every version.
//!
//! # How it is built
//!
//! One process speaks HTTP and never forks. It executes *zygotes*, which load code once and fork warm
//! *workers* from it. A worker takes one task at a time from its own pipe and answers through another; its
//! death fails the one task that it ran.
//!
//! The rooms, from top to bottom. Data flows down; nothing imports upwards (`tests/tidy.rs` holds that).
//!
//! | room | what it is | what never happens there |
//! |---|---|---|
//! | `main` | the binary | anything |
//! | [`entry`] | tells a zygote from the command line | anything else |
//! | [`cli`] | the subcommands, their HTTP client, the demo's tour | a socket that is not a client's |
//! | [`app`] | puts the parts together, stops them in order | a decision about a job |
//! | [`telemetry`] | log lines | standard output |
//! | [`http`] | axum: routes; handlers; `edge`: what they read and write; statuses | deciding what a request means |
//! | [`api`] | requests and answers, what is wrong in them; codes, options | a value built from a client's arguments |
//! | [`service`] | what a submission, a cancel, an end means: one list of requests, one of answers | HTTP, a pipe |
//! | [`processes`] | Process: one call in a process of its own, remembered for a while | a job, a pool |
//! | [`pool`] | the pools: each an actor that drives a scheduler and its workers | a wait for a worker |
//! | [`workers`] | a pool's worker processes: started, handed tasks, read, replaced | a choice of what runs next |
//! | [`scheduler`] | what runs next: jobs, queue, limits, timers, results; simulated in tests | I/O, a clock, tokio |
//! | [`catalog`] | functions as they are described, replaced as a whole | what was learned of their runs |
//! | [`object_server`] | serves workers the objects | a wait for a worker; unbounded memory for one |
//! | [`objects`] | queues, locks, values, dicts, …, shared by clients and workers | HTTP, a pipe, a held thread |
//! | [`jobs`] | jobs as values: asked for, how far, who waits; the store; idempotency keys; room | running anything |
//! | [`process`] | zygotes and workers as processes | a task, a job; a fork of the server |
//! | [`worker`] | child only: its loop; Python, Rust, programs; their shared objects | tokio, a second thread |
//! | [`transport`] | frames, packets and pipes: the wire, described for any language | an unbounded length |
//! | [`schema`] | what arguments and values are, as JSON Schema | a verdict: the worker has it |
//! | [`json`] | raw JSON: checked, cut, never built | recursion |
//! | [`counters`] | the page that server and worker share, and the clock of its times | a decision |
//! | [`offload`] | long work on large texts, beside the server's thread | a decision |
//! | [`runtime`] | the names of the runtimes | anything else |
//! | [`names`] | what pools and objects may be called | anything else |
//! | [`config`] | every setting, from one table | a socket, a process |
//! | [`sys`] | the only unsafe | policy |
//!
//! Four that sound alike: `process` has the operating system's processes, `processes` the clients' `Process`;
//! `worker` is what runs in the child, `workers` what the server knows of it.

#![deny(unsafe_code)]

pub mod api;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod counters;
pub mod entry;
pub mod http;
pub mod jobs;
pub mod json;
pub mod names;
pub mod object_server;
pub mod objects;
pub mod offload;
pub mod pool;
pub mod process;
pub mod processes;
pub mod runtime;
pub mod scheduler;
pub mod schema;
pub mod service;
pub mod sys;
pub mod telemetry;
pub mod transport;
pub mod worker;
pub mod workers;

pub use entry::serve;
pub use schemars::{self, JsonSchema};
pub use worker::objects::{
    Array, Barrier, BoundedSemaphore, Cell, Condition, Connection, Dict, Event, Guard, List, Lock, Namespace,
    ObjectError, Queue, RLock, Semaphore, Value,
};
pub use worker::{Bytes, CurrentJob, Functions, ProgressError, Yielded, current_job, progress};
