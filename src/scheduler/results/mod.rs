//! Where a job's values go: one value, all of a map or none, or a record per item (collected or streamed), or of each
//! thing that a call yields.

mod items;

use bytes::{Bytes, BytesMut};

use items::ItemResults;

use super::task::{ItemSink, Task};
use crate::jobs::{AnswerBytes, Failure, HeldBytes, Share};

/// Texts at least this large are pieces of their own; smaller ones are copied together.
const PIECE_BYTES_MIN: usize = 32 << 10;
/// Values at least this large are kept without a copy; a smaller one would keep a read buffer allocated that is much
/// larger than itself.
pub(super) const OWN_BYTES_MIN: usize = 128 << 10;

/// The values that came so far.
#[derive(Debug)]
pub(super) struct ResultBuffer {
    bytes: usize,
    /// What they cost. One call's value is its outcome as soon as it is there.
    held: Option<HeldBytes>,
    to: To,
}

#[derive(Debug)]
enum To {
    One(Option<Bytes>),
    /// The values of a map, gathered as they come.
    All(ItemResults),
    /// By item, each a record.
    Collect(ItemResults),
    Stream(Box<dyn ItemSink>),
    /// What a call yields; how far it is ahead of its client is between those and its worker.
    Yielded(Box<dyn ItemSink>),
    /// After a failure: all values are discarded.
    Nothing,
}

impl ResultBuffer {
    pub fn one() -> Self {
        Self { bytes: 0, held: None, to: To::One(None) }
    }

    pub fn all(answers: &AnswerBytes) -> Self {
        let held = Some(answers.hold(Share::Gathered, 0));
        Self { bytes: 0, held, to: To::All(ItemResults::default()) }
    }

    pub fn collect(answers: &AnswerBytes) -> Self {
        let held = Some(answers.hold(Share::Gathered, 0));
        Self { bytes: 0, held, to: To::Collect(ItemResults::default()) }
    }

    pub fn stream(sink: Option<Box<dyn ItemSink>>) -> Self {
        Self { bytes: 0, held: None, to: sink.map_or(To::Nothing, To::Stream) }
    }

    pub fn yielded(sink: Option<Box<dyn ItemSink>>) -> Self {
        Self { bytes: 0, held: None, to: sink.map_or(To::Nothing, To::Yielded) }
    }

    /// Whether nothing has come.
    pub fn is_untouched(&self) -> bool {
        self.bytes == 0
    }

    /// Whether values of tasks are held that only the job's end frees.
    pub fn is_gathering(&self) -> bool {
        self.held.is_some() && self.bytes > 0
    }

    /// Whether the client must take records before more is produced.
    pub fn is_over_limit(&self) -> bool {
        matches!(&self.to, To::Stream(sink) if sink.is_over_limit())
    }

    /// The item whose record the client needs before it can take what is buffered.
    pub fn awaited(&self) -> Option<u64> {
        if let To::Stream(sink) = &self.to { sink.awaited() } else { None }
    }

    /// A task's whole value; returns the bytes of all that are buffered.
    pub fn take(&mut self, task: &Task, value: &Bytes) -> usize {
        match &mut self.to {
            To::One(one) => *one = Some(kept(value)),
            To::All(values) => {
                values.put_list(task.first_item, task.items, &inside(value));
                let bytes = values.bytes();
                self.hold(bytes);
            }
            To::Collect(_) | To::Stream(_) | To::Yielded(_) | To::Nothing => return 0,
        }
        self.bytes += value.len();
        self.bytes
    }

    /// An item's record; returns the bytes of all that are buffered.
    pub fn put(&mut self, index: u64, record: Bytes) -> usize {
        match &mut self.to {
            To::Collect(records) => {
                records.put(index, &record);
                self.bytes = records.bytes();
                self.hold(self.bytes);
                self.bytes
            }
            To::Stream(sink) | To::Yielded(sink) => {
                self.bytes += record.len();
                sink.send(index, record);
                0
            }
            To::One(_) | To::All(_) | To::Nothing => 0,
        }
    }

    /// An item's failure, which has its index; returns the bytes of all that are buffered.
    pub fn put_failure(&mut self, failure: &Failure) -> usize {
        if !matches!(self.to, To::Collect(_) | To::Stream(_)) {
            return 0;
        }
        let record = [b"{\"error\":", failure.to_json(None).as_slice(), b"}"].concat();
        self.put(failure.index.unwrap_or(0), Bytes::from(record))
    }

    /// A task more, of so many bytes of items.
    pub fn add_input(&mut self, bytes: usize) {
        if let To::Stream(sink) = &self.to {
            sink.add_input(bytes);
        }
    }

    /// All items of a task have their records: its bytes are released.
    pub fn release_input(&mut self, bytes: usize) {
        if let To::Stream(sink) = &self.to {
            sink.release_input(bytes);
        }
    }

    /// Discards all values, those to come included; the records of a stream have been sent.
    pub fn discard(&mut self) {
        if !matches!(self.to, To::Stream(_) | To::Yielded(_)) {
            self.close();
        }
    }

    /// Discards all values, those to come included: nobody takes them.
    pub fn close(&mut self) {
        self.to = To::Nothing;
        self.hold(0);
    }

    fn hold(&mut self, bytes: usize) {
        if let Some(held) = &mut self.held {
            held.set(bytes);
        }
    }

    /// The value's text, in pieces.
    pub fn finish(&mut self) -> Vec<Bytes> {
        match std::mem::replace(&mut self.to, To::Nothing) {
            To::One(value) => value.into_iter().collect(),
            To::All(values) => values.finish(),
            To::Collect(records) => records.finish(),
            To::Stream(_) | To::Yielded(_) | To::Nothing => Vec::new(),
        }
    }
}

/// A JSON array without its brackets, which stand at its ends.
fn inside(array: &Bytes) -> Bytes {
    array.slice(1..array.len() - 1)
}

/// A value that holds little more memory than it is long.
fn kept(value: &Bytes) -> Bytes {
    if value.len() >= OWN_BYTES_MIN { value.clone() } else { Bytes::copy_from_slice(value) }
}

/// The text of one array, in pieces. Small ones are copied together.
struct Joined {
    pieces: Vec<Bytes>,
    small: BytesMut,
    any: bool,
}

impl Joined {
    fn new() -> Self {
        Self { pieces: Vec::new(), small: BytesMut::from(&b"["[..]), any: false }
    }

    /// Before each element, or more than one in a row.
    fn comma(&mut self) {
        if self.any {
            self.small.extend_from_slice(b",");
        }
        self.any = true;
    }

    fn add(&mut self, part: Bytes) {
        if part.len() < PIECE_BYTES_MIN {
            self.small.extend_from_slice(&part);
        } else {
            self.pieces.push(self.small.split().freeze());
            self.pieces.push(part);
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.small.extend_from_slice(b"]");
        self.pieces.push(self.small.freeze());
        self.pieces.retain(|piece| !piece.is_empty());
        self.pieces
    }
}
