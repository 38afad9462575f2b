//! What handlers share: the parts of the server, once they are there.

use std::fmt::Display;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::document::Documents;
use super::problem::Problem;
use crate::config::Limits;
use crate::jobs::{Admission, Keys, Store};
use crate::objects::Objects;
use crate::pool::{Function, Functions, Pool, PoolState, Pools};
use crate::processes::Processes;

/// How far the server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StageValue {
    /// Loading code and making workers.
    Starting = 0,
    /// Taking work.
    Serving = 1,
    /// Told to stop, still taking work (`--drain-delay`).
    Leaving = 2,
    /// Taking no more work.
    Draining = 3,
}

/// The stage, shared.
#[derive(Debug, Default)]
pub struct Stage(AtomicU8);

impl Stage {
    /// Where the server is.
    pub fn get(&self) -> StageValue {
        match self.0.load(Ordering::Relaxed) {
            0 => StageValue::Starting,
            1 => StageValue::Serving,
            2 => StageValue::Leaving,
            _ => StageValue::Draining,
        }
    }

    /// Moves on.
    pub fn set(&self, value: StageValue) {
        self.0.store(value as u8, Ordering::Relaxed);
    }
}

/// What is there once all code is loaded.
#[derive(Debug)]
pub struct Service {
    /// By public name.
    pub functions: Functions,
    /// By name.
    pub pools: Pools,
    /// The API's documents, once they were asked for.
    pub documents: OnceLock<Arc<Documents>>,
    /// Those of `/v1/processes`.
    pub processes: Processes,
}

/// All that handlers share.
#[derive(Debug)]
pub struct Shared {
    /// Every bound.
    pub limits: Limits,
    /// What links begin with (`--public-url`); empty where they are relative.
    pub base_url: String,
    /// Where the server is in its life.
    pub stage: Stage,
    /// Job records.
    pub jobs: Arc<dyn Store>,
    /// Queues, locks and their kin.
    pub objects: Objects,
    /// How much may be queued.
    pub admission: Admission,
    /// Idempotency keys.
    pub keys: Arc<Keys>,
    /// What is there once all code is loaded.
    pub service: OnceLock<Service>,
}

impl Shared {
    /// The service, for looking; an error while it starts.
    pub fn service(&self) -> Result<&Service, Problem> {
        self.service.get().ok_or_else(Problem::starting)
    }

    /// Says in an answer where the thing it is about is, by its path.
    pub fn locate(&self, response: &mut Response, path: impl Display) {
        if let Ok(location) = HeaderValue::from_str(&format!("{}{path}", self.base_url)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }

    /// The service, for work; an error too once the server takes no more.
    pub fn service_for_work(&self) -> Result<&Service, Problem> {
        match self.stage.get() {
            StageValue::Starting => Err(Problem::starting()),
            StageValue::Draining => Err(Problem::draining()),
            StageValue::Serving | StageValue::Leaving => self.service(),
        }
    }
}

impl Service {
    /// A function by its public name; the error names those near it.
    pub fn function(&self, name: &str) -> Result<&Arc<Function>, Problem> {
        self.functions.get(name).ok_or_else(|| Problem::unknown_function(name, self.near(name)))
    }

    /// A pool by its name.
    pub fn pool(&self, name: &str) -> Result<Pool, Problem> {
        let known = || {
            let names = self.pools.shown().into_iter().map(|pool| pool.name.to_string());
            names.collect::<Vec<_>>().join(", ")
        };
        self.pools.get(name).ok_or_else(|| Problem::unknown_pool(name, &known()))
    }

    /// The pool that is to run a function: its own, or the one asked for.
    pub fn pool_for(&self, function: &Function, asked: Option<&str>) -> Result<Pool, Problem> {
        let pool = self.pool(asked.unwrap_or(&function.pool))?;
        if pool.runtime != function.runtime {
            return Err(Problem::wrong_pool(function, &pool));
        }
        if pool.state() == PoolState::Closed {
            return Err(Problem::pool_closed(&pool));
        }
        match function.rest() {
            Some(rest) => Err(Problem::function_quarantined(function, rest)),
            None => Ok(pool),
        }
    }

    fn near(&self, name: &str) -> Vec<String> {
        const NEAR_MAX: usize = 5;
        const SCORE_MIN: f64 = 0.85;
        let name: String = name.chars().take(200).collect();
        // The module forgotten is the commonest mistake.
        let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
        let score = |other: &str| {
            let same_end = last(other) == last(&name) || other.ends_with(&format!(".{name}"));
            if same_end { 1.0 } else { strsim::jaro_winkler(&name, other) }
        };
        let mut scored: Vec<(f64, &str)> =
            self.functions.keys().map(|other| (score(other), &**other)).collect();
        scored.sort_by(|one, other| other.0.total_cmp(&one.0));
        // Where so few are offered, all of them are near.
        let all_fit = self.functions.len() <= NEAR_MAX;
        let near = scored.iter().filter(|(score, _)| all_fit || *score >= SCORE_MIN);
        near.take(NEAR_MAX).map(|(_, name)| (*name).to_owned()).collect()
    }
}
