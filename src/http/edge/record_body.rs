//! Records as a response's body: a line each (NDJSON), or an event each.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use hyper::body::Frame;
use tokio::time::{Sleep, sleep};

use super::sse::KEEP_ALIVE;
use crate::service::{Records, StreamEnd};

/// Bytes of a frame, about.
const FRAME_BYTES: usize = 64 << 10;
/// A record that is longer is not copied, unless there are line ends in it.
const SHORT_BYTES_MAX: usize = 256 << 10;

/// How records stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A line each, the last of them saying how many they were.
    Lines,
    /// An event each, whose data is that line and whose id is its index; the last is the event `end`.
    Events,
}

/// The records as a body. Dropped early, it ends their job.
pub fn record_body(records: Records, framing: Framing) -> Body {
    let keep_alive = (framing == Framing::Events).then(|| Box::pin(sleep(KEEP_ALIVE)));
    Body::new(RecordBody { records, framing, ended: false, ready: VecDeque::new(), keep_alive })
}

struct RecordBody {
    records: Records,
    framing: Framing,
    ended: bool,
    /// What is to be sent before anything else.
    ready: VecDeque<Piece>,
    /// Of events: when the next is due that says nothing.
    keep_alive: Option<Pin<Box<Sleep>>>,
}

enum Piece {
    Whole(Bytes),
    /// Of a long record: on one line, whatever is in it.
    OfRecord(Bytes),
}

impl hyper::body::Body for RecordBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self { records, framing, ended, ready, keep_alive } = self.get_mut();
        if ready.is_empty() && !*ended {
            let mut frame = BytesMut::new();
            let polled = records.poll_write(cx, |index, record| {
                if record.len() > SHORT_BYTES_MAX {
                    framing.start(index, &mut frame);
                    ready.push_back(Piece::Whole(frame.split().freeze()));
                    let parts = (1..record.len()).step_by(SHORT_BYTES_MAX);
                    let part = |at| record.slice(at..record.len().min(at + SHORT_BYTES_MAX));
                    ready.extend(parts.map(|at| Piece::OfRecord(part(at))));
                    framing.finish(&mut frame);
                    return false;
                }
                framing.record(index, record, &mut frame);
                frame.len() < FRAME_BYTES
            });
            if let Poll::Ready(Some(end)) = polled {
                *ended = true;
                framing.end(&end, &mut frame);
            }
            ready.extend((!frame.is_empty()).then(|| Piece::Whole(frame.freeze())));
            if ready.is_empty() && !*ended && is_due(keep_alive, cx) {
                ready.push_back(Piece::Whole(Bytes::from_static(b": keep-alive\n\n")));
            }
        }
        match ready.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.text())))),
            None if *ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// Whether it is due, lest proxies close a connection that is silent; the next time begins.
fn is_due(keep_alive: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> bool {
    let Some(sleeping) = keep_alive else { return false };
    if sleeping.as_mut().poll(cx).is_pending() {
        return false;
    }
    *sleeping = Box::pin(sleep(KEEP_ALIVE));
    true
}

impl Piece {
    fn text(self) -> Bytes {
        match self {
            Self::Whole(text) => text,
            Self::OfRecord(text) if !has_line_end(&text) => text,
            Self::OfRecord(text) => {
                let mut line = BytesMut::with_capacity(text.len());
                push_line(&text, &mut line);
                line.freeze()
            }
        }
    }
}

fn has_line_end(text: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', text).is_some()
}

/// In JSON, line ends stand between tokens alone: they are spaces then.
fn push_line(text: &[u8], into: &mut BytesMut) {
    let start = into.len();
    into.extend_from_slice(text);
    if has_line_end(text) {
        for byte in into[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
}

impl Framing {
    /// What stands before the members of a record.
    fn start(self, index: u64, into: &mut BytesMut) {
        let mut digits = itoa::Buffer::new();
        let index = digits.format(index).as_bytes();
        if self == Self::Events {
            into.extend_from_slice(b"id: ");
            into.extend_from_slice(index);
            into.extend_from_slice(b"\ndata: ");
        }
        into.extend_from_slice(b"{\"index\":");
        into.extend_from_slice(index);
        into.extend_from_slice(b",");
    }

    fn record(self, index: u64, record: &[u8], into: &mut BytesMut) {
        self.start(index, into);
        push_line(record.get(1..).unwrap_or_default(), into);
        self.finish(into);
    }

    fn finish(self, into: &mut BytesMut) {
        into.extend_from_slice(match self {
            Self::Lines => b"\n",
            Self::Events => b"\n\n",
        });
    }

    /// After the last record: how many they were, with the error that ended them, or nothing if the stream was cut.
    fn end(self, end: &StreamEnd, into: &mut BytesMut) {
        let (done, failed) = match end {
            StreamEnd::Whole { done, failed } => (*done, *failed),
            StreamEnd::Failed { done, failure } => {
                self.error(*done, &failure.to_json(None), into);
                (done + 1, 1)
            }
            // The line that could not be read is the last.
            StreamEnd::Broken { index, error } => return self.error(*index, error, into),
            StreamEnd::Cut => return,
        };
        if self == Self::Events {
            into.extend_from_slice(b"event: end\ndata: ");
        }
        into.extend_from_slice(format!("{{\"end\":true,\"done\":{done},\"failed\":{failed}}}").as_bytes());
        self.finish(into);
    }

    fn error(self, index: u64, error: &[u8], into: &mut BytesMut) {
        self.record(index, &[b"{\"error\":", error, b"}"].concat(), into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(framing: Framing, write: impl Fn(Framing, &mut BytesMut)) -> String {
        let mut text = BytesMut::new();
        write(framing, &mut text);
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let record = |framing: Framing, into: &mut BytesMut| {
            framing.record(7, b"{\"value\":{\n\"a\":\r\n1}}", into);
        };
        assert_eq!(written(Framing::Lines, record), "{\"index\":7,\"value\":{ \"a\":  1}}\n");
        let event = "id: 7\ndata: {\"index\":7,\"value\":{ \"a\":  1}}\n\n";
        assert_eq!(written(Framing::Events, record), event);
        let part = Piece::OfRecord(Bytes::from_static(b"[\n1]"));
        assert_eq!(part.text(), &b"[ 1]"[..]);
    }

    #[test]
    fn the_end_says_how_many_there_were() {
        let end = |framing: Framing, into: &mut BytesMut| {
            framing.end(&StreamEnd::Whole { done: 2, failed: 1 }, into);
        };
        assert_eq!(written(Framing::Lines, end), "{\"end\":true,\"done\":2,\"failed\":1}\n");
        let event = "event: end\ndata: {\"end\":true,\"done\":2,\"failed\":1}\n\n";
        assert_eq!(written(Framing::Events, end), event);
        assert_eq!(written(Framing::Lines, |framing, into| framing.end(&StreamEnd::Cut, into)), "");
    }
}
