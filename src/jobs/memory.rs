//! The store in memory: bounded by count and by bytes, the oldest expire early.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::id::JobId;
use super::outcome::Outcome;
use super::record::Record;
use super::store::{Filter, Lookup, Page, Store};

/// How long an expired id is told from one that never was.
const EXPIRED_REMEMBERED: Duration = Duration::from_secs(86_400);
/// How many of them.
const EXPIRED_MAX: usize = 1_000_000;
/// How many records one listing may look at.
const SCAN_MAX: usize = 100_000;

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

/// Job records in memory.
#[derive(Debug)]
pub struct MemoryStore {
    retention: Retention,
    /// Ids below this one were made by an earlier process: ids grow even where the clock is set back.
    first_id: JobId,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    records: BTreeMap<JobId, Arc<Record>>,
    /// Finished and kept: when each expires (monotonic: a clock that jumps forgets nothing).
    expiry: BTreeSet<(Instant, JobId)>,
    /// Its expiry and bytes, by id.
    finished: HashMap<JobId, (Instant, usize)>,
    /// In the order they finished; ids that are gone by then are passed over.
    finished_order: VecDeque<JobId>,
    finished_bytes: usize,
    expired: HashMap<JobId, Instant>,
    expired_order: VecDeque<(Instant, JobId)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(retention: Retention) -> Self {
        Self { retention, first_id: JobId::new(), tables: Mutex::default() }
    }
}

impl Store for MemoryStore {
    fn insert(&self, record: Arc<Record>) {
        self.tables.lock().records.insert(record.id, record);
    }

    fn finish(&self, record: &Record, outcome: Outcome) -> bool {
        let ttl = match outcome {
            Outcome::Value(_) => record.new.terms.result_ttl.unwrap_or(self.retention.result_ttl),
            Outcome::Failure(_) => self.retention.failure_ttl,
        };
        if !record.finish(outcome, ttl) {
            return false;
        }
        if record.new.retained {
            let mut tables = self.tables.lock();
            if tables.records.contains_key(&record.id) {
                tables.keep(record.id, Instant::now() + ttl, record.kept_bytes());
                tables.shrink(&self.retention);
            }
        }
        true
    }

    fn get(&self, id: JobId) -> Lookup {
        self.expire();
        let tables = self.tables.lock();
        if let Some(record) = tables.records.get(&id) {
            Lookup::Found(Arc::clone(record))
        } else if tables.expired.contains_key(&id) {
            Lookup::Expired
        } else if id < self.first_id {
            Lookup::LostAtRestart
        } else {
            Lookup::Unknown
        }
    }

    fn forget(&self, id: JobId) -> bool {
        let mut tables = self.tables.lock();
        tables.drop_finished(id);
        tables.records.remove(&id).is_some()
    }

    fn list(&self, filter: &Filter, limit: usize, cursor: Option<JobId>) -> Page {
        self.expire();
        let tables = self.tables.lock();
        let upper = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = None;
        for (scanned, (id, record)) in tables.records.range((Bound::Unbounded, upper)).rev().enumerate() {
            if page.items.len() == limit || scanned == SCAN_MAX {
                page.next = last;
                break;
            }
            if filter.matches(record) {
                page.items.push(Arc::clone(record));
            }
            last = Some(*id);
        }
        page
    }

    fn expire(&self) {
        let now = Instant::now();
        let mut tables = self.tables.lock();
        while let Some((at, id)) = tables.expiry.first().copied() {
            if at > now {
                break;
            }
            tables.expire_one(id);
        }
        while let Some((at, id)) = tables.expired_order.front().copied() {
            if now.duration_since(at) < EXPIRED_REMEMBERED && tables.expired_order.len() <= EXPIRED_MAX {
                break;
            }
            tables.expired_order.pop_front();
            tables.expired.remove(&id);
        }
    }
}

impl Tables {
    fn keep(&mut self, id: JobId, expires: Instant, bytes: usize) {
        self.expiry.insert((expires, id));
        self.finished.insert(id, (expires, bytes));
        self.finished_order.push_back(id);
        self.finished_bytes += bytes;
    }

    /// Expires the oldest until the bounds hold.
    fn shrink(&mut self, retention: &Retention) {
        while self.finished.len() > retention.finished_jobs_max
            || self.finished_bytes > retention.finished_bytes_max
        {
            let Some(id) = self.finished_order.pop_front() else { return };
            self.expire_one(id);
        }
        // Ids that went in other ways must not pile up.
        if self.finished_order.len() > 2 * self.finished.len() + 1024 {
            let finished = &self.finished;
            self.finished_order.retain(|id| finished.contains_key(id));
        }
    }

    fn expire_one(&mut self, id: JobId) {
        if self.drop_finished(id) && self.records.remove(&id).is_some() {
            let now = Instant::now();
            self.expired.insert(id, now);
            self.expired_order.push_back((now, id));
        }
    }

    fn drop_finished(&mut self, id: JobId) -> bool {
        let Some((expires, bytes)) = self.finished.remove(&id) else { return false };
        self.expiry.remove(&(expires, id));
        self.finished_bytes -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobKind, NewJob, Terms, Value};
    use bytes::Bytes;

    fn store(jobs: usize, bytes: usize, ttl: Duration) -> MemoryStore {
        MemoryStore::new(Retention {
            result_ttl: ttl,
            failure_ttl: ttl,
            finished_jobs_max: jobs,
            finished_bytes_max: bytes,
        })
    }

    fn finished(store: &MemoryStore, bytes: usize) -> JobId {
        let new = NewJob {
            kind: JobKind::Apply,
            function: "f".into(),
            pool: "native".into(),
            owner: None,
            total: 1,
            chunksize: None,
            retained: true,
            terms: Terms::default(),
        };
        let record = Arc::new(Record::new(new));
        store.insert(Arc::clone(&record));
        let value = Value { pieces: vec![Bytes::from(vec![b'1'; bytes])] };
        assert!(store.finish(&record, Outcome::Value(value.clone())));
        assert!(!store.finish(&record, Outcome::Value(value)), "a job ends once");
        record.id
    }

    fn finished_bytes_of_one() -> usize {
        let store = store(10, usize::MAX, Duration::from_secs(3600));
        finished(&store, 10);
        store.tables.lock().finished_bytes
    }

    #[test]
    fn the_oldest_expire_early_by_count_and_by_bytes() {
        let long = Duration::from_secs(3600);
        let one = finished_bytes_of_one();
        for store in [store(2, usize::MAX, long), store(1000, 2 * one + one / 2, long)] {
            let ids: Vec<_> = (0..3).map(|_| finished(&store, 10)).collect();
            assert!(matches!(store.get(ids[0]), Lookup::Expired));
            assert!(matches!(store.get(ids[1]), Lookup::Found(_)));
            assert!(matches!(store.get(ids[2]), Lookup::Found(_)));
        }
    }

    #[test]
    fn results_expire_and_forgotten_ones_are_unknown() {
        let brief = store(10, usize::MAX, Duration::ZERO);
        assert!(matches!(brief.get(finished(&brief, 1)), Lookup::Expired));
        let kept = store(10, usize::MAX, Duration::from_secs(3600));
        let id = finished(&kept, 1);
        assert!(kept.forget(id) && !kept.forget(id));
        assert!(matches!(kept.get(id), Lookup::Unknown));
        assert_eq!(kept.tables.lock().finished_bytes, 0);
    }

    #[test]
    fn an_id_older_than_the_store_was_lost() {
        let earlier = JobId::new();
        let store = store(10, 10, Duration::ZERO);
        assert!(matches!(store.get(earlier), Lookup::LostAtRestart));
        assert!(matches!(store.get(JobId::new()), Lookup::Unknown));
    }

    #[test]
    fn lists_go_from_new_to_old_in_pages() {
        let store = store(10, usize::MAX, Duration::from_secs(3600));
        let ids: Vec<_> = (0..5).map(|_| finished(&store, 1)).collect();
        let first = store.list(&Filter::default(), 3, None);
        assert_eq!(first.items.iter().map(|record| record.id).collect::<Vec<_>>(), [ids[4], ids[3], ids[2]]);
        let second = store.list(&Filter::default(), 3, first.next);
        assert_eq!(second.items.iter().map(|record| record.id).collect::<Vec<_>>(), [ids[1], ids[0]]);
        assert!(second.next.is_none());
    }
}
