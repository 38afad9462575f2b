//! How much work may be accepted and unfinished: by count and by bytes, over all pools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The bound.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
    jobs_max: usize,
    bytes_max: usize,
    /// Streams that wait for room, and what tells them that there is some.
    waiting: AtomicUsize,
    freed: Notify,
}

/// Bytes on their way into the queue; given back at drop.
#[derive(Debug)]
pub struct Reservation {
    counts: Arc<Counts>,
    bytes: usize,
}

/// The right to be in the queue; given back at drop.
#[derive(Debug)]
pub struct Permit(Reservation);

/// The queue is full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// Too many jobs.
    #[error("{0} jobs are accepted and not finished, the most allowed (--queue-jobs)")]
    Jobs(usize),
    /// Too many bytes.
    #[error("the bodies that are being read or wait in the queue would exceed {0} bytes (--queue-bytes)")]
    Bytes(usize),
    /// Too many bytes of answers wait to be taken.
    #[error(
        "{0} bytes of answers or more are held that nobody has taken, the most allowed (--answer-bytes); read them"
    )]
    Answers(usize),
}

impl Admission {
    /// At most so many jobs and bytes of arguments.
    pub fn new(jobs_max: usize, bytes_max: usize) -> Self {
        Self(Arc::new(Counts {
            jobs: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            jobs_max,
            bytes_max,
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        }))
    }

    /// Whether there is room for bytes.
    ///
    /// # Errors
    /// There is none.
    pub fn has_room(&self) -> Result<(), Overloaded> {
        let Counts { bytes, bytes_max, .. } = &*self.0;
        if bytes.load(Ordering::Relaxed) < *bytes_max { Ok(()) } else { Err(Overloaded::Bytes(*bytes_max)) }
    }

    /// So many bytes more are in the queue, whatever the room.
    pub fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many fewer.
    pub fn sub(&self, bytes: usize) {
        self.0.release(bytes);
    }

    /// Begins a job whose bytes are yet to come.
    pub fn reserve(&self) -> Reservation {
        Reservation { counts: Arc::clone(&self.0), bytes: 0 }
    }

    /// Jobs accepted and not finished.
    pub fn jobs(&self) -> usize {
        self.0.jobs.load(Ordering::Relaxed)
    }
}

impl Counts {
    fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if bytes > 0 && self.waiting.load(Ordering::Relaxed) > 0 {
            self.freed.notify_waiters();
        }
    }
}

impl Reservation {
    /// Bytes that it has room for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Has room for so many bytes in all, and no more.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.counts.release(less);
    }

    /// Waits until there is room for so many bytes in all.
    ///
    /// # Errors
    /// There will never be.
    pub async fn wait_to_grow(&mut self, bytes: usize) -> Result<(), Overloaded> {
        let bytes_max = self.counts.bytes_max;
        if bytes > bytes_max {
            return Err(Overloaded::Bytes(bytes_max));
        }
        let counts = Arc::clone(&self.counts);
        let _waiting = Waiting::of(&counts);
        loop {
            let freed = counts.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let more = bytes.saturating_sub(self.bytes);
            let grown = |total: usize| total.checked_add(more).filter(|total| *total <= bytes_max);
            if counts.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok() {
                self.bytes += more;
                return Ok(());
            }
            freed.await;
        }
    }

    /// Takes room for so many bytes in all, if it doesn't have it yet.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Overloaded> {
        let more = bytes.saturating_sub(self.bytes);
        // Counted first and looked at then: two at once can't both take the last place.
        let total = self.counts.bytes.fetch_add(more, Ordering::Relaxed) + more;
        self.bytes += more;
        if total > self.counts.bytes_max { Err(Overloaded::Bytes(self.counts.bytes_max)) } else { Ok(()) }
    }

    /// Takes a place in the queue.
    pub fn into_permit(self) -> Result<Permit, Overloaded> {
        let jobs_max = self.counts.jobs_max;
        let jobs = self.counts.jobs.fetch_add(1, Ordering::Relaxed) + 1;
        let permit = Permit(self);
        if jobs > jobs_max { Err(Overloaded::Jobs(jobs_max)) } else { Ok(permit) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.counts.release(self.bytes);
    }
}

/// Somebody waits for room, until this is dropped.
struct Waiting<'a>(&'a Counts);

impl<'a> Waiting<'a> {
    fn of(counts: &'a Counts) -> Self {
        counts.waiting.fetch_add(1, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.counts.jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &Admission, bytes: usize) -> Result<Permit, Overloaded> {
        let mut reservation = admission.reserve();
        reservation.grow_to(bytes)?;
        reservation.into_permit()
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let admission = Admission::new(2, 100);
        let first = admit(&admission, 60).unwrap();
        assert_eq!(admit(&admission, 60).unwrap_err(), Overloaded::Bytes(100));
        let _second = admit(&admission, 40).unwrap();
        assert_eq!(admit(&admission, 0).unwrap_err(), Overloaded::Jobs(2));
        drop(first);
        admit(&admission, 60).unwrap();
        assert_eq!(admission.jobs(), 1);
    }

    #[test]
    fn bytes_on_their_way_count() {
        let admission = Admission::new(10, 100);
        let mut reading = admission.reserve();
        reading.grow_to(30).unwrap();
        reading.grow_to(70).unwrap();
        assert!(admit(&admission, 31).is_err());
        admit(&admission, 30).unwrap();
        drop(reading);
        admit(&admission, 100).unwrap();
    }
}
