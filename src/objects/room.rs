//! How much all objects may take: by count and by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::error::{ErrorCode, ObjectError};

/// The bounds of the objects.
#[derive(Debug, Clone)]
pub struct ObjectLimits {
    /// Objects of all kinds (503 `overloaded`, `--objects`).
    pub objects_max: usize,
    /// Bytes that they hold, in all, with what each item and waiter costs (503 `overloaded`, `--object-bytes`).
    pub bytes_max: usize,
    /// Nesting of arrays and objects in arguments.
    pub depth_max: usize,
    /// Largest duration that a call over HTTP may name.
    pub timeout_max: Duration,
}

/// Counted for an object besides its content.
pub(super) const OBJECT_BYTES: usize = 512;
/// Counted for each item of a container besides its text.
pub(super) const ITEM_BYTES: usize = 96;
/// Counted for each call that waits.
pub(super) const WAITER_BYTES: usize = 512;

/// What is taken of the room.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    objects: AtomicUsize,
    bytes: AtomicUsize,
    objects_max: usize,
    bytes_max: usize,
}

impl Room {
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
        let most = self.0.objects_max;
        if self.0.objects.load(Ordering::Relaxed) < most {
            return Ok(());
        }
        let detail = format!("there are {most} objects, the most allowed (--objects); delete some");
        Err(overloaded(detail, most, "--objects"))
    }

    /// Whether so many bytes more fit.
    pub fn bytes(&self, more: usize) -> Result<(), ObjectError> {
        let most = self.0.bytes_max;
        if self.0.bytes.load(Ordering::Relaxed).saturating_add(more) <= most {
            return Ok(());
        }
        let detail =
            format!("the objects would hold more than {most} bytes (--object-bytes); nothing was done");
        Err(overloaded(detail, most, "--object-bytes"))
    }

    /// An object has come.
    pub fn enter(&self) {
        self.0.objects.fetch_add(1, Ordering::Relaxed);
    }

    /// An object has gone.
    pub fn leave(&self, bytes: usize) {
        self.0.objects.fetch_sub(1, Ordering::Relaxed);
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// An object that held `before` bytes holds `now`.
    pub fn settle(&self, before: usize, now: usize) {
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

fn overloaded(detail: String, limit: usize, knob: &'static str) -> ObjectError {
    ObjectError { limit: Some((limit, knob)), ..ObjectError::new(ErrorCode::Overloaded, detail) }
}
