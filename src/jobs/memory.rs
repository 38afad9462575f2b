//! The store in memory: bounded by count and by bytes, the oldest expire early.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::expired_ids::ExpiredIds;
use super::id::JobId;
use super::outcome::Outcome;
use super::record::Record;
use super::retention::RetentionTable;
use super::store::{Filter, Lookup, Page, Store};

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

/// Job records in memory.
#[derive(Debug)]
pub struct MemoryStore {
    retention: Retention,
    /// An id smaller than this is an earlier server's, whatever the clock says.
    first_id: JobId,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    records: BTreeMap<JobId, Arc<Record>>,
    /// Those that have ended and are kept (monotonic: a clock that jumps forgets nothing).
    ended: RetentionTable<JobId>,
    expired: ExpiredIds,
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
            let now = Instant::now();
            let mut tables = self.tables.lock();
            if tables.records.contains_key(&record.id) {
                tables.ended.keep(record.id, now + ttl, record.kept_bytes(), true);
            }
            tables.let_go(&self.retention, now);
        }
        true
    }

    fn grow(&self, id: JobId, bytes: usize) {
        let mut tables = self.tables.lock();
        tables.ended.grow(&id, bytes);
        tables.let_go(&self.retention, Instant::now());
    }

    fn get(&self, id: JobId) -> Lookup {
        let now = Instant::now();
        let tables = self.tables.lock();
        match tables.records.get(&id) {
            Some(_) if tables.ended.is_over(&id, now) => Lookup::Expired,
            Some(record) => Lookup::Found(Arc::clone(record)),
            None if tables.expired.contains(id) => Lookup::Expired,
            None if id < self.first_id => Lookup::LostAtRestart,
            None => Lookup::Unknown,
        }
    }

    fn forget(&self, id: JobId) -> bool {
        let mut tables = self.tables.lock();
        tables.ended.forget(&id);
        tables.records.remove(&id).is_some()
    }

    fn list(&self, filter: &Filter, limit: usize, cursor: Option<JobId>) -> Page {
        let now = Instant::now();
        let tables = self.tables.lock();
        let upper = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = None;
        for (scanned, (id, record)) in tables.records.range((Bound::Unbounded, upper)).rev().enumerate() {
            if page.items.len() == limit || scanned == SCAN_MAX {
                page.next = last;
                break;
            }
            if filter.matches(record) && !tables.ended.is_over(id, now) {
                page.items.push(Arc::clone(record));
            }
            last = Some(*id);
        }
        page
    }

    fn expire(&self) -> bool {
        self.tables.lock().let_go(&self.retention, Instant::now())
    }
}

impl Tables {
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
            self.records.remove(&id);
            self.expired.insert(id, now);
        }
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

    fn waiting(store: &MemoryStore) -> Arc<Record> {
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
        record
    }

    fn finished(store: &MemoryStore, bytes: usize) -> JobId {
        let record = waiting(store);
        let value = Value { pieces: vec![Bytes::from(vec![b'1'; bytes])] };
        assert!(store.finish(&record, Outcome::Value(value.clone())));
        assert!(!store.finish(&record, Outcome::Value(value)), "a job ends once");
        record.id
    }

    fn finished_bytes_of_one() -> usize {
        let store = store(10, usize::MAX, Duration::from_secs(3600));
        finished(&store, 10);
        store.tables.lock().ended.bytes()
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
        assert_eq!(kept.tables.lock().ended.bytes(), 0);
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

    #[test]
    fn what_expires_at_once_is_let_go_in_parts_and_is_expired_at_once() {
        let store = store(usize::MAX, usize::MAX, Duration::ZERO);
        let ids: Vec<_> = (0..LET_GO_MAX * 2 + 500).map(|_| waiting(&store)).collect();
        for record in &ids {
            record.finish(Outcome::Value(Value::default()), Duration::ZERO);
            store.tables.lock().ended.keep(record.id, Instant::now(), 1, true);
        }
        assert!(ids.iter().all(|record| matches!(store.get(record.id), Lookup::Expired)));
        assert!(store.list(&Filter::default(), 10, None).items.is_empty());
        assert_eq!([store.expire(), store.expire(), store.expire()], [true, true, false]);
        assert!(store.tables.lock().records.is_empty());
        assert!(ids.iter().all(|record| matches!(store.get(record.id), Lookup::Expired)));
    }
}
