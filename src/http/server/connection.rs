//! One connection: its mark (what it is at, and since when) and the wrappers that keep the mark: around the
//! socket, the request's body and the answer's.
//!
//! Nothing here closes a connection for being late; the registry's sweep reads the marks and does.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::registry::Registry;
use crate::sys;

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No byte of a next request has come.
    Idle,
    /// A request's head has begun.
    Head,
    /// From the end of a request's head to the end of its answer: takes as long as it takes.
    Busy,
    /// The answer is out and nothing more will be; what the client still sends is thrown away.
    Lingering,
}

const PHASE_BITS: u32 = 2;

/// What one connection is at, for the sweep to read. The orderings are relaxed throughout: each word stands
/// for itself, and the sweep may see it a moment late.
#[derive(Debug)]
pub(super) struct Mark {
    /// The phase in the low bits, above it the tick it began at.
    phase: AtomicU64,
    /// The tick since which a write is pending, plus one; 0 if none is.
    write_pending: AtomicU64,
    /// The present request's body was dropped before its end.
    body_unread: AtomicBool,
    /// hyper has asked for bytes and waits for them, so that it sees the client leave.
    watched: AtomicBool,
    /// The socket, while it is open.
    socket: Mutex<Option<RawFd>>,
    registry: Arc<Registry>,
}

impl Mark {
    pub(super) fn new(registry: Arc<Registry>) -> Arc<Self> {
        let mark = Self {
            phase: AtomicU64::new(0),
            write_pending: AtomicU64::new(0),
            body_unread: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            socket: Mutex::new(None),
            registry,
        };
        mark.enter(Phase::Idle);
        Arc::new(mark)
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// A request's head is complete. The exchange ends when what is returned is dropped.
    pub(super) fn begin_exchange(self: &Arc<Self>) -> Exchange {
        self.body_unread.store(false, Relaxed);
        self.enter(Phase::Busy);
        Exchange(Arc::clone(self))
    }

    /// The phase and the tick it began at.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let word = self.phase.load(Relaxed);
        let phase = match word & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Lingering,
        };
        (phase, word >> PHASE_BITS)
    }

    /// The tick since which the client takes nothing of what is ready for it.
    pub(super) fn write_pending_since(&self) -> Option<u64> {
        self.write_pending.load(Relaxed).checked_sub(1)
    }

    /// Whether the client of a request at work has left and hyper can't see it: while bytes that came behind the
    /// request lie in its buffer, it doesn't read on.
    pub(super) fn has_left_unseen(&self) -> bool {
        let unseen = self.phase().0 == Phase::Busy && !self.watched.load(Relaxed);
        unseen && self.socket.lock().is_some_and(sys::has_left)
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(self.registry.tick() << PHASE_BITS | phase as u64, Relaxed);
    }
}

/// A request from the end of its head until its answer is handed to the connection or given up.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Mark>);

impl Exchange {
    /// Whether the request's body was dropped before its end.
    pub(super) fn body_is_unread(&self) -> bool {
        self.0.body_unread.load(Relaxed)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// An answer's body, which ends its exchange.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    _exchange: Exchange,
}

impl AnswerBody {
    pub(super) fn new(body: Body, exchange: Exchange) -> Self {
        Self { body, _exchange: exchange }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body, which notes if it is dropped before its end.
#[derive(Debug)]
pub(super) struct RequestBody {
    body: Incoming,
    ended: bool,
    mark: Arc<Mark>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, mark: Arc<Mark>) -> Self {
        Self { body, ended: false, mark }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.mark.body_unread.store(true, Relaxed);
        }
    }
}

/// An accepted socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls the same method on whichever socket it is.
macro_rules! either {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match $stream {
            Stream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets hold nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), poll_shutdown(cx))
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

/// The socket as hyper sees it.
#[derive(Debug)]
pub(super) struct Io {
    stream: Stream,
    mark: Arc<Mark>,
    /// Whether the last read, and the last write, was pending; the mark is touched when that changes only.
    read_pending: bool,
    write_pending: bool,
    write_shut: bool,
}

impl Drop for Io {
    fn drop(&mut self) {
        // Before it is closed: its number may be another one's then.
        *self.mark.socket.lock() = None;
    }
}

impl Io {
    pub(super) fn new(stream: Stream, mark: Arc<Mark>) -> Self {
        *mark.socket.lock() = Some(stream.as_raw_fd());
        Self { stream, mark, read_pending: false, write_pending: false, write_shut: false }
    }

    fn note_write(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_pending() != self.write_pending {
            self.write_pending = polled.is_pending();
            let since = if self.write_pending { self.mark.registry.tick() + 1 } else { 0 };
            self.mark.write_pending.store(since, Relaxed);
            // Of a large answer the last bytes leave long after hyper has taken them: the rest begins then.
            let (phase, _) = self.mark.phase();
            if matches!(phase, Phase::Idle | Phase::Head) {
                self.mark.enter(phase);
            }
        }
        polled
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before && this.mark.phase().0 == Phase::Idle {
            this.mark.enter(Phase::Head);
        }
        if polled.is_pending() != this.read_pending {
            this.read_pending = polled.is_pending();
            this.mark.watched.store(this.read_pending, Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note_write(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.note_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Ends the sending side. If the client is still sending a body that nobody wants, it is read and thrown
    /// away for a while: closing at once would reset the connection, and the client would never see why.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.write_shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.write_shut = true;
            if this.mark.body_unread.load(Relaxed) {
                this.mark.enter(Phase::Lingering);
            }
        }
        if this.mark.phase().0 == Phase::Lingering {
            ready!(poll_discard(&mut this.stream, cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads to the end (or an error) and keeps nothing.
pub(super) fn poll_discard(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
    let mut scratch = [0; 16 << 10];
    // A client that sends without end must not keep the others waiting.
    for _ in 0..16 {
        let mut buf = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {}
            Ok(()) | Err(_) => return Poll::Ready(()),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
