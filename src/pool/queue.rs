//! Whose turn it is: jobs with work to hand out, larger priority first, then first come first served.
//!
//! What comes back goes to the front of its priority.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// Job numbers in turn. A number may stand here that has no work any more; whoever takes it looks.
#[derive(Debug, Default)]
pub(super) struct Queue(BTreeMap<Reverse<i8>, VecDeque<u64>>);

impl Queue {
    /// A new job takes its place.
    pub fn push(&mut self, job: u64, priority: i8) {
        self.0.entry(Reverse(priority)).or_default().push_back(job);
    }

    /// A job that has work again takes its place, if it isn't the last anyway.
    pub fn push_once(&mut self, job: u64, priority: i8) {
        let turn = self.0.entry(Reverse(priority)).or_default();
        if turn.back() != Some(&job) && turn.front() != Some(&job) {
            turn.push_back(job);
        }
    }

    /// A job whose work came back is next of its priority.
    pub fn push_front(&mut self, job: u64, priority: i8) {
        let turn = self.0.entry(Reverse(priority)).or_default();
        if turn.front() != Some(&job) {
            turn.push_front(job);
        }
    }

    /// Whose turn it is.
    pub fn front(&self) -> Option<u64> {
        self.0.values().find_map(VecDeque::front).copied()
    }

    /// The one in front has no work left.
    pub fn pop(&mut self) {
        if let Some(turn) = self.0.values_mut().find(|turn| !turn.is_empty()) {
            turn.pop_front();
        }
    }

    /// Forgets numbers without work once they are many.
    pub fn tidy(&mut self, jobs: usize, has_work: impl Fn(u64) -> bool) {
        if self.0.values().map(VecDeque::len).sum::<usize>() > 2 * jobs + 1024 {
            self.0.values_mut().for_each(|turn| turn.retain(|job| has_work(*job)));
            self.0.retain(|_, turn| !turn.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_first_then_first_come() {
        let mut queue = Queue::default();
        for (job, priority) in [(1, 0), (2, 5), (3, 0), (4, -1), (5, 5)] {
            queue.push(job, priority);
        }
        queue.push_front(9, 0);
        let mut turns = Vec::new();
        while let Some(job) = queue.front() {
            turns.push(job);
            queue.pop();
        }
        assert_eq!(turns, [2, 5, 9, 1, 3, 4]);
        for (job, priority) in [(7, -100), (8, 100), (9, 0)] {
            queue.push(job, priority);
            assert_eq!(queue.front(), Some(job));
            queue.pop();
            assert_eq!(queue.front(), None);
        }
    }

    #[test]
    fn numbers_without_work_do_not_pile_up() {
        let mut queue = Queue::default();
        (0..5_000).for_each(|job| queue.push(job, 0));
        queue.tidy(1, |job| job == 4_999);
        assert_eq!(queue.front(), Some(4_999));
        queue.pop();
        assert_eq!(queue.front(), None);
    }
}
