//! The tables of the file that no flag can say: `[pools.NAME]` and `[functions."NAME"]`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::quantity::{Bytes, Count, Preload, Seconds};

/// Most tasks a worker may be limited to.
const TASKS_MAX: u64 = 1 << 53;
const DAY_MS: u64 = 86_400_000;

/// `[pools.NAME]`, by name.
pub type PoolTables = BTreeMap<String, PoolConfig>;
/// `[functions."NAME"]`, by name.
pub type FunctionTables = BTreeMap<String, FunctionConfig>;

/// A pool that is made at start, or, under a runtime's name, what that runtime's own pool is like.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table ([pools.NAME])")]
pub struct PoolConfig {
    /// Its runtime; may be left out where only one is served.
    pub runtime: Option<String>,
    /// Worker processes; as `workers` if left out.
    pub processes: Option<Count<1, 1_024>>,
    /// A function called in each worker before its first task.
    pub initializer: Option<String>,
    /// Its arguments.
    pub initargs: Option<InitArgs>,
    /// Tasks that a worker runs before another takes its place.
    pub maxtasksperchild: Option<Count<1, TASKS_MAX>>,
    /// Up to so many more.
    pub maxtasksperchild_jitter: Option<Count<0, TASKS_MAX>>,
    /// What a worker may hold.
    pub max_rss: Option<Bytes<1, TASKS_MAX>>,
    /// What of the code is loaded before workers are forked; as `preload` if left out.
    pub preload: Option<Preload>,
    /// Workers kept ready beyond those.
    pub spare_workers: Option<Count<0, 64>>,
    /// Whether a worker stays in which a task has left threads.
    pub keep_threads: Option<bool>,
}

/// What is said of a function.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table ([functions.\"NAME\"])")]
pub struct FunctionConfig {
    /// The pool that runs it unless a request names another.
    pub pool: Option<String>,
    /// How long a task of it may run unless a request says.
    pub run_timeout: Option<Seconds<0, DAY_MS>>,
    /// How often a task of it is run again unless a request says.
    pub retries: Option<Count<0, 1_000>>,
    /// How many tasks of it may run at once, over all pools.
    pub max_running: Option<Count<1, 1_000_000>>,
}

/// Arguments, as the text of a JSON array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitArgs(pub String);

impl<'de> Deserialize<'de> for InitArgs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<toml::Value>::deserialize(deserializer)?;
        let values: Result<Vec<_>, _> = values.into_iter().map(json).collect();
        let text = serde_json::to_string(&values.map_err(D::Error::custom)?).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

fn json(value: toml::Value) -> Result<serde_json::Value, &'static str> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(_) => return Err("infinities and NaN can't be said in JSON"),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(_) => return Err("dates can't be said in JSON: give a text"),
        toml::Value::Array(values) => values.into_iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        toml::Value::Table(table) => {
            let members = table.into_iter().map(|(name, value)| Ok((name, json(value)?)));
            serde_json::Value::Object(members.collect::<Result<_, &'static str>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_json() {
        let pool: PoolConfig =
            toml::from_str("initargs = [1, 2.5, \"a\", [true], {b = 1}]\nmax_rss = \"64MiB\"\n")
                .expect("good");
        assert_eq!(pool.initargs, Some(InitArgs(r#"[1,2.5,"a",[true],{"b":1}]"#.to_owned())));
        assert_eq!(pool.max_rss.map(Bytes::get), Some(64 << 20));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in
            ["initargs = [nan]", "initargs = [1979-05-27]", "initargs = 1", "processes = 0", "color = 1"]
        {
            assert!(toml::from_str::<PoolConfig>(text).is_err(), "{text}");
        }
    }
}
