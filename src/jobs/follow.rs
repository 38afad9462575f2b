//! A job as whoever follows it sees it: moments, compared with what was told before. Nothing is queued for a
//! follower; the handle holds all that there is to tell.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::futures::Notified;

use super::handle::JobHandle;
use super::state::JobState;

/// A job at one moment, with what its tasks printed from some byte on.
#[derive(Debug, Clone)]
pub struct Moment {
    /// How far it is; of what is done, those of running chunks that were last looked at included.
    pub state: JobState,
    /// Output from the byte asked for on; not more than asked for.
    pub log: Vec<u8>,
    /// Bytes of output that are kept.
    pub log_bytes: usize,
    /// Whether more was dropped.
    pub log_cut: bool,
}

/// A job that somebody follows; without one, nothing but a job's end wakes anybody.
#[derive(Debug)]
pub struct Following(Arc<JobHandle>);

impl Following {
    /// Follows a job until dropped.
    pub fn new(handle: Arc<JobHandle>) -> Self {
        handle.followers.fetch_add(1, Ordering::Relaxed);
        Self(handle)
    }
}

impl Deref for Following {
    type Target = Arc<JobHandle>;

    fn deref(&self) -> &Arc<JobHandle> {
        &self.0
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl JobHandle {
    /// The next change of state or output; to be enabled before the moment is looked at. Without a
    /// [`Following`], its end alone.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// All of it at this moment, with at most so many bytes of output from `log_from` on.
    pub fn moment(&self, log_from: usize, log_bytes_max: usize) -> Moment {
        let live = self.live.lock();
        let rest = live.output.bytes().get(log_from..).unwrap_or_default();
        Moment {
            state: live.shown(),
            log: rest[..rest.len().min(log_bytes_max)].to_vec(),
            log_bytes: live.output.bytes().len(),
            log_cut: live.output.is_cut(),
        }
    }

    /// Whether the caller is to look at the running chunks: the last look was so long ago. One caller is told
    /// so, however many ask.
    pub fn claim_look(&self, period: Duration) -> bool {
        let now = Instant::now();
        let mut live = self.live.lock();
        let due = live.looked_at.is_none_or(|at| now.duration_since(at) >= period);
        if due {
            live.looked_at = Some(now);
        }
        due
    }

    /// Somebody looked: so many items are done, those of running chunks included.
    pub fn saw(&self, done: u64) {
        self.live.lock().seen_done = done;
    }
}
