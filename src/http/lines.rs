//! Lines in and lines out: the two ends of an imap, joined by a window.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::{Buf, BytesMut};
use hyper::body::Frame;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::body::next_piece;
use super::imap::{FRAME_BYTES, line_of};
use super::problem::Problem;
use super::state::Shared;
use crate::api::BodyProblem;
use crate::jobs::{Admission, Outcome, Record};
use crate::json::{self, Splitter};
use crate::pool::{Held, Pool};

/// Bytes of a buffer that a stream keeps from one line to the next.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Why the input stopped: the index of the line, and its error as JSON.
pub(super) type Stopped = Arc<Mutex<Option<(u64, Vec<u8>)>>>;

/// What a feeder works with.
pub(super) struct Feeding {
    pub pool: Pool,
    pub record: Arc<Record>,
    pub window: Arc<Semaphore>,
    /// Bytes of items that were fed and have no record yet.
    pub fed: Arc<Held>,
    pub chunksize: usize,
    pub stopped: Stopped,
}

impl Feeding {
    /// Feeds a chunk once there is room for it; `false` when nobody takes records any more.
    async fn feed(&self, chunk: Bytes, count: usize) -> bool {
        let Ok(permits) = self.window.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await else {
            return false;
        };
        // Given back by the records, one by one.
        permits.forget();
        self.fed.room().await;
        self.fed.add(chunk.len());
        self.pool.feed(&self.record, Some((chunk, count)));
        true
    }

    fn end(&self) {
        self.pool.feed(&self.record, None);
    }
}

/// Feeds the elements of an array.
pub(super) async fn feed_items(feeding: Feeding, mut items: Splitter) {
    while let Some((chunk, count)) = items.next_chunk(feeding.chunksize) {
        if !feeding.feed(chunk, count).await {
            return;
        }
    }
    feeding.end();
}

/// Feeds the lines of a body as they come. A line that is no item ends the input, and is told by its index.
pub(super) async fn feed_lines(
    feeding: Feeding,
    mut body: Body,
    depth_max: usize,
    line_bytes_max: usize,
    stall: Duration,
    admission: Admission,
) {
    let mut lines = LineBuffer { buffer: BytesMut::new(), searched: 0, index: 0 };
    let mut group = Group::default();
    let mut room = admission.reserve();
    let mut most = 0;
    let failed = loop {
        let piece = match next_piece(&mut body, stall).await {
            Ok(piece) => piece,
            Err(error) => break Some(Problem::of_body(&error)),
        };
        let last = piece.is_none();
        let piece = piece.unwrap_or_default();
        // A line that isn't whole waits here: its bytes count as queued.
        most = most.max(lines.buffer.len() + piece.len());
        if let Err(overloaded) = room.grow_to(most) {
            break Some(Problem::overloaded(&overloaded));
        }
        lines.buffer.extend_from_slice(&piece);
        drop(piece);
        let taken = lines.take_into(&feeding, &mut group, last, depth_max, line_bytes_max).await;
        if most > KEPT_BYTES_MAX && lines.buffer.len() <= KEPT_BYTES_MAX {
            // The next lines may be short, and may be the last for hours.
            lines.buffer = BytesMut::from(&*lines.buffer);
            group.list = BytesMut::new();
            (room, most) = (admission.reserve(), 0);
        }
        match taken {
            Taken::More if !last => {}
            Taken::More => break None,
            Taken::Bad(problem) => break Some(problem),
            Taken::Left => return,
        }
    };
    if let Some(problem) = failed {
        *feeding.stopped.lock() = Some((lines.index, problem.text()));
    }
    feeding.end();
}

enum Taken {
    More,
    Bad(Problem),
    Left,
}

#[derive(Default)]
struct Group {
    list: BytesMut,
    count: usize,
}

struct LineBuffer {
    buffer: BytesMut,
    /// Bytes at its front among which there is no line's end.
    searched: usize,
    index: u64,
}

impl LineBuffer {
    /// Feeds every line that is whole, in groups of `chunksize`; what is left of a group goes too, so that nothing
    /// waits for lines that may never come.
    async fn take_into(
        &mut self,
        feeding: &Feeding,
        group: &mut Group,
        last: bool,
        depth_max: usize,
        line_bytes_max: usize,
    ) -> Taken {
        loop {
            let end = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
            self.searched = if end.is_some() { 0 } else { self.buffer.len() };
            let length = match end {
                Some(end) => end + 1,
                None if last && !self.buffer.is_empty() => {
                    self.searched = 0;
                    self.buffer.len()
                }
                None => break,
            };
            let line = &self.buffer[..length];
            match json::check(line, depth_max) {
                Ok(shape) => {
                    self.index += 1;
                    group.add(&line[shape.start..shape.end]);
                }
                Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                Err(error) => {
                    let _ = feed_group(feeding, group).await;
                    return Taken::Bad(BodyProblem::NotJson(error.to_string()).into());
                }
            }
            self.buffer.advance(length);
            if group.count >= feeding.chunksize && !feed_group(feeding, group).await {
                return Taken::Left;
            }
        }
        if self.buffer.len() > line_bytes_max {
            let error = super::body::BodyError::TooLarge { limit: line_bytes_max };
            return Taken::Bad(Problem::of_body(&error));
        }
        if feed_group(feeding, group).await { Taken::More } else { Taken::Left }
    }
}

impl Group {
    fn add(&mut self, item: &[u8]) {
        if self.count > 0 {
            self.list.extend_from_slice(b",");
        }
        self.list.extend_from_slice(item);
        self.count += 1;
    }
}

async fn feed_group(feeding: &Feeding, group: &mut Group) -> bool {
    if group.count == 0 {
        return true;
    }
    let count = std::mem::take(&mut group.count);
    // A copy of its own: what waits must not hold the whole read buffer.
    let list = Bytes::copy_from_slice(&group.list);
    group.list.clear();
    feeding.feed(list, count).await
}

/// The answer's body. Dropped early, it ends the job.
pub(super) struct Lines {
    app: Arc<Shared>,
    pool: Pool,
    record: Arc<Record>,
    records: mpsc::UnboundedReceiver<(u64, Bytes)>,
    held: Arc<Held>,
    window: Arc<Semaphore>,
    stopped: Stopped,
    feeder: AbortHandle,
    /// In order: the index that is next, and what came ahead of it.
    ahead: Option<(u64, BTreeMap<u64, Bytes>)>,
    done: u64,
    failed: u64,
    /// Records for which the window has not been told yet that there is room.
    taken: usize,
    ended: bool,
}

impl Lines {
    #[allow(clippy::too_many_arguments, reason = "one caller, which has just made all of them")]
    pub(super) fn new(
        app: Arc<Shared>,
        pool: Pool,
        record: Arc<Record>,
        records: mpsc::UnboundedReceiver<(u64, Bytes)>,
        held: Arc<Held>,
        window: Arc<Semaphore>,
        stopped: Stopped,
        feeder: AbortHandle,
        ordered: bool,
    ) -> Self {
        let ahead = ordered.then(|| (0, BTreeMap::new()));
        Self {
            app,
            pool,
            record,
            records,
            held,
            window,
            stopped,
            feeder,
            ahead,
            done: 0,
            failed: 0,
            taken: 0,
            ended: false,
        }
    }

    fn take(&mut self, index: u64, record: Bytes, into: &mut BytesMut) {
        let Some((next, waiting)) = &mut self.ahead else { return self.write(index, &record, into) };
        if index == *next && waiting.is_empty() {
            *next += 1;
            return self.write(index, &record, into);
        }
        waiting.insert(index, record);
        let mut due = Vec::new();
        while let Some(record) = waiting.remove(next) {
            due.push((*next, record));
            *next += 1;
        }
        if self.held.wait_for((!waiting.is_empty()).then_some(*next)) {
            self.pool.nudge(&self.record);
        }
        for (index, record) in due {
            self.write(index, &record, into);
        }
    }

    fn write(&mut self, index: u64, record: &Bytes, into: &mut BytesMut) {
        self.done += 1;
        self.failed += u64::from(record.starts_with(b"{\"error\""));
        line_of(index, record, into);
        self.taken += 1;
        if self.held.sub(record.len()) {
            self.pool.nudge(&self.record);
        }
    }

    /// After the last record: the end line, or the line that ended the input, or nothing if the stream was cut.
    fn last_line(&self) -> Option<Bytes> {
        if let Some((index, error)) = self.stopped.lock().take() {
            let mut line = BytesMut::new();
            let record = [b"{\"error\":", error.as_slice(), b"}"].concat();
            line_of(index, &Bytes::from(record), &mut line);
            return Some(line.freeze());
        }
        let whole = matches!(self.record.outcome(), Some(Outcome::Value(_)));
        let (done, failed) = (self.done, self.failed);
        whole.then(|| Bytes::from(format!("{{\"end\":true,\"done\":{done},\"failed\":{failed}}}\n")))
    }
}

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let mut frame = BytesMut::new();
        while frame.len() < FRAME_BYTES {
            match this.records.poll_recv(cx) {
                Poll::Ready(Some((index, record))) => this.take(index, record, &mut frame),
                Poll::Ready(None) => {
                    this.ended = true;
                    frame.extend_from_slice(&this.last_line().unwrap_or_default());
                    break;
                }
                Poll::Pending => break,
            }
        }
        this.window.add_permits(std::mem::take(&mut this.taken));
        if !frame.is_empty() {
            Poll::Ready(Some(Ok(Frame::data(frame.freeze()))))
        } else if this.ended {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.window.close();
        self.feeder.abort();
        if !self.record.state().is_final() {
            self.pool.abandon(&self.record);
        }
        self.app.jobs.forget(self.record.id);
    }
}
