//! How much work may be accepted and unfinished: by count and by bytes, over all pools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bound.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
    jobs_max: usize,
    bytes_max: usize,
}

/// The right to be in the queue; given back at drop.
#[derive(Debug)]
pub struct Permit {
    counts: Arc<Counts>,
    bytes: usize,
}

/// The queue is full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// Too many jobs.
    #[error("{0} jobs are accepted and not finished, the most allowed (--queue-jobs)")]
    Jobs(usize),
    /// Too many bytes.
    #[error(
        "the arguments of the jobs that are accepted and not finished would exceed {0} bytes (--queue-bytes)"
    )]
    Bytes(usize),
}

impl Admission {
    /// At most so many jobs and bytes of arguments.
    pub fn new(jobs_max: usize, bytes_max: usize) -> Self {
        let counts = Counts { jobs: AtomicUsize::new(0), bytes: AtomicUsize::new(0), jobs_max, bytes_max };
        Self(Arc::new(counts))
    }

    /// Takes a place in the queue.
    pub fn admit(&self, bytes: usize) -> Result<Permit, Overloaded> {
        let counts = &self.0;
        // Counted first and looked at then: two at once can't both take the last place.
        let permit = Permit { counts: Arc::clone(counts), bytes };
        let jobs = counts.jobs.fetch_add(1, Ordering::Relaxed) + 1;
        let total = counts.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if jobs > counts.jobs_max {
            return Err(Overloaded::Jobs(counts.jobs_max));
        }
        if total > counts.bytes_max {
            return Err(Overloaded::Bytes(counts.bytes_max));
        }
        Ok(permit)
    }

    /// Jobs accepted and not finished.
    pub fn jobs(&self) -> usize {
        self.0.jobs.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.jobs.fetch_sub(1, Ordering::Relaxed);
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let admission = Admission::new(2, 100);
        let first = admission.admit(60).unwrap();
        assert_eq!(admission.admit(60).unwrap_err(), Overloaded::Bytes(100));
        let _second = admission.admit(40).unwrap();
        assert_eq!(admission.admit(0).unwrap_err(), Overloaded::Jobs(2));
        drop(first);
        admission.admit(60).unwrap();
        assert_eq!(admission.jobs(), 1);
    }
}
