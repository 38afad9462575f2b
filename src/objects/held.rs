//! What one process may hold something of. Entries of objects that are gone are found a few at a time: no note takes
//! long, whatever number there is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Weak};

/// Entries that are looked at for each new one. With two, at most about half of them are of objects that are gone.
const SWEPT_PER_NOTE: usize = 2;

/// By the numbers of the objects.
#[derive(Debug)]
pub(super) struct Held<T> {
    entries: BTreeMap<u64, Weak<T>>,
    /// The first number that is looked at next.
    next: u64,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), next: 0 }
    }
}

impl<T> Held<T> {
    /// Something of this one may be held from now on.
    pub fn note(&mut self, number: u64, object: &Arc<T>) {
        let Entry::Vacant(place) = self.entries.entry(number) else { return };
        place.insert(Arc::downgrade(object));
        for _ in 0..SWEPT_PER_NOTE {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        let next = self.entries.range(self.next..).next().or_else(|| self.entries.first_key_value());
        let Some((&number, object)) = next else { return };
        self.next = number + 1;
        if object.strong_count() == 0 {
            self.entries.remove(&number);
        }
    }

    /// Those that are still there.
    pub fn into_objects(self) -> impl Iterator<Item = Arc<T>> {
        self.entries.into_values().filter_map(|object| object.upgrade())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_not_kept_and_what_is_there_is() {
        let mut held = Held::default();
        let there: Vec<_> = (0..100).map(Arc::new).collect();
        for number in 0..100_000 {
            // In no order: objects are noted when they are used.
            let shuffled = number * 48_271 % 99_991;
            match there.get(usize::try_from(number).unwrap_or(usize::MAX)) {
                Some(object) => held.note(number << 32, object),
                None => held.note(shuffled, &Arc::new(number)),
            }
            assert!(held.entries.len() <= 2 * there.len() + 2, "{}", held.entries.len());
        }
        held.note(0, &there[0]);
        assert_eq!(held.into_objects().count(), there.len());
    }
}
