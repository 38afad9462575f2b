//! A job while it runs: its work cut into tasks, its answers put together.

mod refused;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::callable::Callable;
use super::queue::Place;
use super::results::ResultBuffer;
use super::task::{Cursor, Submission, Task};
use crate::jobs::{AnswerBytes, Failure, FailureCode, JobHandle, JobKind, Outcome, Permit, Value, Work};
use crate::json::Splitter;
use crate::transport::{Kind, LIST_SEPARATOR};

/// What its tasks are cut from.
#[derive(Debug)]
enum Input {
    Call { call: Option<(Bytes, Option<Bytes>)>, kind: Kind },
    Map { items: Splitter, chunksize: usize, kind: Kind },
    Feed { chunks: VecDeque<(Bytes, usize)>, ended: bool, kind: Kind },
}

/// A job from its submission to its end.
#[derive(Debug)]
pub(super) struct ActiveJob {
    pub handle: Arc<JobHandle>,
    function: Arc<Callable>,
    input: Input,
    /// Its tags as its tasks bear them.
    tags: Bytes,
    /// Tasks that came back, or are to be run again.
    returned: VecDeque<Task>,
    /// Tasks that failed as a whole, while each of their items is told so; they count as in flight.
    refused: VecDeque<(Task, Failure)>,
    next_chunk: usize,
    next_item: u64,
    exhausted: bool,
    /// Some of its work was dropped: it can have no value any more.
    lost_work: bool,
    /// It was cancelled: nothing of it is handed out any more.
    cancelled: bool,
    /// Its client has left.
    abandoned: bool,
    /// A task of it was at the head of a flight.
    started: bool,
    /// A task of it failed and was queued again: the job has started, whatever comes back unread.
    has_retried: bool,
    /// It was parked before and goes to the front when it is parked again.
    pub was_parked: bool,
    pub is_parked: bool,
    /// It stands among those that have items to be told of a failure.
    pub is_refusing: bool,
    /// Tasks in flight, or waiting for their retry.
    open: usize,
    results: ResultBuffer,
    failure: Option<Arc<Failure>>,
    /// Its share of the admission limits, until its end.
    _permit: Permit,
}

impl ActiveJob {
    pub fn new(submission: Submission, answers: &AnswerBytes) -> Self {
        let Submission { handle, function, work, sink, permit } = submission;
        let exhausted = handle.total == 0 && !matches!(work, Work::Stream);
        let is_starmap = handle.kind == JobKind::Starmap;
        let (input, results) = match work {
            Work::Call { arguments, keywords, typed, yielding } => {
                let kind = match (typed, yielding) {
                    (false, false) if keywords.is_none() => Kind::Call,
                    (false, false) => Kind::CallKeywords,
                    (true, false) => Kind::CallTyped,
                    (false, true) => Kind::CallYielding,
                    (true, true) => Kind::CallTypedYielding,
                };
                let results = if yielding { ResultBuffer::yielded(sink) } else { ResultBuffer::one() };
                (Input::Call { call: Some((arguments, keywords)), kind }, results)
            }
            Work::Map { items, typed, collect } => {
                let kind = match (typed, is_starmap, collect) {
                    (true, _, false) => Kind::MapTyped,
                    (true, _, true) => Kind::MapTypedItems,
                    (false, false, false) => Kind::Map,
                    (false, true, false) => Kind::Starmap,
                    (false, false, true) => Kind::MapItems,
                    (false, true, true) => Kind::StarmapItems,
                };
                let chunksize = handle.chunksize.and_then(|items| usize::try_from(items).ok());
                let input = Input::Map { items, chunksize: chunksize.unwrap_or(1).max(1), kind };
                (input, if collect { ResultBuffer::collect(answers) } else { ResultBuffer::all(answers) })
            }
            Work::Stream => {
                let input = Input::Feed { chunks: VecDeque::new(), ended: false, kind: Kind::MapItems };
                (input, ResultBuffer::stream(sink))
            }
        };
        let tags = tags_of(&handle);
        Self {
            handle,
            function,
            input,
            tags,
            returned: VecDeque::new(),
            refused: VecDeque::new(),
            next_chunk: 0,
            next_item: 0,
            exhausted,
            lost_work: false,
            cancelled: false,
            abandoned: false,
            started: false,
            has_retried: false,
            was_parked: false,
            is_parked: false,
            is_refusing: false,
            open: 0,
            results,
            failure: None,
            _permit: permit,
        }
    }

    /// More items of a stream; `None` is its end.
    pub fn feed(&mut self, more: Option<(Bytes, usize)>) {
        if self.cancelled {
            self.lost_work = true;
            return;
        }
        let Input::Feed { chunks, ended, .. } = &mut self.input else { return };
        match more {
            Some(chunk) => chunks.push_back(chunk),
            None => *ended = true,
        }
        self.exhausted = *ended && chunks.is_empty();
    }

    /// The next task to hand out; it counts as in flight from now on.
    pub fn next_task(&mut self) -> Option<Task> {
        if self.cancelled || self.has_backlog() {
            return None;
        }
        let task = if self.results.is_over_limit() {
            self.awaited_task()?
        } else {
            self.returned.pop_front().or_else(|| self.cut())?
        };
        self.open += 1;
        Some(task)
    }

    /// Of a stream whose client reads too slowly, the task with the one item that the client may be waiting for.
    /// Nothing else is handed out: what came back may be a whole window of large values.
    fn awaited_task(&mut self) -> Option<Task> {
        let at = self.awaited_at()?;
        self.returned.remove(at)
    }

    /// The task that the client of a stream waits for, if it is here: handed out whatever is held back.
    pub fn next_awaited(&mut self) -> Option<Task> {
        let task = if self.cancelled { None } else { self.awaited_task() }?;
        self.open += 1;
        Some(task)
    }

    /// Whether there is such a task.
    pub fn has_awaited(&self) -> bool {
        !self.cancelled && self.awaited_at().is_some()
    }

    /// Whether it is over a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.input, Input::Feed { .. })
    }

    /// Whether values of its tasks are held that only its end frees.
    pub fn is_gathering(&self) -> bool {
        self.results.is_gathering()
    }

    fn awaited_at(&self) -> Option<usize> {
        let item = self.results.awaited()?;
        self.returned.iter().position(|task| task.has_item(item))
    }

    fn cut(&mut self) -> Option<Task> {
        if self.exhausted {
            return None;
        }
        let mut cursor = None;
        let (kind, payload, items) = match &mut self.input {
            Input::Call { call, kind } => {
                self.exhausted = true;
                let (arguments, keywords) = call.take()?;
                (*kind, call_payload(*kind, arguments, keywords), 1)
            }
            Input::Map { items, chunksize, kind } => {
                let is_per_item = kind.is_per_item();
                cursor = (is_per_item && items.is_indexed()).then(|| Cursor::at(items.clone()));
                let (payload, count) = if is_per_item {
                    items.next_chunk(*chunksize).map_or_else(Default::default, |(list, n)| (listed(list), n))
                } else {
                    lists(items, *chunksize)
                };
                if count == 0 {
                    self.exhausted = true;
                    return None;
                }
                (*kind, payload, count as u64)
            }
            Input::Feed { chunks, ended, kind } => {
                let (chunk, count) = chunks.pop_front()?;
                self.exhausted = *ended && chunks.is_empty();
                (*kind, listed(chunk), count as u64)
            }
        };
        let task = Task {
            sequence: 0,
            job: self.handle.number,
            handle: Arc::clone(&self.handle),
            function: Arc::clone(&self.function),
            kind,
            tags: self.tags.clone(),
            payload_bytes: payload.iter().map(Bytes::len).sum(),
            payload,
            first_item: self.next_item,
            items,
            deliveries: 0,
            retries: 0,
            has_begun: false,
            delivered: 0,
            ahead: 0,
            is_stopped: false,
            cursor,
            permit: None,
        };
        self.next_chunk += 1;
        self.next_item += items;
        if matches!(self.input, Input::Map { .. }) && self.next_item >= self.handle.total {
            self.exhausted = true;
        }
        Some(task)
    }

    /// The delay before a task that failed so is retried; `None` if it isn't.
    pub fn retry_after(&self, task: &Task, code: FailureCode) -> Option<Duration> {
        // What has been yielded would be yielded again.
        let has_yielded = task.is_yielding() && task.delivered > 0;
        let again = !self.cancelled && self.failure.is_none() && !has_yielded;
        again.then(|| self.handle.terms.retry_after(code, task.retries + 1)).flatten()
    }

    /// A task that failed waits for its retry; it counts as in flight meanwhile.
    pub fn await_retry(&mut self, task: &mut Task) {
        self.has_retried = true;
        task.retries += 1;
        (task.has_begun, task.permit) = (false, None);
        debug_assert!(self.open > 0, "it was in flight");
    }

    /// A part of a task waits for its retry as a task of its own.
    pub fn add_open(&mut self, task: &Task) {
        self.open += 1;
        self.results.add_input(task.list_bytes());
    }

    /// A task goes on as a smaller one.
    pub fn shrink(&mut self, from: &Task, to: &Task) {
        self.results.release_input(from.list_bytes() - to.list_bytes());
    }

    /// A task came back: it wasn't read, or its retry is due. `true`: nothing of the job has been run after all.
    /// After a cancel it is dropped.
    pub fn give_back(&mut self, mut task: Task) -> bool {
        task.permit = None;
        self.open -= 1;
        if self.cancelled {
            self.lost_work = true;
            return false;
        }
        self.returned.push_front(task);
        let never_ran = self.results.is_untouched() && self.failure.is_none() && !self.has_retried;
        self.open == 0 && never_ran && std::mem::take(&mut self.started)
    }

    /// A task of it is at the head of a flight. `true`: the first.
    pub fn start(&mut self) -> bool {
        !std::mem::replace(&mut self.started, true)
    }

    /// Its place in the queue.
    pub fn place(&self) -> Place {
        let terms = &self.handle.terms;
        Place { priority: terms.priority, key: terms.key.clone() }
    }

    /// What it calls.
    pub fn function(&self) -> &Arc<Callable> {
        &self.function
    }

    /// Whether any task of it was at the head of a flight.
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Tasks in flight, or waiting for their retry.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Nothing more of it is handed out or retried. `retries`: tasks of it that waited for their retry. Returns tasks
    /// that had come back.
    pub fn cancel(&mut self, retries: usize) -> VecDeque<Task> {
        self.cancelled = true;
        self.open -= retries + self.refused.len();
        self.lost_work |= retries > 0 || !self.refused.is_empty() || self.has_waiting();
        self.refused.clear();
        self.exhausted = true;
        self.take_returned()
    }

    /// Nobody waits for it any more: its values are discarded, those to come included, and it ends as cancelled.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        self.lost_work = true;
        self.results.close();
    }

    /// How it ends if a cancel has left no value of it.
    pub fn cancelled_outcome(&self) -> Outcome {
        let why =
            if self.abandoned { "the client left before the job had ended" } else { "the job was cancelled" };
        Outcome::Failure(Arc::new(Failure::new(FailureCode::Cancelled, why)))
    }

    /// Tasks that came back, and will not be run again.
    pub fn take_returned(&mut self) -> VecDeque<Task> {
        std::mem::take(&mut self.returned)
    }

    /// Whether work of it was dropped, so that it can have no value any more.
    pub fn has_lost_work(&self) -> bool {
        self.lost_work
    }

    /// Whether a task of it can be handed out now. (A stream may have work left and none that is here.)
    pub fn is_ready(&self) -> bool {
        let has_fresh = match &self.input {
            Input::Feed { chunks, .. } => !chunks.is_empty(),
            Input::Call { .. } | Input::Map { .. } => !self.exhausted,
        };
        let is_here = if self.results.is_over_limit() {
            self.awaited_at().is_some()
        } else {
            has_fresh || !self.returned.is_empty()
        };
        !self.cancelled && !self.has_backlog() && is_here
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Whether some of it waits to be handed out.
    pub fn has_waiting(&self) -> bool {
        !self.returned.is_empty() || !self.exhausted
    }

    /// A task's value came.
    pub fn succeed(&mut self, task: &Task, value: &Bytes, result_bytes_max: usize) {
        self.open -= 1;
        let kept = self.results.take(task, value);
        self.check_size(kept, result_bytes_max);
    }

    /// An item's record came.
    pub fn record_value(&mut self, index: u64, record: Bytes, result_bytes_max: usize) {
        let kept = self.results.put(index, record);
        self.check_size(kept, result_bytes_max);
    }

    /// An item failed.
    pub fn record_failure(&mut self, failure: &Failure, result_bytes_max: usize) {
        let kept = self.results.put_failure(failure);
        self.check_size(kept, result_bytes_max);
    }

    /// What is buffered of a job counts as one value, the failures of items included.
    fn check_size(&mut self, kept: usize, result_bytes_max: usize) {
        if kept > result_bytes_max + self.next_chunk {
            let detail =
                format!("the values together are larger than {result_bytes_max} bytes (--result-limit)");
            let mut failure = Failure::new(FailureCode::ResultTooLarge, detail);
            failure.limit = Some(result_bytes_max);
            self.lose(failure);
        }
    }

    /// As multiprocessing.Pool.map: the first failure to arrive is kept and all values are discarded; the other chunks
    /// still run.
    fn lose(&mut self, failure: Failure) {
        self.failure.get_or_insert(Arc::new(failure));
        self.results.discard();
    }

    /// What a yielding call yields next; an invalid value is its failure, and nothing comes after it.
    pub fn record_yielded(&mut self, index: u64, record: Result<Bytes, Failure>) {
        match record {
            _ if self.failure.is_some() => {}
            Ok(record) => {
                self.results.put(index, record);
            }
            Err(failure) => self.lose(failure),
        }
    }

    /// All items of a task have their records.
    pub fn close_task(&mut self, task: &Task) {
        self.open -= 1;
        self.results.release_input(task.list_bytes());
    }

    /// A task failed.
    pub fn fail(&mut self, task: &Task, failure: Failure) {
        self.open -= 1;
        self.lose(failure);
        debug_assert_eq!(task.job, self.handle.number);
    }

    /// Its outcome, once nothing is in flight or waiting.
    pub fn outcome(&mut self) -> Option<Outcome> {
        if self.open > 0 || self.has_waiting() {
            return None;
        }
        // A failure under a cancel: it might have been retried otherwise.
        if self.lost_work || (self.cancelled && self.failure.is_some()) {
            return Some(self.cancelled_outcome());
        }
        if let Some(failure) = self.failure.take() {
            return Some(Outcome::Failure(failure));
        }
        Some(Outcome::Value(Value::from(self.results.finish())))
    }
}

/// A job's tags as a JSON array; nothing where there are none.
fn tags_of(handle: &JobHandle) -> Bytes {
    let tags = &handle.terms.tags;
    if tags.is_empty() {
        return Bytes::new();
    }
    // Texts can always be written.
    serde_json::to_vec(tags).unwrap_or_default().into()
}

/// Items of a MAP in one list at most: the objects that a worker makes of them fit its processor's cache.
const LIST_ITEMS_MAX: usize = 4_096;

/// The payload of a task over the next `n` elements, in lists, and how many they are.
fn lists(items: &mut Splitter, n: usize) -> (Vec<Bytes>, usize) {
    let (mut payload, mut total) = (Vec::new(), 0);
    while total < n
        && let Some((chunk, count)) = items.next_list(LIST_ITEMS_MAX.min(n - total))
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

/// The payload of a call: a kind that has keyword arguments has them always.
fn call_payload(kind: Kind, arguments: Bytes, keywords: Option<Bytes>) -> Vec<Bytes> {
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    if matches!(kind, Kind::CallKeywords | Kind::CallYielding) {
        vec![text("["), arguments, text(","), keywords.unwrap_or_else(|| text("{}")), text("]")]
    } else {
        vec![arguments]
    }
}

/// The payload of a task over these elements.
fn listed(chunk: Bytes) -> Vec<Bytes> {
    vec![Bytes::from_static(b"["), chunk, Bytes::from_static(b"]")]
}

#[cfg(test)]
mod tests;
