//! # forkpool: Python's `multiprocessing` as an HTTP service
//!
//! One process speaks HTTP and never forks. It executes *zygotes*, which load code once and fork warm *workers*
//! from it. A worker takes one task at a time from its own pipe and answers through another; its death fails
//! the one task that it ran.
//!
//! The rooms, from top to bottom. Data flows down; nothing imports upwards (`tests/tidy.rs` holds that).
//!
//! | room | what it is | what never happens there |
//! |---|---|---|
//! | `main` | tells a zygote from the command | anything else |
//! | [`cli`] | the subcommands, the demo's tour | a socket that is not a client's |
//! | [`app`] | puts the parts together, stops them in order | a decision about a job |
//! | [`telemetry`] | log lines | standard output |
//! | [`http`] | axum: routes, one handler file per resource, the one map to statuses | work in a handler |
//! | [`api`] | what travels in requests and answers | a value built from a client's arguments |
//! | [`pool`] | the engine: one actor owns queue and workers; pure state beside it | a wait for a worker |
//! | [`jobs`] | records: awaited, finished once, expired; the store trait | running anything |
//! | [`process`] | zygotes and workers as processes | a task, a job; a fork of the server |
//! | [`worker`] | child only: becoming a worker, its loop, the runtimes | tokio, a second thread |
//! | [`transport`] | frames, packets and pipes: the wire, described for any language | an unbounded length |
//! | [`json`] | raw JSON: checked, cut, never built | recursion |
//! | [`counters`] | the shared page | a decision |
//! | [`config`] | every knob, the table of limits | a socket, a process |
//! | [`sys`] | the only unsafe | policy |

#![deny(unsafe_code)]

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod counters;
pub mod http;
pub mod jobs;
pub mod json;
pub mod pool;
pub mod process;
pub mod sys;
pub mod telemetry;
pub mod transport;
pub mod worker;
