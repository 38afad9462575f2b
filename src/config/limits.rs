//! The one table of limits: every bound of the server, with unit and default.

use std::time::Duration;

use super::ServeFlags;
use super::quantity::{Bytes, Count};

/// Every bound of the server. Sizes in bytes, durations as such.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body (413 `body-too-large`).
    pub body_bytes_max: usize,
    /// Largest value of a task (422 `result-too-large`).
    pub result_bytes_max: usize,
    /// Jobs accepted and not finished, over all pools (503 `overloaded`).
    pub queue_jobs_max: usize,
    /// Bytes of their arguments, and of the bodies being read (503 `overloaded`).
    pub queue_bytes_max: usize,
    /// Open connections; one more is answered 503 and closed.
    pub connections_max: usize,
    /// Nesting of arrays and objects in JSON (400 `invalid-json`).
    pub depth_max: usize,
    /// How long a finished job's value is kept.
    pub result_ttl: Duration,
    /// How long a job that ended without a value is kept.
    pub failure_ttl: Duration,
    /// Finished jobs kept; beyond, the oldest expire early.
    pub finished_jobs_max: usize,
    /// Bytes of their values; beyond, the oldest expire early.
    pub finished_bytes_max: usize,
    /// Shared objects of all kinds (503 `overloaded`).
    pub objects_max: usize,
    /// Bytes that they hold, with what each item and each call that waits costs (503 `overloaded`).
    pub object_bytes_max: usize,
    /// Idempotency keys kept; one more is 503 `overloaded`.
    pub idempotency_keys_max: usize,
    /// Bytes of their answers; beyond, the oldest large ones are 410 `expired`.
    pub idempotency_bytes_max: usize,
    /// How long an idempotency key is kept.
    pub idempotency_ttl: Duration,
    /// From a request's first byte to the end of its head.
    pub head_timeout: Duration,
    /// A request body that brings no byte for so long ends its request.
    pub body_stall_timeout: Duration,
    /// A client that takes no byte of its answer for so long is left.
    pub write_stall_timeout: Duration,
    /// A connection between two requests.
    pub idle_timeout: Duration,
    /// A wait without a `timeout` of its own.
    pub max_wait: Duration,
    /// Largest duration that a request may name, in seconds.
    pub timeout_max: Duration,
    /// A zygote's loading, and a worker's from fork to its first word.
    pub start_timeout: Duration,
    /// After SIGTERM: how long work is still taken.
    pub drain_delay: Duration,
    /// After that: how long running work may go on.
    pub drain_limit: Duration,
    /// Output kept per job, and per Process.
    pub log_bytes_max: usize,
    /// Worker processes of all pools (503 `overloaded`).
    pub pool_workers_max: usize,
    /// Processes (`/v1/processes`) alive at once (503 `overloaded`).
    pub processes_max: usize,
    /// Ended ones kept; beyond, the oldest are forgotten early.
    pub ended_processes_max: usize,
    /// How long an ended one is kept.
    pub process_ttl: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        const GIB: usize = 1 << 30;
        Self {
            body_bytes_max: 64 * MIB,
            result_bytes_max: 64 * MIB,
            queue_jobs_max: 100_000,
            queue_bytes_max: GIB,
            connections_max: 16_384,
            depth_max: 128,
            result_ttl: Duration::from_secs(3_600),
            failure_ttl: Duration::from_secs(86_400),
            finished_jobs_max: 1_000_000,
            finished_bytes_max: GIB,
            objects_max: 100_000,
            object_bytes_max: GIB,
            idempotency_keys_max: 1_000_000,
            idempotency_bytes_max: GIB,
            idempotency_ttl: Duration::from_secs(86_400),
            head_timeout: Duration::from_secs(10),
            body_stall_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            max_wait: Duration::from_secs(50),
            timeout_max: Duration::from_secs(86_400),
            start_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
            drain_limit: Duration::from_secs(20),
            log_bytes_max: 64 << 10,
            pool_workers_max: 4_096,
            processes_max: 1_024,
            ended_processes_max: 1_000,
            process_ttl: Duration::from_secs(3_600),
        }
    }
}

impl From<&ServeFlags> for Limits {
    /// What the flags leave open is at its default.
    fn from(flags: &ServeFlags) -> Self {
        let default = Self::default();
        Self {
            body_bytes_max: flags.body_limit.map_or(default.body_bytes_max, Bytes::get),
            result_bytes_max: flags.result_limit.map_or(default.result_bytes_max, Bytes::get),
            queue_jobs_max: flags.queue_jobs.map_or(default.queue_jobs_max, Count::get),
            queue_bytes_max: flags.queue_bytes.map_or(default.queue_bytes_max, Bytes::get),
            connections_max: flags.connections.map_or(default.connections_max, Count::get),
            depth_max: flags.depth.map_or(default.depth_max, Count::get),
            result_ttl: flags.result_ttl.map_or(default.result_ttl, |ttl| ttl.0),
            failure_ttl: flags.failure_ttl.map_or(default.failure_ttl, |ttl| ttl.0),
            finished_jobs_max: flags.finished_jobs.map_or(default.finished_jobs_max, Count::get),
            finished_bytes_max: flags.finished_bytes.map_or(default.finished_bytes_max, Bytes::get),
            objects_max: flags.objects.map_or(default.objects_max, Count::get),
            object_bytes_max: flags.object_bytes.map_or(default.object_bytes_max, Bytes::get),
            idempotency_keys_max: flags.idempotency_keys.map_or(default.idempotency_keys_max, Count::get),
            idempotency_bytes_max: flags.idempotency_bytes.map_or(default.idempotency_bytes_max, Bytes::get),
            idempotency_ttl: flags.idempotency_ttl.map_or(default.idempotency_ttl, |ttl| ttl.0),
            head_timeout: flags.head_timeout.map_or(default.head_timeout, |time| time.0),
            body_stall_timeout: flags.body_stall.map_or(default.body_stall_timeout, |time| time.0),
            write_stall_timeout: flags.write_stall.map_or(default.write_stall_timeout, |time| time.0),
            idle_timeout: flags.idle_timeout.map_or(default.idle_timeout, |time| time.0),
            max_wait: flags.max_wait.map_or(default.max_wait, |time| time.0),
            timeout_max: default.timeout_max,
            start_timeout: flags.start_timeout.map_or(default.start_timeout, |time| time.0),
            drain_delay: flags.drain_delay.map_or(default.drain_delay, |time| time.0),
            drain_limit: flags.drain_limit.map_or(default.drain_limit, |time| time.0),
            log_bytes_max: flags.log_limit.map_or(default.log_bytes_max, Bytes::get),
            pool_workers_max: flags.pool_workers.map_or(default.pool_workers_max, Count::get),
            processes_max: flags.processes.map_or(default.processes_max, Count::get),
            ended_processes_max: flags.ended_processes.map_or(default.ended_processes_max, Count::get),
            process_ttl: flags.process_ttl.map_or(default.process_ttl, |ttl| ttl.0),
        }
    }
}
