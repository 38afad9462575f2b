//! What is kept for a while: each entry until its time is over, all of them within a bound of bytes and of number.
//!
//! Holds keys alone; what they stand for is its owner's. Nothing here takes longer than the logarithm of the number of
//! entries (a hash table that grows would move all at once): whoever empties it does so one by one, and may rest in
//! between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Entries by key, in the order in which they were kept and in that in which they expire.
#[derive(Debug)]
pub struct RetentionTable<K> {
    entries: BTreeMap<K, Entry>,
    /// By when each expires.
    by_time: BTreeSet<(Instant, K)>,
    /// Those that may be dropped early, the oldest first.
    by_age: BTreeMap<u64, K>,
    bytes: usize,
    /// Entries that were ever kept.
    kept: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    expires: Instant,
    bytes: usize,
    age: u64,
}

impl<K> Default for RetentionTable<K> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            by_time: BTreeSet::new(),
            by_age: BTreeMap::new(),
            bytes: 0,
            kept: 0,
        }
    }
}

impl<K: Clone + Ord> RetentionTable<K> {
    /// Keeps an entry of so many bytes until then; `droppable`: it may be dropped early for want of room. What was kept
    /// under this key is no more.
    pub fn keep(&mut self, key: K, expires: Instant, bytes: usize, droppable: bool) {
        self.forget(&key);
        self.kept += 1;
        let age = self.kept;
        if droppable {
            self.by_age.insert(age, key.clone());
        }
        self.by_time.insert((expires, key.clone()));
        self.bytes += bytes;
        self.entries.insert(key, Entry { expires, bytes, age });
    }

    /// Forgets an entry; `false` if there was none.
    pub fn forget(&mut self, key: &K) -> bool {
        let Some((key, entry)) = self.entries.remove_entry(key) else { return false };
        self.by_age.remove(&entry.age);
        self.by_time.remove(&(entry.expires, key));
        self.bytes -= entry.bytes;
        true
    }

    /// An entry holds so many bytes more.
    pub fn grow(&mut self, key: &K, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Whether an entry is kept and its time is over.
    pub fn is_over(&self, key: &K, now: Instant) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.expires <= now)
    }

    /// Forgets one entry whose time is over, and says which.
    pub fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let (_, key) = self.by_time.first().filter(|(expires, _)| *expires <= now)?;
        let key = key.clone();
        self.forget(&key);
        Some(key)
    }

    /// Forgets the oldest entry that may be dropped, and says which, if there are more entries or bytes than these.
    pub fn pop_excess(&mut self, entries_max: usize, bytes_max: usize) -> Option<K> {
        if self.len() <= entries_max && self.bytes <= bytes_max {
            return None;
        }
        let key = self.by_age.first_key_value()?.1.clone();
        self.forget(&key);
        Some(key)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of them all.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Keep { key: u8, seconds: u64, bytes: usize, droppable: bool },
        Forget(u8),
        Expire(u64),
        Shrink { entries_max: usize, bytes_max: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20u8, 0..100u64, 0..50usize, any::<bool>())
                .prop_map(|(key, seconds, bytes, droppable)| Step::Keep { key, seconds, bytes, droppable }),
            (0..20u8).prop_map(Step::Forget),
            (0..100u64).prop_map(Step::Expire),
            (0..10usize, 0..200usize)
                .prop_map(|(entries_max, bytes_max)| Step::Shrink { entries_max, bytes_max }),
        ]
    }

    /// The plain model: a list in the order of keeping.
    type Model = Vec<(u8, u64, usize, bool)>;

    fn shrink(model: &mut Model, entries_max: usize, bytes_max: usize) -> Vec<u8> {
        let mut dropped = Vec::new();
        while model.len() > entries_max || model.iter().map(|kept| kept.2).sum::<usize>() > bytes_max {
            let Some(at) = model.iter().position(|kept| kept.3) else { break };
            dropped.push(model.remove(at).0);
        }
        dropped
    }

    proptest! {
        #[test]
        fn it_is_the_plain_list(steps in prop::collection::vec(step(), 0..200)) {
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            let (mut retention, mut model) = (RetentionTable::default(), Model::new());
            for step in steps {
                match step {
                    Step::Keep { key, seconds, bytes, droppable } => {
                        retention.keep(key, at(seconds), bytes, droppable);
                        model.retain(|kept| kept.0 != key);
                        model.push((key, seconds, bytes, droppable));
                    }
                    Step::Forget(key) => {
                        let there = model.iter().any(|kept| kept.0 == key);
                        model.retain(|kept| kept.0 != key);
                        prop_assert_eq!(retention.forget(&key), there);
                    }
                    Step::Expire(seconds) => {
                        let mut gone: Vec<u8> =
                            std::iter::from_fn(|| retention.pop_expired(at(seconds))).collect();
                        gone.sort_unstable();
                        let mut over: Vec<u8> =
                            model.iter().filter(|kept| kept.1 <= seconds).map(|kept| kept.0).collect();
                        over.sort_unstable();
                        model.retain(|kept| kept.1 > seconds);
                        prop_assert_eq!(gone, over);
                    }
                    Step::Shrink { entries_max, bytes_max } => {
                        let gone: Vec<u8> =
                            std::iter::from_fn(|| retention.pop_excess(entries_max, bytes_max)).collect();
                        prop_assert_eq!(gone, shrink(&mut model, entries_max, bytes_max));
                    }
                }
                prop_assert_eq!(retention.len(), model.len());
                prop_assert_eq!(retention.bytes(), model.iter().map(|kept| kept.2).sum::<usize>());
                let droppable = model.iter().filter(|kept| kept.3).count();
                prop_assert_eq!((retention.by_time.len(), retention.by_age.len()), (model.len(), droppable));
            }
        }
    }
}
