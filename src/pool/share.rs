//! `max_running`: how many tasks of one function may be handed out at once, over all pools.
//!
//! A task has a slot from its hand-out until it has left its worker: answered, taken back, or its worker dead.
//! What waits behind another in a worker's pipe counts too. Jobs that find no slot stand apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::events::Event;
use super::function::Function;

/// The slots of one function.
#[derive(Debug)]
pub(super) struct Share {
    most: usize,
    taken: AtomicUsize,
    /// Pools with jobs that wait for a slot.
    waiting: Mutex<Vec<(Arc<str>, mpsc::WeakUnboundedSender<Event>)>>,
}

/// One of them, while it is held.
#[derive(Debug)]
pub(super) struct Slot {
    share: Arc<Share>,
    pool: Arc<str>,
}

impl Share {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0), waiting: Mutex::default() })
    }

    /// How many are free at this moment.
    pub fn free(&self) -> usize {
        self.most.saturating_sub(self.taken.load(Ordering::SeqCst))
    }

    /// Takes one, for a task of this pool.
    pub fn take(self: &Arc<Self>, pool: &Arc<str>) -> Option<Slot> {
        let more = |taken: usize| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Slot { share: Arc::clone(self), pool: Arc::clone(pool) })
    }

    /// This pool has jobs that wait for a slot: it is told of the next that comes back.
    pub fn wait(&self, pool: &Arc<str>, sender: &mpsc::WeakUnboundedSender<Event>) {
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|(name, known)| name == pool && known.strong_count() > 0) {
            waiting.push((Arc::clone(pool), sender.clone()));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.share.taken.fetch_sub(1, Ordering::SeqCst);
        // The pool that gives it back looks by itself.
        let others: Vec<_> =
            self.share.waiting.lock().extract_if(.., |(pool, _)| *pool != self.pool).collect();
        for sender in others.iter().filter_map(|(_, sender)| sender.upgrade()) {
            let _ = sender.send(Event::Vacancy);
        }
    }
}

impl Function {
    /// The same, of which at most so many tasks run at once.
    #[must_use]
    pub fn at_most(mut self, most: Option<usize>) -> Self {
        self.share = most.map(Share::new);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_and_come_back() {
        let (share, pool) = (Share::new(2), Arc::from("p"));
        let (first, second) = (share.take(&pool), share.take(&pool));
        assert!(first.is_some() && second.is_some() && share.take(&pool).is_none());
        drop(first);
        assert_eq!(share.free(), 1);
        drop(second);
        assert_eq!(share.free(), 2);
    }

    #[test]
    fn a_pool_that_waits_is_woken_by_another_once() {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let (share, one, other): (_, Arc<str>, Arc<str>) = (Share::new(1), "one".into(), "other".into());
        let slot = share.take(&one);
        share.wait(&other, &sender.downgrade());
        share.wait(&other, &sender.downgrade());
        drop(slot);
        assert!(matches!(inbox.try_recv(), Ok(Event::Vacancy)));
        assert!(inbox.try_recv().is_err());
    }
}
