//! Whose turn it is: jobs with work to hand out, first come first served; what comes back goes to the front.

use std::collections::VecDeque;

/// Job numbers in turn. A number may stand here that has no work any more; whoever takes it looks.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<u64>);

impl Queue {
    /// A new job takes its place.
    pub fn push(&mut self, job: u64) {
        self.0.push_back(job);
    }

    /// A job whose work came back is next.
    pub fn push_front(&mut self, job: u64) {
        if self.0.front() != Some(&job) {
            self.0.push_front(job);
        }
    }

    /// Whose turn it is.
    pub fn front(&self) -> Option<u64> {
        self.0.front().copied()
    }

    /// Forgets numbers without work once they are many.
    pub fn tidy(&mut self, jobs: usize, has_work: impl Fn(u64) -> bool) {
        if self.0.len() > 2 * jobs + 1024 {
            self.0.retain(|job| has_work(*job));
        }
    }

    /// The one in front has no work left.
    pub fn pop(&mut self) {
        self.0.pop_front();
    }
}
