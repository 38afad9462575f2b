//! A function over a stream of items: the two ends of it, joined by a window.
//!
//! Items are fed to the pool as long as there is room in the window; a record that the caller took makes room. So
//! memory is bounded both ways, whatever the length.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::Service;
use super::answer::Answer;
use super::refusal::Refusal;
use super::request::{Caller, ItemStream};
use super::submit::{Accepted, JobPlan};
use crate::jobs::{Admission, JobHandle, JobKind, Outcome, Reservation, Work};
use crate::pool::{ByteGauge, Pool, Sink};

/// Items that may be between what was fed and what was taken, at least and at most.
const WINDOW_ITEMS_MIN: usize = 1 << 10;
const WINDOW_ITEMS_MAX: usize = 1 << 20;
/// The window has so many tasks for each worker, where its bounds allow.
const WINDOW_TASKS_PER_WORKER: usize = 4;

/// Why the input ended early: the index of its item, and the error's JSON.
type Broken = Arc<Mutex<Option<(u64, Bytes)>>>;

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

/// The end that records are taken from. Dropped early, it ends the job.
pub struct Records {
    job: Accepted,
    records: mpsc::UnboundedReceiver<(u64, Bytes)>,
    held: Arc<ByteGauge>,
    window: Arc<Semaphore>,
    broken: Broken,
    feeding: AbortHandle,
    /// `None`: as they come.
    order: Option<Order>,
    done: u64,
    failed: u64,
    /// Records for which the window has not been told yet that there is room.
    taken: usize,
    /// The job's end, where it comes after its last record.
    ended: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

/// Records in the order of their items.
#[derive(Debug, Default)]
struct Order {
    /// The index that is next.
    next: u64,
    /// What came ahead of it.
    ahead: BTreeMap<u64, Bytes>,
    /// Either has changed since the pool was told what all wait for.
    has_moved: bool,
}

/// What a stream ends with.
#[derive(Debug)]
pub enum StreamEnd {
    /// All items have their records.
    Whole {
        /// How many.
        done: u64,
        /// Of them, how many without a value.
        failed: u64,
    },
    /// An item could not be read; those before it have their records.
    Broken {
        /// Its index.
        index: u64,
        /// Why: a JSON object.
        error: Bytes,
    },
    /// The job ended before all items had their records.
    Cut,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Records {
    /// Its job.
    pub fn handle(&self) -> &Arc<JobHandle> {
        &self.job.handle
    }

    /// Takes what is ready, with its index, until `write` says that it is enough. Ready when that was so, or with the
    /// end.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(u64, &Bytes) -> bool,
    ) -> Poll<Option<StreamEnd>> {
        let polled = loop {
            let (index, record) = match self.take_due() {
                Some(due) => due,
                None => match self.records.poll_recv(cx) {
                    Poll::Ready(Some((index, record))) => match self.in_turn(index, record) {
                        Some(record) => (index, record),
                        None => continue,
                    },
                    Poll::Ready(None) => break self.poll_ended(cx).map(|()| Some(self.end())),
                    Poll::Pending => break Poll::Pending,
                },
            };
            if !self.deliver(index, &record, &mut write) {
                break Poll::Ready(None);
            }
        };
        self.window.add_permits(std::mem::take(&mut self.taken));
        polled
    }

    /// A record that came ahead of its turn, if that has come. Else the pool is told what all others wait for.
    fn take_due(&mut self) -> Option<(u64, Bytes)> {
        let order = self.order.as_mut().filter(|order| order.has_moved)?;
        if let Some(record) = order.ahead.remove(&order.next) {
            self.held.bring_back(Sink::cost(&record));
            order.next += 1;
            return Some((order.next - 1, record));
        }
        order.has_moved = false;
        if self.held.wait_for((!order.ahead.is_empty()).then_some(order.next)) {
            self.job.pool.wake(&self.job.handle);
        }
        None
    }

    /// A record just received, if it is its turn; else it is kept until then.
    fn in_turn(&mut self, index: u64, record: Bytes) -> Option<Bytes> {
        let Some(order) = &mut self.order else { return Some(record) };
        if index == order.next {
            order.next += 1;
            order.has_moved = !order.ahead.is_empty();
            return Some(record);
        }
        self.held.set_aside(Sink::cost(&record));
        order.ahead.insert(index, record);
        order.has_moved = true;
        None
    }

    fn deliver(&mut self, index: u64, record: &Bytes, write: &mut impl FnMut(u64, &Bytes) -> bool) -> bool {
        self.done += 1;
        self.failed += u64::from(record.starts_with(b"{\"error\""));
        let more = write(index, record);
        self.taken += 1;
        if self.held.sub(Sink::cost(record)) {
            self.job.pool.wake(&self.job.handle);
        }
        more
    }

    /// Nothing more comes: ready once the job's end is kept, and told.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.job.handle.has_ended() {
            return Poll::Ready(());
        }
        let handle = Arc::clone(&self.job.handle);
        let ended = self.ended.get_or_insert_with(|| Box::pin(async move { drop(handle.ended().await) }));
        ended.as_mut().poll(cx)
    }

    fn end(&self) -> StreamEnd {
        if let Some((index, error)) = self.broken.lock().take() {
            return StreamEnd::Broken { index, error };
        }
        match self.job.handle.outcome() {
            Some(Outcome::Value(_)) => StreamEnd::Whole { done: self.done, failed: self.failed },
            Some(Outcome::Failure(_)) | None => StreamEnd::Cut,
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.window.close();
        self.feeding.abort();
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
        Ok(Answer::Records(Box::new(Records {
            job,
            records,
            held,
            window,
            broken,
            feeding,
            order: (kind == JobKind::Imap).then(Order::default),
            done: 0,
            failed: 0,
            taken: 0,
            ended: None,
        })))
    }
}
