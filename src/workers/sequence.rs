//! Sequence numbers, by which an answer names its task.

use std::hash::{BuildHasher, RandomState};

/// How many low bits are a counter: numbers that are drawn close to each other differ for certain.
const COUNTED_BITS: u32 = 20;

/// Sequence numbers, each once. A function can't guess those of tasks that it was not handed, and so can't answer
/// them.
#[derive(Debug, Default)]
pub struct Sequences {
    count: u64,
    key: RandomState,
}

impl Sequences {
    /// The next one; never 0, which is none.
    pub fn next(&mut self) -> u64 {
        self.count += 1;
        let counted = self.count & ((1 << COUNTED_BITS) - 1);
        let sequence = self.key.hash_one(self.count) << COUNTED_BITS | counted;
        if sequence == 0 { self.next() } else { sequence }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_come_once_and_say_nothing_of_the_next() {
        let mut sequences = Sequences::default();
        let numbers: Vec<u64> = (0..100_000).map(|_| sequences.next()).collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        assert!(!numbers.contains(&0));
        let steps: HashSet<u64> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        assert!(steps.len() > 99_000, "steps repeat: {}", steps.len());
    }
}
