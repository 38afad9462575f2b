//! The store in memory: bounded by count and by bytes, the oldest expire early.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::expired_ids::ExpiredIds;
use super::handle::{Ending, JobHandle};
use super::id::JobId;
use super::idempotency_keys::{IdempotencyKey, JobClaim, Keys};
use super::outcome::Outcome;
use super::retention::RetentionTable;
use super::spec::JobSpec;
use super::store::{Acceptance, Attempt, Filter, HandlePage, Lookup, Recalled, Store};
use super::stored::Stored;

/// How many records one listing may look at.
const SCAN_MAX: usize = 10_000;
/// Records that are let go at once, at most, and bytes of them: what is left waits for the next call.
const LET_GO_MAX: usize = 1_000;
const LET_GO_BYTES_MAX: usize = 8 << 20;

/// How long and how much is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// A finished job's value.
    pub result_ttl: Duration,
    /// A job that ended without one.
    pub failure_ttl: Duration,
    /// Finished jobs.
    pub finished_jobs_max: usize,
    /// Bytes of their values.
    pub finished_bytes_max: usize,
}

/// Jobs in memory.
#[derive(Debug)]
pub struct MemoryStore {
    retention: Retention,
    keys: Arc<Keys>,
    /// An id smaller than this is an earlier server's, whatever the clock says.
    first_id: JobId,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    handles: BTreeMap<JobId, Arc<JobHandle>>,
    /// Those that have ended and are kept (monotonic: a clock that jumps forgets nothing).
    ended: RetentionTable<JobId>,
    expired: ExpiredIds,
}

impl MemoryStore {
    /// An empty store; its jobs' keys are among these.
    pub fn new(retention: Retention, keys: Arc<Keys>) -> Self {
        Self { retention, keys, first_id: JobId::new(), tables: Mutex::default() }
    }
}

impl Store for MemoryStore {
    fn accept(&self, spec: JobSpec) -> Stored<Acceptance> {
        let JobSpec { info, work, key } = spec;
        // Held while the key is taken: of two at once, the second finds the first one's job.
        let mut tables = self.tables.lock();
        let claim = key.as_ref().map_or(JobClaim::New, |key| self.keys.claim_for(key, info.id));
        Stored::Ready(match claim {
            JobClaim::New => {
                let handle = JobHandle::new(info);
                tables.handles.insert(handle.id, Arc::clone(&handle));
                Acceptance::New(handle, work)
            }
            JobClaim::Same(job) => Acceptance::Known(tables.recalled(job)),
            JobClaim::Mismatch => Acceptance::Known(Recalled::Mismatch),
            JobClaim::Full(full) => Acceptance::KeysFull(full),
        })
    }

    fn recall(&self, key: &IdempotencyKey) -> Stored<Option<Recalled>> {
        let tables = self.tables.lock();
        Stored::Ready(self.keys.job_of(key).map(|job| match job {
            Ok(job) => tables.recalled(job),
            Err(_) => Recalled::Mismatch,
        }))
    }

    fn begin(&self, _: Attempt) -> Stored<()> {
        Stored::Ready(())
    }

    fn end(&self, handle: &Arc<JobHandle>, outcome: &Outcome) -> Stored<Ending> {
        let ttl = match outcome {
            Outcome::Value(_) => handle.terms.result_ttl.unwrap_or(self.retention.result_ttl),
            Outcome::Failure(_) => self.retention.failure_ttl,
        };
        let at = SystemTime::now();
        if !handle.retained {
            return Stored::Ready(Ending { at, expires_at: None });
        }
        if !handle.has_ended() {
            let now = Instant::now();
            let mut tables = self.tables.lock();
            if tables.handles.contains_key(&handle.id) {
                tables.ended.keep(handle.id, now + ttl, handle.kept_bytes(outcome), true);
            }
            tables.let_go(&self.retention, now);
        }
        Stored::Ready(Ending { at, expires_at: Some(at + ttl) })
    }

    fn grow(&self, id: JobId, bytes: usize) {
        let mut tables = self.tables.lock();
        tables.ended.grow(&id, bytes);
        tables.let_go(&self.retention, Instant::now());
    }

    fn read(&self, id: JobId) -> Stored<Lookup> {
        let tables = self.tables.lock();
        Stored::Ready(match tables.find(id) {
            Some(handle) => Lookup::Found(Arc::clone(handle)),
            None if tables.handles.contains_key(&id) || tables.expired.contains(id) => Lookup::Expired,
            None if id < self.first_id => Lookup::LostAtRestart,
            None => Lookup::Unknown,
        })
    }

    fn list(&self, filter: &Filter, limit: usize, cursor: Option<JobId>) -> Stored<HandlePage> {
        let now = Instant::now();
        let tables = self.tables.lock();
        let upper = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = HandlePage { items: Vec::new(), next: None };
        let mut last = None;
        for (scanned, (id, handle)) in tables.handles.range((Bound::Unbounded, upper)).rev().enumerate() {
            if page.items.len() == limit || scanned == SCAN_MAX {
                page.next = last;
                break;
            }
            if filter.matches(handle) && !tables.ended.is_over(id, now) {
                page.items.push(Arc::clone(handle));
            }
            last = Some(*id);
        }
        Stored::Ready(page)
    }

    fn forget(&self, id: JobId) -> Stored<bool> {
        let mut tables = self.tables.lock();
        tables.ended.forget(&id);
        Stored::Ready(tables.handles.remove(&id).is_some())
    }

    fn expire(&self) -> Stored<bool> {
        Stored::Ready(self.tables.lock().let_go(&self.retention, Instant::now()))
    }
}

impl Tables {
    /// A job that has not been kept for its time.
    fn find(&self, id: JobId) -> Option<&Arc<JobHandle>> {
        self.handles.get(&id).filter(|_| !self.ended.is_over(&id, Instant::now()))
    }

    /// The job that a key was used for.
    fn recalled(&self, id: JobId) -> Recalled {
        self.find(id).map_or(Recalled::Gone, |handle| Recalled::Same(Arc::clone(handle)))
    }

    /// Lets go what has expired and, of the rest, the oldest until the bounds hold. `true` if some of it is left.
    fn let_go(&mut self, retention: &Retention, now: Instant) -> bool {
        let bytes_before = self.ended.bytes();
        for _ in 0..LET_GO_MAX {
            if bytes_before - self.ended.bytes() > LET_GO_BYTES_MAX {
                return true;
            }
            let next = self
                .ended
                .pop_expired(now)
                .or_else(|| self.ended.pop_excess(retention.finished_jobs_max, retention.finished_bytes_max));
            let Some(id) = next else {
                self.expired.forget_old(now);
                return false;
            };
            self.handles.remove(&id);
            self.expired.insert(id, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::conformance::{self, Setup};

    fn store(setup: &Setup) -> Arc<MemoryStore> {
        Arc::new(MemoryStore::new(setup.retention.clone(), Keys::new(setup.keys)))
    }

    #[tokio::test]
    async fn it_conforms() {
        conformance::run(|setup| store(&setup)).await;
    }

    #[tokio::test]
    async fn an_id_older_than_the_store_was_lost() {
        let earlier = JobId::new();
        let store = store(&Setup::default());
        assert!(matches!(store.read(earlier).await, Lookup::LostAtRestart));
        assert!(matches!(store.read(JobId::new()).await, Lookup::Unknown));
    }

    #[tokio::test]
    async fn what_expires_at_once_is_let_go_in_parts_and_is_expired_at_once() {
        let store = store(&Setup::default().expiring_after(Duration::ZERO));
        let mut handles = Vec::new();
        for _ in 0..LET_GO_MAX * 2 + 500 {
            handles.push(conformance::accepted(&*store, conformance::example()).await);
        }
        for handle in &handles {
            store.tables.lock().ended.keep(handle.id, Instant::now(), 1, true);
        }
        let expired = |id| matches!(store.read(id), Stored::Ready(Lookup::Expired));
        assert!(handles.iter().all(|handle| expired(handle.id)));
        assert!(store.list(&Filter::default(), 10, None).await.items.is_empty());
        assert_eq!([store.expire().await, store.expire().await, store.expire().await], [true, true, false]);
        assert!(store.tables.lock().handles.is_empty());
        assert!(handles.iter().all(|handle| expired(handle.id)));
    }
}
