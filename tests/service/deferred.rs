//! A store that takes its time, as one that writes down does: what it answers comes later, or when a test lets it.

use std::sync::{Arc, Mutex};

use forkpool::jobs::{
    Acceptance, Attempt, Ending, Filter, HandlePage, IdempotencyKey, JobHandle, JobId, JobSpec, Lookup,
    Outcome, Recalled, Store, Stored,
};
use tokio::sync::watch;

/// What a test can hold up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Accept,
    Begin,
    End,
}

#[derive(Debug)]
pub struct Deferred {
    inner: Arc<dyn Store>,
    held: watch::Sender<Option<Step>>,
    /// All that have begun.
    attempts: Mutex<Vec<Attempt>>,
}

impl Deferred {
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, held: watch::channel(None).0, attempts: Mutex::default() })
    }

    /// From now on these steps wait, and no others.
    pub fn hold(&self, step: Option<Step>) {
        self.held.send_replace(step);
    }

    /// How often each task of a job has begun, in order.
    pub fn attempts_of(&self, job: JobId) -> Vec<u32> {
        let attempts = self.attempts.lock().expect("no test panics with it");
        attempts.iter().filter(|attempt| attempt.job == job).map(|attempt| attempt.number).collect()
    }

    fn later<T: Send + Unpin + 'static>(
        &self,
        step: Option<Step>,
        ask: impl FnOnce(&dyn Store) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        let (inner, mut held) = (Arc::clone(&self.inner), self.held.subscribe());
        Stored::pending(async move {
            tokio::task::yield_now().await;
            let _ = held.wait_for(|held| step.is_none() || *held != step).await;
            ask(&*inner).await
        })
    }
}

impl Store for Deferred {
    fn accept(&self, spec: JobSpec) -> Stored<Acceptance> {
        // What is accepted can be written down, and run from what was written.
        let written = serde_json::to_vec(&spec).expect("it can be written");
        let spec = serde_json::from_slice(&written).expect("it can be read");
        self.later(Some(Step::Accept), move |store| store.accept(spec))
    }

    fn recall(&self, key: &IdempotencyKey) -> Stored<Option<Recalled>> {
        let key = key.clone();
        self.later(None, move |store| store.recall(&key))
    }

    fn begin(&self, attempt: Attempt) -> Stored<()> {
        self.attempts.lock().expect("no test panics with it").push(attempt);
        self.later(Some(Step::Begin), move |store| store.begin(attempt))
    }

    fn end(&self, handle: &Arc<JobHandle>, outcome: &Outcome) -> Stored<Ending> {
        let (handle, outcome) = (Arc::clone(handle), outcome.clone());
        self.later(Some(Step::End), move |store| store.end(&handle, &outcome))
    }

    fn grow(&self, id: JobId, bytes: usize) {
        self.inner.grow(id, bytes);
    }

    fn read(&self, id: JobId) -> Stored<Lookup> {
        self.later(None, move |store| store.read(id))
    }

    fn list(&self, filter: &Filter, limit: usize, cursor: Option<JobId>) -> Stored<HandlePage> {
        let filter = filter.clone();
        self.later(None, move |store| store.list(&filter, limit, cursor))
    }

    fn forget(&self, id: JobId) -> Stored<bool> {
        self.later(None, move |store| store.forget(id))
    }

    fn expire(&self) -> Stored<bool> {
        self.later(None, |store| store.expire())
    }
}
