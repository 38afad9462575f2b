//! `max_running`: how many tasks of one function may be handed out at once, over all pools.
//!
//! A task has a permit from its hand-out until it has left its worker: answered, taken back, or the worker dead.
//! Tasks that wait behind another in a worker's pipe count too. Jobs that find no permit are parked, and their pool
//! is woken when another pool releases one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

/// The permits of one function.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    max: AtomicUsize,
    taken: AtomicUsize,
    /// Pools with parked jobs, by name.
    waiting: Mutex<Vec<(Arc<str>, Waker)>>,
}

/// One of them; released at drop.
#[derive(Debug)]
pub(crate) struct ConcurrencyPermit {
    limit: Arc<ConcurrencyLimit>,
    pool: Arc<str>,
}

impl ConcurrencyLimit {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: AtomicUsize::new(max), taken: AtomicUsize::new(0), waiting: Mutex::default() })
    }

    /// How many permits are free at this moment.
    pub fn free(&self) -> usize {
        self.max.load(Ordering::SeqCst).saturating_sub(self.taken.load(Ordering::SeqCst))
    }

    /// Takes one, for a task of this pool.
    pub fn acquire(self: &Arc<Self>, pool: &Arc<str>) -> Option<ConcurrencyPermit> {
        let max = self.max.load(Ordering::SeqCst);
        let more = |taken: usize| (taken < max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(ConcurrencyPermit { limit: Arc::clone(self), pool: Arc::clone(pool) })
    }

    /// Another number of permits. Those that are out stay so; where there are more now, the pools with parked jobs are
    /// woken.
    pub fn set_max(&self, max: usize) {
        if self.max.swap(max, Ordering::SeqCst) < max {
            let waiting = std::mem::take(&mut *self.waiting.lock());
            waiting.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }

    /// Registers a pool with parked jobs: it is woken once, by the next permit that another pool releases.
    pub fn wait(&self, pool: &Arc<str>, waker: &Waker) {
        let mut waiting = self.waiting.lock();
        // A pool that was deleted and made again has the name of the old one and another waker.
        if !waiting.iter().any(|(name, known)| name == pool && known.will_wake(waker)) {
            waiting.push((Arc::clone(pool), waker.clone()));
        }
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.limit.taken.fetch_sub(1, Ordering::SeqCst);
        // The pool that releases a permit hands out next anyway.
        let others: Vec<_> =
            self.limit.waiting.lock().extract_if(.., |(pool, _)| *pool != self.pool).collect();
        others.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn permits_are_counted_and_released() {
        let (limit, pool) = (ConcurrencyLimit::new(2), Arc::from("p"));
        let (first, second) = (limit.acquire(&pool), limit.acquire(&pool));
        assert!(first.is_some() && second.is_some() && limit.acquire(&pool).is_none());
        drop(first);
        assert_eq!(limit.free(), 1);
        drop(second);
        assert_eq!(limit.free(), 2);
    }

    #[test]
    fn a_waiting_pool_is_woken_by_another_once() {
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let (limit, one, other): (_, Arc<str>, Arc<str>) =
            (ConcurrencyLimit::new(1), "one".into(), "other".into());
        let permit = limit.acquire(&one);
        limit.wait(&other, &waker);
        limit.wait(&other, &waker);
        drop(permit);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        drop(limit.acquire(&one));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn more_permits_wake_all_that_wait_and_fewer_none() {
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let (limit, pool) = (ConcurrencyLimit::new(2), Arc::from("p"));
        let _permits = (limit.acquire(&pool), limit.acquire(&pool));
        limit.wait(&pool, &waker);
        limit.wait(&Arc::from("other"), &waker);
        limit.set_max(1);
        limit.set_max(1);
        assert_eq!((limit.free(), woken.0.load(Ordering::SeqCst)), (0, 0));
        limit.set_max(3);
        assert_eq!((limit.free(), woken.0.load(Ordering::SeqCst)), (1, 2));
    }
}
