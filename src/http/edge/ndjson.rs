//! Lines in: NDJSON at the end of a stream that items are fed to.

use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::{Buf, BytesMut};

use super::body::{BodyError, next_piece};
use super::problem::Problem;
use crate::api::BodyProblem;
use crate::jobs::{Overloaded, Reservation};
use crate::json::{self, ScanError, Splitter};
use crate::offload::offload;
use crate::service::Feeder;

/// Their media type.
pub const NDJSON: &str = "application/x-ndjson";
/// A longer line is checked on the blocking pool.
const SHORT_BYTES_MAX: usize = 256 << 10;
/// Bytes of a buffer that a stream keeps from one line to the next.
const KEPT_BYTES_MAX: usize = 32 << 10;
/// How long a line that has begun waits for room.
const MID_LINE_PATIENCE: Duration = Duration::from_secs(5);
/// A line of more bytes is not copied.
const OWN_LINE_BYTES: usize = 1 << 20;

/// Feeds the elements of an array.
pub async fn feed_items(feeder: Feeder, mut items: Splitter) {
    while let Some((chunk, count)) = items.next_chunk(feeder.chunksize()) {
        if !feeder.feed(chunk, count).await {
            return;
        }
    }
    feeder.end();
}

/// Feeds the lines of a body as they come. A line that is no item ends the input, and is told by its index.
pub async fn feed_lines(
    feeder: Feeder,
    mut body: Body,
    depth_max: usize,
    line_bytes_max: usize,
    stall: Duration,
) {
    let mut lines = LineBuffer { buffer: BytesMut::new(), searched: 0, index: 0 };
    let mut group = Group::default();
    let mut room = feeder.reserve();
    let failed = loop {
        let piece = match next_piece(&mut body, stall).await {
            Ok(piece) => piece,
            Err(error) => break Some(Problem::of_body(&error)),
        };
        let last = piece.is_none();
        let piece = piece.unwrap_or_default();
        // What isn't fed yet waits here: its bytes count as queued.
        let wanted = lines.buffer.len() + piece.len();
        if let Err(overloaded) = make_room(&mut room, wanted, lines.buffer.is_empty(), stall).await {
            break Some(Problem::overloaded(&overloaded));
        }
        lines.buffer.extend_from_slice(&piece);
        drop(piece);
        let taken = lines.take_into(&feeder, &mut group, &mut room, last, depth_max, line_bytes_max).await;
        room.shrink_to(lines.buffer.len());
        // The next lines may be short, and may be the last for hours.
        if wanted > KEPT_BYTES_MAX && lines.buffer.len() <= wanted / 2 {
            lines.buffer = BytesMut::from(&*lines.buffer);
        }
        if group.list.capacity() > KEPT_BYTES_MAX {
            group.list = BytesMut::new();
        }
        match taken {
            Taken::More if !last => {}
            Taken::More => break None,
            Taken::Bad(problem) => break Some(problem),
            Taken::Left => return,
        }
    };
    match failed {
        Some(problem) => feeder.break_off(lines.index, problem.text().into()),
        None => feeder.end(),
    }
}

/// Waits for room in the queue. Streams that hold the beginnings of lines wait for each other a short while only.
async fn make_room(
    room: &mut Reservation,
    bytes: usize,
    is_between_lines: bool,
    patience: Duration,
) -> Result<(), Overloaded> {
    if is_between_lines {
        return room.wait_to_grow(bytes).await;
    }
    let waited = tokio::time::timeout(patience.min(MID_LINE_PATIENCE), room.wait_to_grow(bytes)).await;
    waited.unwrap_or_else(|_| room.grow_to(bytes))
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
        feeder: &Feeder,
        group: &mut Group,
        room: &mut Reservation,
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
            let taken = if length > SHORT_BYTES_MAX {
                let line = self.buffer.split_to(length).freeze();
                offload(length, move || long_item(&line, depth_max)).await.map(Item::of_long)
            } else {
                let item = item_of(&self.buffer[..length], depth_max);
                let added = item.map(|item| item.map_or(Item::None, |item| group.add(item)));
                self.buffer.advance(length);
                added
            };
            match taken {
                Ok(Item::None) => {}
                Ok(Item::Added) => self.index += 1,
                Ok(Item::Long(item)) => {
                    self.index += 1;
                    // In its turn, as a task of its own.
                    if !feed_group(feeder, group, room).await || !feeder.feed_read(item, 1, room).await {
                        return Taken::Left;
                    }
                }
                Err(error) => {
                    let _ = feed_group(feeder, group, room).await;
                    return Taken::Bad(BodyProblem::NotJson(error.to_string()).into());
                }
            }
            if group.count >= feeder.chunksize() && !feed_group(feeder, group, room).await {
                return Taken::Left;
            }
        }
        if self.buffer.len() > line_bytes_max {
            let error = BodyError::TooLarge { limit: line_bytes_max };
            return Taken::Bad(Problem::of_body(&error));
        }
        if feed_group(feeder, group, room).await { Taken::More } else { Taken::Left }
    }
}

/// What a line brought.
enum Item {
    /// It is blank.
    None,
    /// An item, which is in its group.
    Added,
    /// An item that goes alone.
    Long(Bytes),
}

impl Item {
    fn of_long(item: Option<Bytes>) -> Self {
        item.map_or(Self::None, Self::Long)
    }
}

/// The item in a long line. A copy, unless it is so long that it has most of the memory that it is in.
fn long_item(line: &Bytes, depth_max: usize) -> Result<Option<Bytes>, ScanError> {
    let own = |item| {
        if line.len() > OWN_LINE_BYTES { line.slice_ref(item) } else { Bytes::copy_from_slice(item) }
    };
    item_of(line, depth_max).map(|item| item.map(own))
}

/// The item in a line; `None` in a blank one.
fn item_of(line: &[u8], depth_max: usize) -> Result<Option<&[u8]>, ScanError> {
    match json::check(line, depth_max) {
        Ok(shape) => Ok(Some(&line[shape.start..shape.end])),
        Err(_) if line.iter().all(u8::is_ascii_whitespace) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Group {
    fn add(&mut self, item: &[u8]) -> Item {
        if self.count > 0 {
            self.list.extend_from_slice(b",");
        }
        self.list.extend_from_slice(item);
        self.count += 1;
        Item::Added
    }
}

async fn feed_group(feeder: &Feeder, group: &mut Group, room: &mut Reservation) -> bool {
    if group.count == 0 {
        return true;
    }
    let count = std::mem::take(&mut group.count);
    // A copy of its own: what waits must not hold the whole read buffer.
    let list = Bytes::copy_from_slice(&group.list);
    group.list.clear();
    feeder.feed_read(list, count, room).await
}
