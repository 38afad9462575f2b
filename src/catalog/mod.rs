//! The functions that are offered, as their code and the configuration describe them.
//!
//! A [`Catalog`] is one immutable value. Another one takes its place as a whole; who works with the old one keeps it
//! to the end.
//!
//! Invariant: nothing here is learned. What was measured of a function's runs is the scheduler's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::runtime::Runtime;
use crate::schema::Types;

/// A function that is offered.
#[derive(Debug, Clone)]
pub struct Function {
    /// Public name.
    pub name: Arc<str>,
    /// The runtime that has it.
    pub runtime: Runtime,
    /// The pool that runs it unless a request names another.
    pub pool: Arc<str>,
    /// Its documentation.
    pub doc: Option<String>,
    /// How it is called, `(x)`.
    pub signature: Option<String>,
    /// What its arguments and its value must be.
    pub types: Types,
    /// How long a task of it may run unless a request says.
    pub run_timeout: Option<Duration>,
    /// How often a task of it is retried unless a request says.
    pub retries: u32,
    /// How many tasks of it may run at once, if that is limited.
    pub max_running: Option<usize>,
}

impl Function {
    /// A function of which only this is known; the pool of its runtime runs it.
    pub fn new(name: &str, runtime: Runtime) -> Self {
        Self {
            name: name.into(),
            runtime,
            pool: runtime.name().into(),
            doc: None,
            signature: None,
            types: Types::default(),
            run_timeout: None,
            retries: 0,
            max_running: None,
        }
    }
}

/// All functions that are offered, by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog(BTreeMap<Arc<str>, Arc<Function>>);

impl Catalog {
    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.0.values()
    }
}

impl FromIterator<Function> for Catalog {
    fn from_iter<I: IntoIterator<Item = Function>>(functions: I) -> Self {
        let by_name = |function: Function| (Arc::clone(&function.name), Arc::new(function));
        Self(functions.into_iter().map(by_name).collect())
    }
}
