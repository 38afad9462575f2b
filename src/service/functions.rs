//! Which function and pool a name means.

use std::sync::Arc;
use std::time::Instant;

use super::answer::Answer;
use super::refusal::Refusal;
use super::{Parts, Service};
use crate::pool::{Function, Functions, Pool, PoolState};

/// Names near one that is unknown, at most.
const NEAR_MAX: usize = 5;
/// How alike two names are that are near each other (Jaro-Winkler, 0 to 1).
const NEAR_SCORE_MIN: f64 = 0.85;
/// Characters of an unknown name that are compared.
const NAME_CHARS_MAX: usize = 200;

impl Service {
    pub(super) fn list_functions(&self) -> Result<Answer, Refusal> {
        Ok(Answer::Functions(self.parts()?.functions.values().cloned().collect()))
    }

    /// The functions that are offered; none before all code is loaded.
    pub fn functions(&self) -> Option<&Functions> {
        self.parts.get().map(|parts| &parts.functions)
    }
}

impl Parts {
    /// A function by its public name.
    pub(super) fn function(&self, name: &str) -> Result<&Arc<Function>, Refusal> {
        let unknown =
            || Refusal::UnknownFunction { name: name.to_owned(), near: near(&self.functions, name) };
        self.functions.get(name).ok_or_else(unknown)
    }

    /// A pool by its name.
    pub(super) fn pool(&self, name: &str) -> Result<Pool, Refusal> {
        let known = || self.pools.shown().into_iter().map(|pool| Arc::clone(&pool.name)).collect();
        self.pools.get(name).ok_or_else(|| Refusal::UnknownPool { name: name.to_owned(), known: known() })
    }

    /// The pool that is to run a function: its own, or the one asked for.
    pub(super) fn pool_for(&self, function: &Arc<Function>, asked: Option<&str>) -> Result<Pool, Refusal> {
        let pool = self.pool(asked.unwrap_or(&function.pool))?;
        if pool.runtime != function.runtime {
            return Err(Refusal::WrongPool(Arc::clone(function), pool));
        }
        if pool.state() == PoolState::Closed {
            return Err(Refusal::PoolClosed(pool));
        }
        match function.quarantined_for(Instant::now()) {
            Some(rest) => Err(Refusal::Quarantined(Arc::clone(function), rest)),
            None => Ok(pool),
        }
    }
}

fn near(functions: &Functions, name: &str) -> Vec<String> {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    // The module forgotten is the commonest mistake.
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let score = |other: &str| {
        let same_end = last(other) == last(&name) || other.ends_with(&format!(".{name}"));
        if same_end { 1.0 } else { strsim::jaro_winkler(&name, other) }
    };
    let mut scored: Vec<(f64, &str)> = functions.keys().map(|other| (score(other), &**other)).collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0));
    // Where so few are offered, all of them are near.
    let all_fit = functions.len() <= NEAR_MAX;
    let near = scored.iter().filter(|(score, _)| all_fit || *score >= NEAR_SCORE_MIN);
    near.take(NEAR_MAX).map(|(_, name)| (*name).to_owned()).collect()
}
