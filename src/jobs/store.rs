//! What a store of job records does; the journal will be another.

use std::sync::Arc;

use super::id::JobId;
use super::outcome::Outcome;
use super::record::{Record, State};

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
    /// Whether a record is wanted.
    pub fn matches(&self, record: &Record) -> bool {
        self.function.as_deref().is_none_or(|function| *record.new.function == *function)
            && self.tag.as_ref().is_none_or(|tag| record.new.terms.tags.contains(tag))
            && self.state.is_none_or(|state| record.state() == state)
    }
}

/// Some jobs, newest first.
#[derive(Debug)]
pub struct Page {
    /// The jobs.
    pub items: Vec<Arc<Record>>,
    /// Where the next page starts, if there is one.
    pub next: Option<JobId>,
}

/// What became of an id.
#[derive(Debug)]
pub enum Lookup {
    /// It is here.
    Found(Arc<Record>),
    /// It expired.
    Expired,
    /// It is older than this server, which keeps jobs in memory only.
    LostAtRestart,
    /// It never was, or was forgotten.
    Unknown,
}

/// Keeps job records.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Takes up a job that was just accepted.
    fn insert(&self, record: Arc<Record>);
    /// Ends a job, once; `false` if it had ended.
    fn finish(&self, record: &Record, outcome: Outcome) -> bool;
    /// A job that has ended holds so many bytes more: output that came late.
    fn grow(&self, id: JobId, bytes: usize);
    /// Finds a job.
    fn get(&self, id: JobId) -> Lookup;
    /// Forgets a job; `false` if it wasn't there.
    fn forget(&self, id: JobId) -> bool;
    /// Lists at most `limit` jobs, newest first, from `cursor` on (excluded).
    fn list(&self, filter: &Filter, limit: usize, cursor: Option<JobId>) -> Page;
    /// Forgets some of what has expired; `true` if more of it is left.
    fn expire(&self) -> bool;
}
