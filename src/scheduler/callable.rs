//! Functions as they are called: each one's description of the present catalog beside what was learned of its runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::function_state::FunctionState;
use crate::catalog::{Catalog, Function};

/// A function that can be called.
#[derive(Debug)]
pub struct Callable {
    /// As its catalog describes it.
    pub description: Arc<Function>,
    /// What was learned of its runs, under this catalog and those before.
    pub state: Arc<FunctionState>,
}

impl Callable {
    /// A function of which nothing is known yet but its description.
    pub fn new(description: Function) -> Arc<Self> {
        let state = FunctionState::default();
        state.set_max_running(description.max_running);
        Arc::new(Self { description: Arc::new(description), state: Arc::new(state) })
    }

    /// Its public name.
    pub fn name(&self) -> &Arc<str> {
        &self.description.name
    }
}

/// The functions of one catalog.
#[derive(Debug)]
pub struct Callables {
    catalog: Arc<Catalog>,
    by_name: BTreeMap<Arc<str>, Arc<Callable>>,
    /// Also of functions that earlier catalogs had: their tasks may still run when a later one has them again.
    states: BTreeMap<Arc<str>, Arc<FunctionState>>,
}

impl Callables {
    /// Those of the first catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self::with(catalog, BTreeMap::new())
    }

    /// Those of the next catalog: what was learned of a function stays with its name. Its `max_running` counts from
    /// now on, for the jobs of earlier catalogs too.
    #[must_use]
    pub fn next(&self, catalog: Catalog) -> Self {
        Self::with(catalog, self.states.clone())
    }

    fn with(catalog: Catalog, mut states: BTreeMap<Arc<str>, Arc<FunctionState>>) -> Self {
        let mut callable = |description: &Arc<Function>| {
            let state = Arc::clone(states.entry(Arc::clone(&description.name)).or_default());
            state.set_max_running(description.max_running);
            let callable = Callable { description: Arc::clone(description), state };
            (Arc::clone(&description.name), Arc::new(callable))
        };
        let by_name = catalog.functions().map(&mut callable).collect();
        Self { catalog: Arc::new(catalog), by_name, states }
    }

    /// Their catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Callable>> {
        self.by_name.get(name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::runtime::Runtime;

    fn catalog(functions: &[(&str, Option<usize>)]) -> Catalog {
        let function = |(name, max_running): &(&str, Option<usize>)| Function {
            max_running: *max_running,
            ..Function::new(name, Runtime::Native)
        };
        functions.iter().map(function).collect()
    }

    #[test]
    fn what_was_learned_stays_with_the_name() {
        let first = Callables::new(catalog(&[("f", None), ("g", None)]));
        let (f, now) = (Arc::clone(first.get("f").unwrap()), Instant::now());
        f.state.measured(Duration::from_millis(3), 1);
        assert!((0..10).any(|_| f.state.killed_its_worker(now)), "quarantined");
        let described = Function { doc: Some("Better.".into()), ..Function::new("f", Runtime::Native) };
        let second = first.next([described, Function::new("h", Runtime::Native)].into_iter().collect());
        let next = second.get("f").unwrap();
        assert_eq!(next.description.doc.as_deref(), Some("Better."));
        assert_eq!(f.description.doc, None, "who has the old one keeps it");
        assert_eq!(next.state.expected(1), f.state.expected(1));
        assert!(next.state.expected(1).is_some() && next.state.quarantined_until(now).is_some());
        assert!(second.get("g").is_none() && second.get("h").unwrap().state.expected(1).is_none());
        assert!(second.catalog().get("h").is_some() && second.catalog().get("g").is_none());
    }

    #[test]
    fn a_function_that_comes_back_is_known() {
        let first = Callables::new(catalog(&[("f", Some(1))]));
        let pool = Arc::from("p");
        let limit = |callables: &Callables| Arc::clone(callables.get("f").unwrap().state.limit().unwrap());
        let permit = limit(&first).acquire(&pool);
        let third = first.next(catalog(&[])).next(catalog(&[("f", Some(1))]));
        assert!(permit.is_some() && limit(&third).acquire(&pool).is_none(), "its task still runs");
        drop(permit);
        assert!(limit(&third).acquire(&pool).is_some());
    }

    #[test]
    fn another_max_running_counts_the_permits_that_are_out() {
        let first = Callables::new(catalog(&[("f", Some(2))]));
        let (f, pool) = (Arc::clone(first.get("f").unwrap()), Arc::from("p"));
        let limit = f.state.limit().unwrap();
        let mut permits: Vec<_> = (0..2).map_while(|_| limit.acquire(&pool)).collect();
        let second = first.next(catalog(&[("f", Some(3))]));
        permits.extend(limit.acquire(&pool));
        assert!(permits.len() == 3 && limit.free() == 0, "for jobs of the first catalog too");
        let third = second.next(catalog(&[("f", Some(1))]));
        permits.truncate(1);
        assert!(limit.free() == 0 && limit.acquire(&pool).is_none());
        let fourth = third.next(catalog(&[("f", None)]));
        assert!(limit.acquire(&pool).is_some());
        let fifth = fourth.next(catalog(&[("f", Some(1))]));
        assert!(fifth.get("f").unwrap().state.limit().unwrap().acquire(&pool).is_none());
    }

    #[test]
    fn a_first_max_running_counts_from_then_on() {
        let first = Callables::new(catalog(&[("f", None)]));
        assert!(first.get("f").unwrap().state.limit().is_none(), "what is unlimited is not counted");
        let second = first.next(catalog(&[("f", Some(1))]));
        let (limit, pool) = (first.get("f").unwrap().state.limit().unwrap(), Arc::from("p"));
        let permit = limit.acquire(&pool);
        assert!(permit.is_some() && second.get("f").unwrap().state.limit().unwrap().free() == 0);
    }
}
