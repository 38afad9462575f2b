//! What the server holds of answers that nobody has taken yet (`--answer-bytes`), over all pools and callers.
//!
//! Two totals make it up. *Gathered* is what running jobs hold: the values of their tasks that have ended, and what
//! they printed. *Untaken* is what waits for a client: outcomes, the records of streams, whatever is being written.
//! Bytes that several answers share count once.
//!
//! Past the limit no new work is accepted, and pools hold back what they have ([`Room`]). Nothing hangs by that:
//! - What is untaken, its client takes, or the client is left (`--write-stall`). A stream's client that waits for an
//!   item gets that item, however full it is.
//! - What is gathered, only its job's end frees. As soon as little is untaken, each pool goes on with one job, the
//!   first of those that have gathered something: it ends, and its value waits for its client like any other.
//!
//! So the limit is exceeded by what was with workers when it was reached, and by the rest of one job's values a pool.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;

use super::admission::Overloaded;

/// Answers below this size, in bytes, are part of what a connection costs.
pub const COUNTED_BYTES_MIN: usize = 4 << 10;
/// As long as less than this part of the limit is untaken, a pool goes on with one job.
const UNTAKEN_PART: usize = 8;

/// The two totals and their limit. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct AnswerBytes(Arc<Totals>);

#[derive(Debug)]
struct Totals {
    max: usize,
    gathered: AtomicUsize,
    untaken: AtomicUsize,
    /// Pools that hold something back, by name.
    waiting: Mutex<Vec<(Arc<str>, Waker)>>,
    /// Whether there are such.
    is_awaited: AtomicBool,
    /// What is being written, by address and length, and in how many answers.
    written: Mutex<HashMap<(usize, usize), usize>>,
}

/// What may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Everything.
    Free,
    /// The tasks of one job at a time.
    Narrow,
    /// Only what a client waits for.
    Full,
}

/// Which total bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// That of running jobs.
    Gathered,
    /// That of clients.
    Untaken,
}

/// Bytes that are held; given back at drop.
#[derive(Debug)]
pub struct HeldBytes {
    answers: AnswerBytes,
    share: Share,
    bytes: usize,
}

/// A piece of an answer that is being written; given back at drop, with the last of its kind.
#[derive(Debug)]
pub struct Writing {
    answers: AnswerBytes,
    at: (usize, usize),
}

/// Bytes that count as long as anybody has them.
struct Counted {
    bytes: Bytes,
    _writing: Writing,
}

impl AnswerBytes {
    /// At most so many, about.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Totals {
            max,
            gathered: AtomicUsize::new(0),
            untaken: AtomicUsize::new(0),
            waiting: Mutex::default(),
            is_awaited: AtomicBool::new(false),
            written: Mutex::default(),
        }))
    }

    /// Bytes that are held.
    pub fn total(&self) -> usize {
        self.0.gathered.load(Ordering::Relaxed).saturating_add(self.0.untaken.load(Ordering::Relaxed))
    }

    /// What may be handed out at this moment.
    pub fn room(&self) -> Room {
        if self.total() < self.0.max {
            Room::Free
        } else if self.0.untaken.load(Ordering::Relaxed) <= self.0.max / UNTAKEN_PART {
            Room::Narrow
        } else {
            Room::Full
        }
    }

    /// Whether new work is accepted at this moment.
    ///
    /// # Errors
    /// So much is held that none is.
    pub fn admit(&self) -> Result<(), Overloaded> {
        if self.room() == Room::Free { Ok(()) } else { Err(Overloaded::Answers(self.0.max)) }
    }

    /// So many bytes are held from now on.
    pub fn hold(&self, share: Share, bytes: usize) -> HeldBytes {
        self.add(share, bytes);
        HeldBytes { answers: self.clone(), share, bytes }
    }

    /// More of a share.
    pub fn add(&self, share: Share, bytes: usize) {
        self.0.total_of(share).fetch_add(bytes, Ordering::Relaxed);
    }

    /// Less of it: pools that wait for that are woken.
    pub fn sub(&self, share: Share, bytes: usize) {
        self.0.total_of(share).fetch_sub(bytes, Ordering::Relaxed);
        if self.0.is_awaited.load(Ordering::SeqCst) && self.room() != Room::Full {
            self.0.is_awaited.store(false, Ordering::SeqCst);
            let woken = std::mem::take(&mut *self.0.waiting.lock());
            woken.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }

    /// Registers a pool that holds something back: it is woken once, when less is held.
    pub fn wait(&self, pool: &Arc<str>, waker: &Waker) {
        let mut waiting = self.0.waiting.lock();
        // A pool that was deleted and made again has the name of the old one and another waker.
        if !waiting.iter().any(|(name, known)| name == pool && known.will_wake(waker)) {
            waiting.push((Arc::clone(pool), waker.clone()));
        }
        self.0.is_awaited.store(true, Ordering::SeqCst);
        drop(waiting);
        if self.room() == Room::Free {
            waker.wake_by_ref();
        }
    }

    /// A piece of an answer is about to be written; `None`: it is so small that it doesn't count.
    pub fn write(&self, piece: &Bytes) -> Option<Writing> {
        if piece.len() < COUNTED_BYTES_MIN {
            return None;
        }
        let at = (piece.as_ptr() as usize, piece.len());
        let mut written = self.0.written.lock();
        let answers = written.entry(at).or_default();
        *answers += 1;
        if *answers == 1 {
            self.add(Share::Untaken, at.1);
        }
        Some(Writing { answers: self.clone(), at })
    }

    /// The same bytes; they count until nobody has them any more.
    pub fn counted(&self, piece: Bytes) -> Bytes {
        match self.write(&piece) {
            Some(writing) => Bytes::from_owner(Counted { bytes: piece, _writing: writing }),
            None => piece,
        }
    }
}

impl Totals {
    fn total_of(&self, share: Share) -> &AtomicUsize {
        match share {
            Share::Gathered => &self.gathered,
            Share::Untaken => &self.untaken,
        }
    }
}

impl HeldBytes {
    /// So many from now on.
    pub fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.answers.add(self.share, bytes - before);
        } else if bytes < before {
            self.answers.sub(self.share, before - bytes);
        }
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.answers.sub(self.share, self.bytes);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut written = self.answers.0.written.lock();
        let Some(answers) = written.get_mut(&self.at) else { return };
        *answers -= 1;
        if *answers == 0 {
            written.remove(&self.at);
            drop(written);
            self.answers.sub(Share::Untaken, self.at.1);
        }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_leave_fills_it_and_what_jobs_gather_leaves_it_narrow() {
        let answers = AnswerBytes::new(80);
        let mut gathered = answers.hold(Share::Gathered, 70);
        assert_eq!((answers.room(), answers.admit()), (Room::Free, Ok(())));
        let untaken = answers.hold(Share::Untaken, 10);
        assert_eq!((answers.room(), answers.admit()), (Room::Narrow, Err(Overloaded::Answers(80))));
        let more = answers.hold(Share::Untaken, 1);
        assert_eq!(answers.room(), Room::Full);
        drop((untaken, more));
        assert_eq!((answers.room(), answers.total()), (Room::Free, 70));
        gathered.set(90);
        assert_eq!(answers.room(), Room::Narrow);
        gathered.set(1);
        drop(gathered);
        assert_eq!(answers.total(), 0);
    }

    #[test]
    fn shared_bytes_count_once_and_as_long_as_anybody_has_them() {
        let answers = AnswerBytes::new(1 << 20);
        let value = Bytes::from(vec![b'1'; 10_000]);
        let (first, second) = (answers.counted(value.clone()), answers.counted(value.clone()));
        assert_eq!((answers.total(), first == value), (10_000, true));
        let slice = first.slice(9_999..);
        drop((first, second));
        assert_eq!(answers.total(), 10_000);
        drop(slice);
        assert_eq!(answers.total(), 0);
        let small = answers.counted(value.slice(..COUNTED_BYTES_MIN - 1));
        assert_eq!((answers.total(), small.as_ptr()), (0, value.as_ptr()));
    }
}
