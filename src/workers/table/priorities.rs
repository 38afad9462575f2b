//! How many tasks of each priority wait behind heads: whether a submission overtakes any is known without a look at
//! all flights.

use crate::scheduler::Task;

/// Counts by priority, the lowest first.
#[derive(Debug)]
pub(super) struct PriorityCounts {
    counts: [u32; 256],
    total: u32,
}

impl Default for PriorityCounts {
    fn default() -> Self {
        Self { counts: [0; 256], total: 0 }
    }
}

fn index(priority: i8) -> usize {
    usize::from(priority.wrapping_sub(i8::MIN).cast_unsigned())
}

impl PriorityCounts {
    pub fn add(&mut self, task: &Task) {
        self.counts[index(task.handle.terms.priority)] += 1;
        self.total += 1;
    }

    pub fn sub(&mut self, task: &Task) {
        self.counts[index(task.handle.terms.priority)] -= 1;
        self.total -= 1;
    }

    /// Whether any waits that has less than this priority.
    pub fn any_below(&self, priority: i8) -> bool {
        self.total > 0 && self.counts[..index(priority)].iter().any(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::index;

    #[test]
    fn indexes_ascend_with_priorities() {
        assert_eq!([i8::MIN, -1, 0, 1, i8::MAX].map(index), [0, 127, 128, 129, 255]);
    }
}
