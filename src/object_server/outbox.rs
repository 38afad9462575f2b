//! Answers on their way to a worker, and those that can still be taken back.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;

use crate::objects::Delivery;
use crate::sys;
use crate::transport::{CallFrame, CallKind};

/// With so many bytes unsent nothing more is read from the worker, nor finished for it.
const UNSENT_BYTES_MAX: usize = 256 << 10;
/// As with so many descriptors.
const DESCRIPTORS_MAX: usize = 8;
/// So many bytes are written before others have their turn: a worker that reads as fast may be sent a large value.
const FLUSHED_AT_ONCE_MAX: usize = 1 << 20;
/// A larger payload is not copied behind its header.
const COPIED_BYTES_MAX: usize = 32 << 10;

/// An answer, or a part of one.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    descriptor: Option<OwnedFd>,
}

/// What an answer handed over (an item, a lock). While the worker hasn't read the whole answer, it isn't the
/// worker's.
#[derive(Debug)]
struct Out {
    /// Dropped, it goes back.
    handed: Delivery,
    /// The call's number.
    number: u64,
    /// Where its answer ends in all that was ever queued.
    end: u64,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// Descriptors among them.
    descriptors: usize,
    unsent: usize,
    /// Bytes ever queued.
    queued: u64,
    handed: VecDeque<Out>,
}

impl Outbox {
    /// Whether more may be put in.
    pub fn has_room(&self) -> bool {
        self.unsent < UNSENT_BYTES_MAX && self.descriptors < DESCRIPTORS_MAX
    }

    /// Whether everything is in the socket.
    pub fn is_sent(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Answers that handed something over which may still come back.
    pub fn handed_count(&self) -> usize {
        self.handed.len()
    }

    /// Puts in an answer; the descriptor, if any, goes with its first byte.
    pub fn push(&mut self, kind: CallKind, number: u64, payload: &Bytes, descriptor: Option<OwnedFd>) {
        let detail = u32::from(descriptor.is_some());
        if payload.len() <= COPIED_BYTES_MAX {
            let frame = CallFrame::encode(kind, detail, number, payload);
            self.put(frame.into(), descriptor);
        } else {
            self.put(CallFrame::head(kind, detail, number, payload.len()).to_vec().into(), descriptor);
            self.put(payload.clone(), None);
        }
    }

    /// The answer put in last hands something over.
    pub fn hands_over(&mut self, number: u64, handed: Delivery) {
        self.handed.push_back(Out { handed, number, end: self.queued });
    }

    /// The worker doesn't take what the answer to this call brought: it goes back. Whether it is still known.
    pub fn take_back(&mut self, number: u64) -> bool {
        let before = self.handed.len();
        self.handed.retain(|out| out.number != number);
        self.handed.len() < before
    }

    fn put(&mut self, bytes: Bytes, descriptor: Option<OwnedFd>) {
        self.unsent += bytes.len();
        self.queued += bytes.len() as u64;
        self.descriptors += usize::from(descriptor.is_some());
        self.pieces.push_back(Piece { bytes, descriptor });
    }

    /// Writes what there is room for, as far as it takes no time.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let mut left = FLUSHED_AT_ONCE_MAX;
        while let Some(piece) = self.pieces.front_mut().filter(|_| left > 0) {
            let descriptor: Vec<BorrowedFd<'_>> = piece.descriptor.iter().map(AsFd::as_fd).collect();
            let sent = match sys::send_some(socket, &piece.bytes, &descriptor) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.descriptors -= usize::from(piece.descriptor.take().is_some());
            bytes::Buf::advance(&mut piece.bytes, sent);
            self.unsent -= sent;
            left = left.saturating_sub(sent);
            if piece.bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
        Ok(())
    }

    /// What the worker has read is its own; `theirs` is its end of the socket.
    pub fn forget_read(&mut self, theirs: BorrowedFd<'_>) {
        if self.handed.is_empty() {
            return;
        }
        // Without a count all counts as read: an item must not be there twice.
        let unread = sys::unread_bytes(theirs).unwrap_or(0);
        let read = self.queued - (self.unsent + unread) as u64;
        while self.handed.front().is_some_and(|out| out.end <= read) {
            let out = self.handed.pop_front();
            drop(out.map(|out| out.handed.taken()));
        }
    }

    /// The worker has ended: what it didn't read goes back.
    pub fn end(mut self, theirs: BorrowedFd<'_>) {
        self.forget_read(theirs);
    }
}
