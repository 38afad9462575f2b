//! How much all objects may take: by count and by bytes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::error::{ErrorCode, Limit, ObjectError};

/// The bounds of the objects.
#[derive(Debug, Clone)]
pub struct ObjectLimits {
    /// Objects of all kinds.
    pub objects_max: usize,
    /// Bytes that they hold, in all, with what each item and waiter costs.
    pub bytes_max: usize,
    /// Nesting of arrays and objects in arguments.
    pub depth_max: usize,
    /// Bytes of an answer that is put together from many items.
    pub answer_bytes_max: usize,
    /// Largest duration that a client's call may name.
    pub timeout_max: Duration,
}

/// Counted for an object besides its content.
pub(super) const OBJECT_BYTES: usize = 512;
/// Counted for each item of a container besides its text.
pub(super) const ITEM_BYTES: usize = 96;
/// Counted for each call that waits.
pub(super) const WAITER_BYTES: usize = 512;

/// What all objects share.
#[derive(Debug, Clone)]
pub(super) struct Quota(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    objects: AtomicUsize,
    bytes: AtomicUsize,
    objects_max: usize,
    bytes_max: usize,
}

impl Quota {
    pub fn new(limits: &ObjectLimits) -> Self {
        Self(Arc::new(Counts {
            objects: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            objects_max: limits.objects_max,
            bytes_max: limits.bytes_max,
        }))
    }

    /// Whether one object more fits.
    pub fn object(&self) -> Result<(), ObjectError> {
        let fits = self.0.objects.load(Ordering::Relaxed) < self.0.objects_max;
        if fits { Ok(()) } else { Err(self.no_place()) }
    }

    /// An object comes, if it fits.
    pub fn enter(&self) -> Result<(), ObjectError> {
        let one_more = |objects: usize| (objects < self.0.objects_max).then_some(objects + 1);
        let entered = self.0.objects.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.map(drop).map_err(|_| self.no_place())
    }

    fn no_place(&self) -> ObjectError {
        let most = self.0.objects_max;
        let detail = format!("there are {most} objects, the most allowed; remove some");
        ObjectError::limited(ErrorCode::Overloaded, Limit::Objects, most, detail)
    }

    /// To take bytes ahead of what they are for.
    pub fn charge(&self) -> Charge<'_> {
        Charge { quota: self, bytes: Cell::new(0) }
    }

    /// Takes bytes for as long as the answer lives.
    pub fn reserve(&self, bytes: usize) -> Result<QuotaReservation, ObjectError> {
        let charge = self.charge();
        charge.bytes(bytes)?;
        charge.bytes.set(0);
        Ok(QuotaReservation { quota: self.clone(), bytes })
    }

    /// An object has gone.
    pub fn leave(&self, bytes: usize) {
        self.0.objects.fetch_sub(1, Ordering::Relaxed);
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn settle(&self, before: usize, now: usize) {
        if now >= before {
            self.0.bytes.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.0.bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    pub fn taken(&self) -> (usize, usize) {
        (self.0.objects.load(Ordering::Relaxed), self.0.bytes.load(Ordering::Relaxed))
    }
}

/// Bytes taken by one call ahead of what it will keep: calls that come at once can't all have the last of them. What is
/// not settled goes back at drop.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    quota: &'a Quota,
    bytes: Cell<usize>,
}

impl Charge<'_> {
    /// Takes so many bytes more, if they fit.
    pub fn bytes(&self, more: usize) -> Result<(), ObjectError> {
        let most = self.quota.0.bytes_max;
        let grown = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= most);
        if self.quota.0.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok() {
            self.bytes.set(self.bytes.get() + more);
            return Ok(());
        }
        let detail = format!("the objects would hold more than {most} bytes; nothing was done");
        Err(ObjectError::limited(ErrorCode::Overloaded, Limit::Bytes, most, detail))
    }

    /// An object that held `before` bytes holds `now`, whatever was taken for it.
    pub fn settle(&self, before: usize, now: usize) {
        self.quota.settle(before + self.bytes.take(), now);
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.quota.settle(self.bytes.take(), 0);
    }
}

/// Bytes taken until this is dropped.
#[derive(Debug)]
pub(super) struct QuotaReservation {
    quota: Quota,
    bytes: usize,
}

impl Drop for QuotaReservation {
    fn drop(&mut self) {
        self.quota.settle(self.bytes, 0);
    }
}
