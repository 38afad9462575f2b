//! Records as they come: of the items of a stream, and of what a call yields.
//!
//! Whoever takes them makes room for more, at the other end of the stream or in the worker that yields.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::Service;
use super::answer::{Answer, Ended};
use super::refusal::Refusal;
use super::request::{Caller, WantedJob};
use super::stream::Broken;
use super::submit::Accepted;
use crate::jobs::{Failure, JobHandle, Outcome};
use crate::pool::{ByteGauge, Sink};

/// Bytes that a client takes of what a call yields before its worker is told.
const TOLD_BYTES_MIN: usize = 64 << 10;

/// The end that records are taken from. Dropped early, it ends the job.
pub struct Records {
    job: Accepted,
    records: mpsc::UnboundedReceiver<(u64, Bytes)>,
    /// One that was received to see whether there is any.
    first: Option<(u64, Bytes)>,
    held: Arc<ByteGauge>,
    source: Source,
    /// `None`: as they come.
    order: Option<Order>,
    done: u64,
    failed: u64,
    /// The job's end, where it comes after its last record.
    ended: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

/// What the records are of.
enum Source {
    /// Items that are fed.
    Items(Fed),
    /// What a call yields: bytes that its worker has not been told of.
    Yields(usize),
}

/// The feeding of a stream, which ends with this.
pub(super) struct Fed {
    window: Arc<Semaphore>,
    feeding: AbortHandle,
    broken: Broken,
    /// Records for which the window has not been told yet that there is room.
    taken: usize,
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
    /// A call failed once it had yielded so many values.
    Failed {
        /// How many.
        done: u64,
        /// Why, with the index of what would have been next.
        failure: Box<Failure>,
    },
    /// The job ended before all items had their records.
    Cut,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Fed {
    pub fn new(window: Arc<Semaphore>, feeding: AbortHandle, broken: Broken) -> Self {
        Self { window, feeding, broken, taken: 0 }
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        self.window.close();
        self.feeding.abort();
    }
}

impl Records {
    /// Of the items of a stream: in their order, or as they come.
    pub(super) fn of_items(
        job: Accepted,
        records: mpsc::UnboundedReceiver<(u64, Bytes)>,
        held: Arc<ByteGauge>,
        fed: Fed,
        in_order: bool,
    ) -> Self {
        let order = in_order.then(Order::default);
        Self { order, ..Self::new(job, records, held, Source::Items(fed)) }
    }

    fn new(
        job: Accepted,
        records: mpsc::UnboundedReceiver<(u64, Bytes)>,
        held: Arc<ByteGauge>,
        source: Source,
    ) -> Self {
        let (order, first, ended) = (None, None, None);
        Self { job, records, first, held, source, order, done: 0, failed: 0, ended }
    }

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
        self.make_room();
        polled
    }

    /// The one that was received first; one that came ahead of its turn, if that has come. Else the pool is told what
    /// all others wait for.
    fn take_due(&mut self) -> Option<(u64, Bytes)> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
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
        let is_room = self.held.sub(Sink::cost(record));
        match &mut self.source {
            Source::Items(fed) => {
                fed.taken += 1;
                if is_room {
                    self.job.pool.wake(&self.job.handle);
                }
            }
            Source::Yields(taken) => *taken += Sink::cost(record),
        }
        more
    }

    /// What was taken makes room for more.
    fn make_room(&mut self) {
        match &mut self.source {
            Source::Items(fed) => fed.window.add_permits(std::mem::take(&mut fed.taken)),
            Source::Yields(taken) if *taken >= TOLD_BYTES_MIN => {
                self.job.pool.taken(&self.job.handle, std::mem::take(taken));
            }
            Source::Yields(_) => {}
        }
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
        let done = self.done;
        match (&self.source, self.job.handle.outcome()) {
            (Source::Items(fed), outcome) => {
                if let Some((index, error)) = fed.broken.lock().take() {
                    return StreamEnd::Broken { index, error };
                }
                match outcome {
                    Some(Outcome::Value(_)) => StreamEnd::Whole { done, failed: self.failed },
                    Some(Outcome::Failure(_)) | None => StreamEnd::Cut,
                }
            }
            (Source::Yields(_), Some(Outcome::Value(_))) => StreamEnd::Whole { done, failed: 0 },
            (Source::Yields(_), Some(Outcome::Failure(failure))) => {
                let failure = Failure { index: Some(done), ..Failure::clone(&failure) };
                StreamEnd::Failed { done, failure: Box::new(failure) }
            }
            (Source::Yields(_), None) => StreamEnd::Cut,
        }
    }
}

impl Service {
    /// Runs a call whose client takes what it yields as it comes. One that fails before it yields anything is answered
    /// as any call.
    pub(super) async fn run_yielding(&self, caller: &Caller, wanted: WantedJob) -> Result<Answer, Refusal> {
        let function = self.parts_for_work()?.function(&wanted.function)?;
        let (sender, mut records) = mpsc::unbounded_channel();
        let held = ByteGauge::of_records(self.answers.clone());
        let sink = Sink { records: sender, fed: ByteGauge::of_items(None), held: Arc::clone(&held) };
        let plan = self.plan(wanted, function, false, Some(Box::new(sink)))?;
        let job = self.accept(caller, plan).await?.into_new()?;
        let first = records.recv().await;
        if first.is_none() {
            let outcome = job.handle.ended().await;
            if let Outcome::Failure(_) = outcome {
                return Ok(Answer::Ended(Ended { handle: Arc::clone(&job.handle), outcome }));
            }
        }
        let records = Records { first, ..Records::new(job, records, held, Source::Yields(0)) };
        Ok(Answer::Records(Box::new(records)))
    }
}
