//! The bodies that make, change and await pools.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{BodyProblem, Members, invalid};
use super::query::seconds;
use crate::json::Kind;
use crate::service::WantedPool;

/// No worker holds less.
const MAX_RSS_MIN: i64 = 32 << 20;
/// Most workers of a pool.
const PROCESSES_MAX: i64 = 1_024;
/// Most workers that a pool keeps beyond those.
const SPARE_MAX: i64 = 64;
/// Most bytes of an initializer's arguments.
const INITARGS_BYTES_MAX: usize = 32 << 10;
/// Most tasks that a worker may be limited to: JSON readers agree on integers up to here.
const TASKS_MAX: i64 = 1 << 53;

/// `Pool(processes, initializer, initargs, maxtasksperchild)`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "reports", "runtime": "python", "processes": 2, "maxtasksperchild": 100
}))]
pub struct NewPoolBody {
    /// Its name: 1 to 128 of `A-Z a-z 0-9 _ . -`, but not `.` or `..`.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*$|^[.]{3,}$"
    )]
    pub name: String,
    /// May be left out where only one is served.
    #[schema(schema_with = super::schemas::runtime)]
    pub runtime: Option<String>,
    /// Worker processes, 1 to 1,024; as the server's `--workers` if left out.
    #[schema(minimum = 1, maximum = 1024)]
    pub processes: Option<u64>,
    /// Public name of a function of the same runtime, called in each worker before its first task.
    pub initializer: Option<String>,
    /// Its positional arguments; none if left out.
    pub initargs: Option<Vec<serde_json::Value>>,
    /// Tasks (calls, or chunks of a map) that a worker runs before another takes its place.
    #[schema(minimum = 1, maximum = 9007199254740992i64)]
    pub maxtasksperchild: Option<u64>,
    /// Up to so many more, drawn for each worker; 0 if left out.
    #[schema(minimum = 0, maximum = 9007199254740992i64)]
    pub maxtasksperchild_jitter: Option<u64>,
    /// Bytes that a worker may hold: above it is replaced, and killed if it runs a task.
    #[schema(minimum = 33554432, maximum = 9007199254740992i64)]
    pub max_rss: Option<u64>,
    /// What is loaded before workers are forked: `auto` (what can be; each worker loads a module that starts a
    /// thread while it loads), `on` (everything: such a module is refused) or `off` (each worker loads
    /// everything). As the server's `--preload` if left out; true and false are taken for `on` and `off`. Python
    /// only.
    #[schema(schema_with = super::schemas::preload)]
    pub preload: Option<String>,
    /// Workers kept ready beyond `processes`, 0 to 64: one takes the place of a worker that ends, at once. 1 if left
    /// out where workers load modules themselves, else 0.
    #[schema(minimum = 0, maximum = 64)]
    pub spare_workers: Option<u64>,
    /// Whether a worker stays in which a task has left threads, with them; false if left out: it is replaced. Python
    /// only.
    pub keep_threads: Option<bool>,
}

/// What of a pool can be changed; at least one member must be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"processes": 8}), min_properties = 1)]
pub struct PoolChangeBody {
    /// Worker processes, 1 to 1,024. When they become fewer, those that leave end their tasks first.
    #[schema(minimum = 1, maximum = 1024)]
    pub processes: Option<u64>,
    /// Workers kept ready beyond those, 0 to 64.
    #[schema(minimum = 0, maximum = 64)]
    pub spare_workers: Option<u64>,
}

/// `Pool.join()`, with a bound.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"timeout": 10}))]
pub struct JoinBody {
    /// Seconds to wait at most; `--max-wait` if left out.
    #[schema(minimum = 0, maximum = 86400)]
    pub timeout: Option<f64>,
}

/// A [`PoolChangeBody`].
#[derive(Debug, Clone, Copy)]
pub struct PoolChange {
    /// Worker processes.
    pub processes: Option<usize>,
    /// Workers kept ready beyond those.
    pub spare_workers: Option<usize>,
}

impl WantedPool {
    /// Reads a [`NewPoolBody`].
    pub fn parse(text: &Bytes, depth_max: usize) -> Result<Self, BodyProblem> {
        let members = Members::read(
            text,
            depth_max,
            &[&[
                "name",
                "runtime",
                "processes",
                "initializer",
                "initargs",
                "maxtasksperchild",
                "maxtasksperchild_jitter",
                "max_rss",
                "preload",
                "spare_workers",
                "keep_threads",
            ]],
        )?;
        let name = members.string("name")?;
        let name = name.ok_or_else(|| invalid("name", "the member name is missing: the pool's name"))?;
        let initializer = members.string("initializer")?;
        let initargs = initargs(&members)?;
        if initargs.is_some() && initializer.is_none() {
            return Err(invalid(
                "initargs",
                "initargs are the arguments of an initializer, which is missing",
            ));
        }
        let maxtasksperchild = members.whole("maxtasksperchild", 1, TASKS_MAX)?;
        let jitter = members.whole("maxtasksperchild_jitter", 0, TASKS_MAX)?;
        if jitter.is_some() && maxtasksperchild.is_none() {
            let detail = "maxtasksperchild_jitter is added to maxtasksperchild, which is missing";
            return Err(invalid("maxtasksperchild_jitter", detail));
        }
        Ok(Self {
            name,
            runtime: members.string("runtime")?,
            processes: processes(&members)?,
            initializer,
            initargs,
            maxtasksperchild,
            maxtasksperchild_jitter: jitter.unwrap_or(0),
            max_rss: members.whole("max_rss", MAX_RSS_MIN, TASKS_MAX)?,
            preload: preload(&members)?,
            spare_workers: spare_workers(&members)?,
            keep_threads: members
                .raw("keep_threads", Kind::Bool, "true or false")?
                .map(|(text, _)| &text[..] == b"true"),
        })
    }
}

fn initargs(members: &Members<'_>) -> Result<Option<String>, BodyProblem> {
    let Some((text, _)) = members.raw("initargs", Kind::Array, "an array")? else { return Ok(None) };
    if text.len() > INITARGS_BYTES_MAX {
        let detail = format!("initargs must be at most {INITARGS_BYTES_MAX} bytes of JSON");
        return Err(invalid("initargs", &detail));
    }
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

fn preload(members: &Members<'_>) -> Result<Option<&'static str>, BodyProblem> {
    if let Ok(truth) = members.raw("preload", Kind::Bool, "true or false") {
        return Ok(truth.map(|(text, _)| if &text[..] == b"true" { "on" } else { "off" }));
    }
    let wrong = || invalid("preload", "preload must be auto, on or off");
    let word = members.string("preload").map_err(|_| wrong())?;
    let known = word.and_then(|word| ["auto", "on", "off"].into_iter().find(|known| *known == word));
    known.map(Some).ok_or_else(wrong)
}

fn spare_workers(members: &Members<'_>) -> Result<Option<usize>, BodyProblem> {
    members.whole("spare_workers", 0, SPARE_MAX)
}

fn processes(members: &Members<'_>) -> Result<Option<usize>, BodyProblem> {
    members.whole("processes", 1, PROCESSES_MAX)
}

/// Reads a [`PoolChangeBody`].
pub fn pool_change(text: &Bytes, depth_max: usize) -> Result<PoolChange, BodyProblem> {
    let members = Members::read(text, depth_max, &[&["processes", "spare_workers"]])?;
    let change = PoolChange { processes: processes(&members)?, spare_workers: spare_workers(&members)? };
    if change.processes.is_none() && change.spare_workers.is_none() {
        return Err(invalid("processes", "at least one of processes and spare_workers must be given"));
    }
    Ok(change)
}

/// Reads a [`JoinBody`], or nothing.
pub fn join_timeout(text: &Bytes, depth_max: usize, most: Duration) -> Result<Option<Duration>, BodyProblem> {
    if text.is_empty() {
        return Ok(None);
    }
    let members = Members::read(text, depth_max, &[&["timeout"]])?;
    let Some(text) = members.text("timeout") else { return Ok(None) };
    let timeout = str::from_utf8(text).ok().and_then(|text| seconds(text, most));
    timeout.map(Some).ok_or_else(|| {
        invalid("timeout", &format!("timeout must be a number of seconds from 0 to {}", most.as_secs()))
    })
}
