//! Where a job's values go: one value, all of a map or none, or a record per item (collected or streamed).

use bytes::{Bytes, BytesMut};

use super::task::{Render, Sink, Task};
use crate::jobs::Failure;

/// Values at least this large are kept as they came; smaller ones are copied together, so that none holds on
/// to a read buffer.
const PIECE_BYTES_MIN: usize = 32 << 10;

/// What came so far.
pub(super) struct Gather {
    bytes: usize,
    to: To,
}

enum To {
    One(Option<Bytes>),
    /// By chunk, each a JSON array.
    All(Vec<Option<Bytes>>),
    /// By item, each a record.
    Collect(Vec<Option<Bytes>>, Render),
    Stream(Sink),
}

impl Gather {
    pub fn one() -> Self {
        Self { bytes: 0, to: To::One(None) }
    }

    pub fn all() -> Self {
        Self { bytes: 0, to: To::All(Vec::new()) }
    }

    pub fn collect(render: Render) -> Self {
        Self { bytes: 0, to: To::Collect(Vec::new(), render) }
    }

    pub fn stream(sink: Sink) -> Self {
        Self { bytes: 0, to: To::Stream(sink) }
    }

    /// Whether nothing has come.
    pub fn is_untouched(&self) -> bool {
        self.bytes == 0
    }

    /// Whether nothing more should be made before the client takes what there is.
    pub fn is_full(&self) -> bool {
        matches!(&self.to, To::Stream(sink) if sink.held.is_full())
    }

    /// The item whose record the client needs before it can take what there is.
    pub fn awaited(&self) -> Option<u64> {
        if let To::Stream(sink) = &self.to { sink.held.awaited() } else { None }
    }

    /// A task's whole value; the bytes of all so far.
    pub fn take(&mut self, task: &Task, value: &Bytes) -> usize {
        self.bytes += value.len();
        let kept = kept(value);
        match &mut self.to {
            To::One(one) => *one = Some(kept),
            To::All(chunks) => put_at(chunks, task.chunk, kept),
            To::Collect(..) | To::Stream(_) => {}
        }
        self.bytes
    }

    /// An item's record; the bytes of all so far that are kept.
    pub fn put(&mut self, index: u64, record: Bytes) -> usize {
        self.bytes += record.len();
        match &mut self.to {
            To::Collect(records, _) => {
                put_at(records, usize::try_from(index).unwrap_or(usize::MAX), kept(&record));
                self.bytes
            }
            To::Stream(sink) => {
                sink.held.add(record.len());
                // A client that has left is seen elsewhere.
                let _ = sink.records.send((index, record));
                0
            }
            To::One(_) | To::All(_) => self.bytes,
        }
    }

    /// An item's failure, which knows its index.
    pub fn put_failure(&mut self, failure: &Failure) {
        let render = match &self.to {
            To::Collect(_, render) => *render,
            To::Stream(sink) => sink.render,
            To::One(_) | To::All(_) => return,
        };
        let record = [b"{\"error\":", render(failure).as_slice(), b"}"].concat();
        self.put(failure.index.unwrap_or(0), Bytes::from(record));
    }

    /// A task more, of so many bytes.
    pub fn hold(&mut self, bytes: usize) {
        if let To::Stream(sink) = &self.to {
            sink.fed.add(bytes);
        }
    }

    /// A task's items all have their records: its bytes are no longer held.
    pub fn release(&mut self, bytes: usize) {
        if let To::Stream(sink) = &self.to {
            sink.fed.sub(bytes);
        }
    }

    /// All is lost.
    pub fn forget(&mut self) {
        if let To::All(parts) | To::Collect(parts, _) = &mut self.to {
            *parts = Vec::new();
        }
    }

    /// The value's text, in pieces.
    pub fn finish(&mut self) -> Vec<Bytes> {
        match &mut self.to {
            To::One(value) => value.take().into_iter().collect(),
            To::All(chunks) => {
                let chunks = std::mem::take(chunks).into_iter().flatten();
                joined(chunks.map(|chunk| chunk.slice(1..chunk.len() - 1)))
            }
            To::Collect(records, _) => joined(std::mem::take(records).into_iter().flatten()),
            To::Stream(_) => Vec::new(),
        }
    }
}

fn put_at(parts: &mut Vec<Option<Bytes>>, at: usize, part: Bytes) {
    if parts.len() <= at {
        parts.resize(at + 1, None);
    }
    parts[at] = Some(part);
}

fn kept(value: &Bytes) -> Bytes {
    if value.len() >= PIECE_BYTES_MIN { value.clone() } else { Bytes::copy_from_slice(value) }
}

/// One array of these elements. Small ones are copied together.
fn joined(parts: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut small = BytesMut::from(&b"["[..]);
    for (index, part) in parts.enumerate() {
        if index > 0 {
            small.extend_from_slice(b",");
        }
        if part.len() < PIECE_BYTES_MIN {
            small.extend_from_slice(&part);
        } else {
            pieces.push(small.split().freeze());
            pieces.push(part);
        }
    }
    small.extend_from_slice(b"]");
    pieces.push(small.freeze());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
