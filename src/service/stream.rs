//! A function over a stream of items: the two ends of it, joined by a window.
//!
//! Items are fed to the pool as long as there is room in the window; a record that the caller took makes room. So
//! memory is bounded both ways, whatever the length.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};

use super::Service;
use super::answer::Answer;
use super::records::{Fed, Records};
use super::refusal::Refusal;
use super::request::{Caller, ItemStream};
use super::submit::JobPlan;
use crate::jobs::{Admission, JobHandle, JobKind, Reservation, Work};
use crate::pool::{ByteGauge, Pool, Sink};

/// Items that may be between what was fed and what was taken, at least and at most.
const WINDOW_ITEMS_MIN: usize = 1 << 10;
const WINDOW_ITEMS_MAX: usize = 1 << 20;
/// The window has so many tasks for each worker, where its bounds allow.
const WINDOW_TASKS_PER_WORKER: usize = 4;

/// Why the input ended early: the index of its item, and the error's JSON.
pub(super) type Broken = Arc<Mutex<Option<(u64, Bytes)>>>;

/// The end that items are fed to.
#[derive(Debug)]
pub struct Feeder {
    pool: Pool,
    handle: Arc<JobHandle>,
    window: Arc<Semaphore>,
    /// Bytes of items that were fed and have no record yet.
    fed: Arc<ByteGauge>,
    broken: Broken,
    admission: Admission,
    chunksize: usize,
}

impl Feeder {
    /// Items a task.
    pub fn chunksize(&self) -> usize {
        self.chunksize
    }

    /// Room for bytes of items that can't be fed yet; they count as queued.
    pub fn reserve(&self) -> Reservation {
        self.admission.reserve()
    }

    /// Feeds so many items, elements of a JSON array with commas between, once there is room for them; `false` when
    /// nobody takes records any more.
    pub async fn feed(&self, items: Bytes, count: usize) -> bool {
        if !self.room(count).await {
            return false;
        }
        self.fed.add(items.len());
        self.pool.feed(&self.handle, Some((items, count)));
        true
    }

    /// The same with items whose bytes count as read until they are fed.
    pub async fn feed_read(&self, items: Bytes, count: usize, room: &mut Reservation) -> bool {
        if !self.room(count).await {
            return false;
        }
        let left = room.bytes().saturating_sub(items.len());
        self.fed.add(items.len());
        room.shrink_to(left);
        self.pool.feed(&self.handle, Some((items, count)));
        true
    }

    async fn room(&self, count: usize) -> bool {
        let Ok(permits) = self.window.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await else {
            return false;
        };
        // Given back by the records, one by one.
        permits.forget();
        self.fed.room().await;
        true
    }

    /// There are no more items.
    pub fn end(self) {
        self.pool.feed(&self.handle, None);
    }

    /// The item of this index can't be read: the input ends, and after the records of the items before it comes this
    /// error, a JSON object.
    pub fn break_off(self, index: u64, error: Bytes) {
        *self.broken.lock() = Some((index, error));
        self.end();
    }
}

impl Service {
    /// Starts the job and its feeder; whoever takes the records does the rest.
    pub(super) async fn stream(
        self: &Arc<Self>,
        caller: &Caller,
        stream: ItemStream,
    ) -> Result<Answer, Refusal> {
        let ItemStream { function, kind, chunksize, terms, room, is_whole, feed } = stream;
        let parts = self.parts_for_work()?;
        if !is_whole {
            self.admission.has_room()?;
        }
        let function = parts.function(&function)?;
        let pool = parts.pool_for(&function, terms.pool.as_deref())?;
        let (sender, records) = mpsc::unbounded_channel();
        let fed = ByteGauge::of_items((!is_whole).then(|| self.admission.clone()));
        let held = ByteGauge::of_records(self.answers.clone());
        let sink = Sink { records: sender, fed: Arc::clone(&fed), held: Arc::clone(&held) };
        let plan = JobPlan {
            kind,
            function,
            pool: pool.clone(),
            total: 0,
            chunksize: Some(chunksize),
            retained: false,
            work: Work::Stream,
            sink: Some(Box::new(sink)),
            terms,
            room,
            key: None,
        };
        let job = self.accept(caller, plan).await?.into_new()?;

        let items = chunksize.saturating_mul(pool.processes() * WINDOW_TASKS_PER_WORKER);
        let items = items.clamp(WINDOW_ITEMS_MIN, WINDOW_ITEMS_MAX).max(chunksize);
        let window = Arc::new(Semaphore::new(items));
        let broken = Broken::default();
        let feeder = Feeder {
            pool: pool.clone(),
            handle: Arc::clone(&job.handle),
            window: Arc::clone(&window),
            fed,
            broken: Arc::clone(&broken),
            admission: self.admission.clone(),
            chunksize,
        };
        let feeding = tokio::spawn(feed(feeder)).abort_handle();
        let fed = Fed::new(window, feeding, broken);
        let records = Records::of_items(job, records, held, fed, kind == JobKind::Imap);
        Ok(Answer::Records(Box::new(records)))
    }
}
