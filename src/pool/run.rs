//! A job while it runs: its work cut into tasks, its answers put together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::function::Function;
use super::gather::Gather;
use super::queue::Place;
use super::sequence::Sequences;
use super::task::{Submission, Task, Work};
use crate::jobs::{Failure, FailureCode, Outcome, Permit, Record, Value};
use crate::json::Splitter;
use crate::transport::{Kind, LIST_SEPARATOR};

enum Source {
    Call(Option<(Bytes, Option<Bytes>)>, bool),
    Map { items: Splitter, chunksize: usize, kind: Kind },
    Feed { chunks: VecDeque<(Bytes, usize)>, ended: bool, kind: Kind },
}

/// A job while it runs.
pub(super) struct Run {
    pub record: Arc<Record>,
    function: Arc<Function>,
    source: Source,
    returned: VecDeque<Task>,
    next_chunk: usize,
    next_item: u64,
    exhausted: bool,
    lost_work: bool,
    /// Somebody cancelled it: nothing of it is handed out any more.
    cancelled: bool,
    /// A task of it ended without a value and is run again: it will have started, whatever comes back unread.
    ran_in_vain: bool,
    /// It stood apart and is to be first when it does so again.
    pub was_apart: bool,
    /// It stands apart now.
    pub is_apart: bool,
    /// Tasks in flight, or waiting to be run again.
    open: usize,
    gather: Gather,
    failure: Option<Box<Failure>>,
    _permit: Permit,
}

impl Run {
    pub fn new(submission: Submission) -> Self {
        let Submission { record, function, work, permit } = submission;
        let exhausted = record.new.total == 0 && !matches!(work, Work::Feed { .. });
        let (source, gather) = match work {
            Work::Call { arguments, keywords, typed } => {
                (Source::Call(Some((arguments, keywords)), typed), Gather::one())
            }
            Work::Map { items, chunksize, spread, collect } => {
                let kind = match (spread, collect) {
                    (false, false) => Kind::Map,
                    (true, false) => Kind::Starmap,
                    (false, true) => Kind::MapEach,
                    (true, true) => Kind::StarmapEach,
                };
                let source = Source::Map { items: Splitter::new(items), chunksize: chunksize.max(1), kind };
                (source, if collect { Gather::collect() } else { Gather::all() })
            }
            Work::Feed { spread, sink } => {
                let kind = if spread { Kind::StarmapEach } else { Kind::MapEach };
                (Source::Feed { chunks: VecDeque::new(), ended: false, kind }, Gather::stream(sink))
            }
        };
        Self {
            record,
            function,
            source,
            returned: VecDeque::new(),
            next_chunk: 0,
            next_item: 0,
            exhausted,
            lost_work: false,
            cancelled: false,
            ran_in_vain: false,
            was_apart: false,
            is_apart: false,
            open: 0,
            gather,
            failure: None,
            _permit: permit,
        }
    }

    /// More items of a stream; `None` is its end.
    pub fn feed(&mut self, more: Option<(Bytes, usize)>) {
        let Source::Feed { chunks, ended, .. } = &mut self.source else { return };
        match more {
            Some((chunk, count)) => {
                self.record.expect(count as u64);
                chunks.push_back((chunk, count));
            }
            None => *ended = true,
        }
        self.exhausted = *ended && chunks.is_empty();
    }

    /// The next task to hand out; it counts as in flight from now on.
    pub fn next_task(&mut self, sequences: &mut Sequences) -> Option<Task> {
        if self.cancelled {
            return None;
        }
        let mut task = if self.gather.is_full() {
            self.awaited_task()?
        } else {
            self.returned.pop_front().or_else(|| self.cut())?
        };
        task.sequence = sequences.next();
        self.open += 1;
        Some(task)
    }

    /// While the client takes no more it is for want of one item at most, which may have come back. Nothing else
    /// goes out: what a retry or a death sent back may be a whole window of large values.
    fn awaited_task(&mut self) -> Option<Task> {
        let item = self.gather.awaited()?;
        let at = self.returned.iter().position(|task| task.has_item(item))?;
        self.returned.remove(at)
    }

    fn cut(&mut self) -> Option<Task> {
        if self.exhausted {
            return None;
        }
        let (kind, payload, items) = match &mut self.source {
            Source::Call(call, typed) => {
                self.exhausted = true;
                let (arguments, keywords) = call.take()?;
                let text = |text: &'static str| Bytes::from_static(text.as_bytes());
                let both = |keywords| vec![text("["), arguments.clone(), text(","), keywords, text("]")];
                match keywords {
                    keywords if *typed => (Kind::CallTyped, both(keywords.unwrap_or(text("{}"))), 1),
                    None => (Kind::Call, vec![arguments], 1),
                    Some(keywords) => (Kind::CallKeywords, both(keywords), 1),
                }
            }
            Source::Map { items, chunksize, kind } => {
                let whole = matches!(kind, Kind::MapEach | Kind::StarmapEach);
                let list_max = if whole { *chunksize } else { LIST_ITEMS_MAX };
                let (payload, count) = lists(items, *chunksize, list_max);
                if count == 0 {
                    self.exhausted = true;
                    return None;
                }
                (*kind, payload, count as u64)
            }
            Source::Feed { chunks, ended, kind } => {
                let (chunk, count) = chunks.pop_front()?;
                self.exhausted = *ended && chunks.is_empty();
                (*kind, listed(chunk), count as u64)
            }
        };
        let task = Task {
            sequence: 0,
            job: self.record.number,
            record: Arc::clone(&self.record),
            function: Arc::clone(&self.function),
            kind,
            payload_bytes: payload.iter().map(Bytes::len).sum(),
            payload,
            chunk: self.next_chunk,
            first_item: self.next_item,
            items,
            deliveries: 0,
            retries: 0,
            told: 0,
            walk: None,
            slot: None,
        };
        self.next_chunk += 1;
        self.next_item += items;
        if matches!(self.source, Source::Map { .. }) && self.next_item >= self.record.new.total {
            self.exhausted = true;
        }
        Some(task)
    }

    /// The pause before a task that ended so is run again; `None` if it isn't.
    pub fn retry_after(&self, task: &Task, code: FailureCode) -> Option<Duration> {
        let again = !self.cancelled && self.failure.is_none();
        again.then(|| self.record.new.terms.retry_after(code, task.retries + 1)).flatten()
    }

    /// A task that ended without a value waits for another attempt; it counts as in flight meanwhile.
    pub fn wait_again(&mut self, task: &mut Task) {
        self.ran_in_vain = true;
        task.retries += 1;
        task.slot = None;
        debug_assert!(self.open > 0, "it was in flight");
    }

    /// A part of a task that waits for another attempt is one more that does.
    pub fn open_more(&mut self, task: &Task) {
        self.open += 1;
        self.gather.hold(task.list_bytes());
    }

    /// A task goes on as another of less bytes.
    pub fn shrink(&mut self, from: &Task, to: &Task) {
        self.gather.release(from.list_bytes() - to.list_bytes());
    }

    /// A task came back: it wasn't read, or is to be run again.
    pub fn give_back(&mut self, mut task: Task) {
        task.slot = None;
        self.open -= 1;
        self.returned.push_front(task);
        let never_ran = self.gather.is_untouched() && self.failure.is_none() && !self.ran_in_vain;
        if self.open == 0 && never_ran {
            self.record.unstart();
        }
    }

    /// Where it stands in the queue.
    pub fn place(&self) -> Place {
        let terms = &self.record.new.terms;
        Place { priority: terms.priority, key: terms.key.clone() }
    }

    /// What it calls.
    pub fn function(&self) -> &Arc<Function> {
        &self.function
    }

    /// Whether any task of it was at the head of a flight.
    pub fn has_started(&self) -> bool {
        self.record.has_started()
    }

    /// Nothing more of it is handed out, and nothing is run again. So many of its tasks waited to be.
    pub fn cancel(&mut self, in_pause: usize) {
        self.cancelled = true;
        self.open -= in_pause;
        self.lost_work |= in_pause > 0 || self.has_waiting();
        self.returned.clear();
        self.exhausted = true;
    }

    /// Whether work of it was dropped, so that it can have no value any more.
    pub fn has_lost_work(&self) -> bool {
        self.lost_work
    }

    /// Whether some of it waits to be handed out.
    pub fn has_waiting(&self) -> bool {
        !self.returned.is_empty() || !self.exhausted
    }

    /// A task brought its value.
    pub fn succeed(&mut self, task: &Task, value: &Bytes, result_bytes_max: usize) {
        self.open -= 1;
        self.record.advance(task.items);
        let kept = self.gather.take(task, value);
        self.check_size(kept, result_bytes_max);
    }

    /// An item's record came.
    pub fn record_value(&mut self, index: u64, record: Bytes, result_bytes_max: usize) {
        self.record.advance(1);
        let kept = self.gather.put(index, record);
        self.check_size(kept, result_bytes_max);
    }

    /// An item ended without a value.
    pub fn record_failure(&mut self, failure: &Failure, result_bytes_max: usize) {
        self.record.advance(1);
        let kept = self.gather.put_failure(failure);
        self.check_size(kept, result_bytes_max);
    }

    /// All that is kept of a job is one value, failures and all.
    fn check_size(&mut self, kept: usize, result_bytes_max: usize) {
        if kept > result_bytes_max + self.next_chunk {
            let detail =
                format!("the values together are larger than {result_bytes_max} bytes (--result-limit)");
            let mut failure = Failure::new(FailureCode::ResultTooLarge, detail);
            failure.limit = Some(result_bytes_max);
            self.lose(failure);
        }
    }

    /// As multiprocessing.Pool.map: the first failure to arrive is kept and loses all values, the other chunks still
    /// run.
    fn lose(&mut self, failure: Failure) {
        self.failure.get_or_insert(Box::new(failure));
        self.gather.forget();
    }

    /// All items of a task have their records.
    pub fn close_task(&mut self, task: &Task) {
        self.open -= 1;
        self.gather.release(task.list_bytes());
    }

    /// A task ended without a value.
    pub fn fail(&mut self, task: &Task, failure: Failure) {
        self.open -= 1;
        self.lose(failure);
        debug_assert_eq!(task.job, self.record.number);
    }

    /// Its outcome, once nothing is in flight or waiting.
    pub fn outcome(&mut self) -> Option<Outcome> {
        if self.open > 0 || self.has_waiting() {
            return None;
        }
        // What failed was cut short: it might have been run again.
        if self.lost_work || (self.cancelled && self.failure.is_some()) {
            let failure = Failure::new(FailureCode::Cancelled, "the job was cancelled");
            return Some(Outcome::Failure(Box::new(failure)));
        }
        if let Some(failure) = self.failure.take() {
            return Some(Outcome::Failure(failure));
        }
        Some(Outcome::Value(Value { pieces: self.gather.finish() }))
    }
}

/// Items of a MAP in one list at most: what a worker makes of them at once fits its processor's cache.
const LIST_ITEMS_MAX: usize = 4_096;

/// The payload of a task over the next `n` elements, in lists of at most `list_max`, and how many they are.
fn lists(items: &mut Splitter, n: usize, list_max: usize) -> (Vec<Bytes>, usize) {
    let (mut payload, mut total) = (Vec::new(), 0);
    while total < n
        && let Some((chunk, count)) = items.next_chunk(list_max.min(n - total))
    {
        payload.push(Bytes::from_static(if total == 0 { b"[" } else { BETWEEN_LISTS }));
        payload.push(chunk);
        total += count;
    }
    payload.push(Bytes::from_static(b"]"));
    (payload, total)
}

/// The end of one list, [`LIST_SEPARATOR`] and the start of the next.
const BETWEEN_LISTS: &[u8] = &[b']', LIST_SEPARATOR, b'['];

/// The payload of a task over these elements.
fn listed(chunk: Bytes) -> Vec<Bytes> {
    vec![Bytes::from_static(b"["), chunk, Bytes::from_static(b"]")]
}
