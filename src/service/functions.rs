//! Which function and pool a name means.

use std::sync::Arc;
use std::time::Instant;

use super::answer::Answer;
use super::refusal::Refusal;
use super::{Parts, Service};
use crate::catalog::Catalog;
use crate::pool::{Callable, Pool, PoolState};

/// Names near one that is unknown, at most.
const NEAR_MAX: usize = 5;
/// How alike two names are that are near each other (Jaro-Winkler, 0 to 1).
const NEAR_SCORE_MIN: f64 = 0.85;
/// Characters of an unknown name that are compared.
const NAME_CHARS_MAX: usize = 200;

impl Service {
    pub(super) fn list_functions(&self) -> Result<Answer, Refusal> {
        Ok(Answer::Functions(self.parts()?.catalog().functions().cloned().collect()))
    }

    pub(super) fn show_function(&self, name: &str) -> Result<Answer, Refusal> {
        Ok(Answer::Function(Arc::clone(&self.parts()?.function(name)?.description)))
    }

    /// The functions that are offered now; none before all code is loaded.
    pub fn catalog(&self) -> Option<Arc<Catalog>> {
        self.parts.get().map(Parts::catalog)
    }

    /// Offers these functions from now on, and no others. Requests that have found their function keep it as it was;
    /// what was learned of functions of the same names stays. `false`: no code is loaded yet.
    pub fn replace_catalog(&self, catalog: Catalog) -> bool {
        let Some(parts) = self.parts.get() else { return false };
        let mut functions = parts.functions.write();
        *functions = functions.next(catalog);
        true
    }
}

impl Parts {
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(self.functions.read().catalog())
    }

    /// A function by its public name. A request asks once: the next time it may be another catalog's.
    pub(super) fn function(&self, name: &str) -> Result<Arc<Callable>, Refusal> {
        let functions = self.functions.read();
        let unknown = || {
            let names = functions.catalog().functions().map(|function| &*function.name);
            Refusal::UnknownFunction { name: name.to_owned(), near: near(names, name) }
        };
        functions.get(name).cloned().ok_or_else(unknown)
    }

    /// A pool by its name.
    pub(super) fn pool(&self, name: &str) -> Result<Pool, Refusal> {
        let known = || self.pools.shown().into_iter().map(|pool| Arc::clone(&pool.name)).collect();
        self.pools.get(name).ok_or_else(|| Refusal::UnknownPool { name: name.to_owned(), known: known() })
    }

    /// The pool that is to run a function: its own, or the one asked for.
    pub(super) fn pool_for(&self, callable: &Callable, asked: Option<&str>) -> Result<Pool, Refusal> {
        let function = &callable.description;
        let pool = self.pool(asked.unwrap_or(&function.pool))?;
        if pool.runtime != function.runtime {
            return Err(Refusal::WrongPool(Arc::clone(function), pool));
        }
        if pool.state() == PoolState::Closed {
            return Err(Refusal::PoolClosed(pool));
        }
        match callable.state.quarantined_for(Instant::now()) {
            Some(rest) => Err(Refusal::Quarantined(Arc::clone(function), rest)),
            None => Ok(pool),
        }
    }
}

/// The names that may be meant by an unknown one, the likeliest first.
fn near<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Vec<String> {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let scored = names.map(|other| (score(&name, other), other));
    let mut near: Vec<(f64, &str)> = scored.filter(|(score, _)| *score >= NEAR_SCORE_MIN).collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.into_iter().take(NEAR_MAX).map(|(_, name)| name.to_owned()).collect()
}

/// How alike two names are, 0 to 1. Module and function count each by itself: all functions of a module begin alike.
fn score(name: &str, other: &str) -> f64 {
    let Some((other_module, other_last)) = other.rsplit_once('.') else { return likeness(name, other) };
    match name.rsplit_once('.') {
        Some((_, last)) if last == other_last => 1.0,
        Some((module, last)) => likeness(module, other_module).min(likeness(last, other_last)),
        // The module forgotten is the commonest mistake.
        None => likeness(name, other_last),
    }
}

fn likeness(one: &str, other: &str) -> f64 {
    let alike = strsim::jaro_winkler(one, other);
    let is_one_letter_off = !one.is_empty() && strsim::osa_distance(one, other) <= 1;
    if is_one_letter_off { alike.max(NEAR_SCORE_MIN) } else { alike }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_those_that_may_be_meant() {
        let all = ["tasks.square", "tasks.thumbnail", "tasks.nap", "pool.f", "echo", "deep.er.square"];
        for (name, wanted) in [
            ("tasks.sqare", &["tasks.square"][..]),
            ("sqare", &["tasks.square", "deep.er.square"]),
            ("square", &["tasks.square", "deep.er.square"]),
            ("other.nap", &["tasks.nap"]),
            ("tsks.thumb", &["tasks.thumbnail"]),
            ("pool.g", &["pool.f"]),
            ("ehco", &["echo"]),
            ("tasks.nope", &[]),
            ("tasks.multiply", &[]),
            ("", &[]),
        ] {
            assert_eq!(near(all.into_iter(), name), wanted, "{name}");
        }
    }
}
