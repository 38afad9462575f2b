//! What keeps jobs: memory, and whatever writes them down besides. [`super::conformance`] tests any of them.

use std::sync::Arc;

use super::handle::{Ending, JobHandle};
use super::id::JobId;
use super::idempotency_keys::{IdempotencyKey, KeysFull};
use super::outcome::Outcome;
use super::spec::{JobSpec, Work};
use super::state::State;
use super::stored::Stored;

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this state.
    pub state: Option<State>,
    /// Only of this function.
    pub function: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
}

impl Filter {
    /// Whether a job is wanted.
    pub fn matches(&self, handle: &JobHandle) -> bool {
        self.function.as_deref().is_none_or(|function| *handle.function == *function)
            && self.tag.as_ref().is_none_or(|tag| handle.terms.tags.contains(tag))
            && self.state.is_none_or(|state| handle.state() == state)
    }
}

/// Some jobs, newest first.
#[derive(Debug)]
pub struct HandlePage {
    /// The jobs.
    pub items: Vec<Arc<JobHandle>>,
    /// Where the next page starts, if there is one.
    pub next: Option<JobId>,
}

/// What became of an id.
#[derive(Debug)]
pub enum Lookup {
    /// It is here.
    Found(Arc<JobHandle>),
    /// It expired.
    Expired,
    /// It is older than this server, which keeps jobs in memory only.
    LostAtRestart,
    /// It never was, or was forgotten.
    Unknown,
}

/// What an idempotency key has been used for.
#[derive(Debug)]
pub enum Recalled {
    /// For the same request: this is its job.
    Same(Arc<JobHandle>),
    /// For the same request, whose job is no longer there.
    Gone,
    /// For another request.
    Mismatch,
}

/// What becomes of a job that is to be accepted.
#[derive(Debug)]
pub enum Acceptance {
    /// It is accepted: this is its handle, and its work, to be run.
    New(Arc<JobHandle>, Work),
    /// Its key was used before: nothing is accepted.
    Known(Recalled),
    /// Its key can't be remembered: nothing is accepted.
    KeysFull(KeysFull),
}

/// A task that is about to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its job.
    pub job: JobId,
    /// Which of the job's tasks: by its first item.
    pub first_item: u64,
    /// How often it will have been run then.
    pub number: u32,
}

impl dyn Store {
    /// Ends a job: its end is kept, and then told to whoever waits. One that nobody wants any more is forgotten.
    pub fn end_and_tell(self: &Arc<Self>, handle: &Arc<JobHandle>, outcome: Outcome) -> Stored<()> {
        match self.end(handle, &outcome) {
            Stored::Ready(ending) => {
                if handle.end(outcome, &ending) {
                    self.forget(handle.id).detach();
                }
                Stored::Ready(())
            }
            Stored::Pending(ending) => {
                let (store, handle) = (Arc::clone(self), Arc::clone(handle));
                Stored::pending(async move {
                    if handle.end(outcome, &ending.await) {
                        store.forget(handle.id).await;
                    }
                })
            }
        }
    }
}

/// Keeps jobs. Each method returns at once; what it answers may come once it is written down.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Takes up a job and the idempotency key that it came under, both or none. Until this is answered the job is shown
    /// to nobody: whoever sees it can cancel it.
    fn accept(&self, spec: JobSpec) -> Stored<Acceptance>;

    /// What a key has been used for, if it has.
    fn recall(&self, key: &IdempotencyKey) -> Stored<Option<Recalled>>;

    /// A task must not be handed out before this is answered: after a crash it may have been run. May be asked
    /// again for the same attempt, of a task that came back unread.
    fn begin(&self, attempt: Attempt) -> Stored<()>;

    /// A job ended so; it does that once. Nobody is told before this is answered: [`JobHandle::end`] does.
    fn end(&self, handle: &Arc<JobHandle>, outcome: &Outcome) -> Stored<Ending>;

    /// A job that has ended holds so many bytes more: output that came late.
    fn grow(&self, id: JobId, bytes: usize);

    /// Finds a job. Whoever has its handle waits for it and follows it.
    fn read(&self, id: JobId) -> Stored<Lookup>;

    /// Lists at most `limit` jobs, newest first, from `cursor` on (excluded).
    fn list(&self, filter: &Filter, limit: usize, cursor: Option<JobId>) -> Stored<HandlePage>;

    /// Forgets a job; `false` if it wasn't there.
    fn forget(&self, id: JobId) -> Stored<bool>;

    /// Forgets some of what has expired; `true` if more of it is left.
    fn expire(&self) -> Stored<bool>;
}
