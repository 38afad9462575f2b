//! One connection: its state (what it is at, and since when) and the wrappers that keep it: around the
//! socket, the request's body and the answer's.
//!
//! Nothing here closes a connection for being late; the registry's sweep reads these states and does.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Version;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use nix::sys::socket::{MsgFlags, send};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::registry::Registry;
use super::stream::{Stream, poll_discard};
use crate::sys::{Peer, peer_of};

/// What a client that has stopped sending is told while its answer is made. One that only half-closed reads on (any
/// number of these may precede an answer: RFC 9110, section 15.2); from one that has gone a reset comes back.
const STILL_THERE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// When the connection is looked at again after that, besides once in each sweep.
const ROUND_TRIP: Duration = Duration::from_millis(150);
/// How long a handler may take to read what is there of a body.
const BODY_READ: Duration = Duration::from_millis(50);

/// What is known of the client of a request at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// As far as is known it awaits its answer.
    Reads,
    /// Its answer is of no use.
    Left,
    /// It sends no more.
    Unknown,
}

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
pub(super) struct ConnectionState {
    /// The phase in the low bits, above it the tick it began at.
    phase: AtomicU64,
    /// The tick since which a write is pending, plus one; 0 if none is.
    write_pending: AtomicU64,
    /// The present request's body was dropped before its end.
    body_unread: AtomicBool,
    /// The present request's body may bring more.
    body_open: AtomicBool,
    /// hyper has asked for bytes and waits for them, so that it sees the client leave.
    watched: AtomicBool,
    /// The present request's answer is being streamed.
    streaming: AtomicBool,
    /// The client sends no more, and waits for its answer.
    half_closed: AtomicBool,
    /// The present request may be answered by [`STILL_THERE`] first: it is of HTTP/1.1, and this wasn't done.
    may_ask: AtomicBool,
    /// How long after its client has stopped sending, in milliseconds.
    asks_after: AtomicU64,
    /// hyper is to be told after the answer that the client has sent its last byte, and wakes up for it.
    end_held: AtomicBool,
    reader: Mutex<Option<Waker>>,
    /// The socket, while it is open.
    socket: Mutex<Option<RawFd>>,
    /// A Unix socket tells itself who is gone.
    is_tcp: bool,
    registry: Arc<Registry>,
}

impl ConnectionState {
    pub(super) fn new(registry: Arc<Registry>, stream: &Stream) -> Arc<Self> {
        let state = Self {
            phase: AtomicU64::new(0),
            write_pending: AtomicU64::new(0),
            body_unread: AtomicBool::new(false),
            body_open: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            streaming: AtomicBool::new(false),
            half_closed: AtomicBool::new(false),
            may_ask: AtomicBool::new(false),
            asks_after: AtomicU64::new(0),
            end_held: AtomicBool::new(false),
            reader: Mutex::new(None),
            socket: Mutex::new(None),
            is_tcp: matches!(stream, Stream::Tcp(_)),
            registry,
        };
        state.enter(Phase::Idle);
        Arc::new(state)
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// A request's head is complete. It is in flight until what is returned is dropped.
    pub(super) fn begin_request(self: &Arc<Self>, version: Version, asks_after: Duration) -> InFlight {
        self.body_unread.store(false, Relaxed);
        self.body_open.store(false, Relaxed);
        self.streaming.store(false, Relaxed);
        self.may_ask.store(version >= Version::HTTP_11 && self.is_tcp, Relaxed);
        self.asks_after.store(u64::try_from(asks_after.as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.enter(Phase::Busy);
        InFlight(Arc::clone(self))
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
    /// request lie in its buffer, it doesn't read on; nor after the client has half-closed.
    pub(super) fn has_left_unseen(&self) -> bool {
        self.phase().0 == Phase::Busy && !self.watched.load(Relaxed) && self.ask() == Client::Left
    }

    /// What is known of the client of a request at work, without asking it.
    fn client(&self) -> Client {
        let Some(socket) = *self.socket.lock() else { return Client::Reads };
        match peer_of(socket) {
            Peer::Gone => Client::Left,
            Peer::Open => Client::Reads,
            Peer::SendsNoMore if self.half_closed.load(Relaxed) || !self.is_tcp => Client::Reads,
            // In the middle of a stream nothing can be asked; nor in the answer to the request before.
            Peer::SendsNoMore if self.streaming.load(Relaxed) => Client::Left,
            Peer::SendsNoMore if self.write_pending_since().is_some() => Client::Reads,
            Peer::SendsNoMore => Client::Unknown,
        }
    }

    /// The same, and a client that has stopped sending is asked whether it still reads: to half-close is no sign that
    /// it has lost interest (RFC 9112, section 9.6), but whoever has gone looks the same.
    fn ask(&self) -> Client {
        if self.client() == Client::Unknown {
            // HTTP/1.0 knows no such question. Proxies that speak it close when their client has left.
            if !self.may_ask.load(Relaxed) {
                return Client::Left;
            }
            if let Some(socket) = self.socket.lock().filter(|_| self.may_ask.swap(false, Relaxed)) {
                // What can't be sent now is not asked; the answer will tell.
                let _ = send(socket, STILL_THERE, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
            }
            self.half_closed.store(true, Relaxed);
        }
        self.client()
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(self.registry.tick() << PHASE_BITS | phase as u64, Relaxed);
    }
}

/// A request from the end of its head until its answer is handed to the connection or given up.
#[derive(Debug)]
pub(super) struct InFlight(Arc<ConnectionState>);

impl InFlight {
    /// Its answer is about to be written, piece by piece.
    pub(super) fn stream(&self) {
        self.0.streaming.store(true, Relaxed);
    }

    /// Whether the request's body was dropped before its end.
    pub(super) fn body_is_unread(&self) -> bool {
        self.0.body_unread.load(Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
        if self.0.end_held.load(Relaxed)
            && let Some(reader) = self.0.reader.lock().take()
        {
            reader.wake();
        }
    }
}

/// An answer's body: until it is dropped, its request is in flight. What the connection has of the answer counts until
/// that is written.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    in_flight: InFlight,
}

impl AnswerBody {
    pub(super) fn new(body: Body, in_flight: InFlight) -> Self {
        Self { body, in_flight }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // The body is dropped long before its last bytes are written.
        let answers = self.in_flight.0.registry.answers();
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| answers.counted(bytes)))))
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
    state: Arc<ConnectionState>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, state: Arc<ConnectionState>) -> Self {
        state.body_open.store(true, Relaxed);
        Self { body, ended: false, state }
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
        if self.ended || self.body.is_end_stream() {
            self.state.body_open.store(false, Relaxed);
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
        self.state.body_open.store(false, Relaxed);
        if !self.ended && !self.body.is_end_stream() {
            self.state.body_unread.store(true, Relaxed);
        }
    }
}

/// The socket as hyper sees it.
#[derive(Debug)]
pub(super) struct Io {
    stream: Stream,
    state: Arc<ConnectionState>,
    /// Whether the last read, and the last write, was pending; the state is touched when that changes only.
    read_pending: bool,
    write_pending: bool,
    write_shut: bool,
    /// Until the client, which has stopped sending, is asked whether it still reads.
    asking: Option<Pin<Box<Sleep>>>,
    /// Until a body that the handler hasn't read to its end counts as cut off.
    reading: Option<Pin<Box<Sleep>>>,
}

impl Drop for Io {
    fn drop(&mut self) {
        // Before it is closed: its number may be another one's then.
        *self.state.socket.lock() = None;
    }
}

impl Io {
    pub(super) fn new(stream: Stream, state: Arc<ConnectionState>) -> Self {
        *state.socket.lock() = Some(stream.as_raw_fd());
        Self {
            stream,
            state,
            read_pending: false,
            write_pending: false,
            write_shut: false,
            asking: None,
            reading: None,
        }
    }

    /// The client has sent its last byte while its answer is made: `true` if it is still there. hyper, which would
    /// drop the request, is told after the answer. A client that doesn't read any more is given a while to show it.
    fn stays_half_closed(&mut self, cx: &mut Context<'_>) -> bool {
        if self.state.phase().0 != Phase::Busy {
            return false;
        }
        if self.state.body_open.load(Relaxed) {
            // Cut off, unless hyper has it in whole and the handler is about to read that.
            let reading = self.reading.get_or_insert_with(|| Box::pin(tokio::time::sleep(BODY_READ)));
            let waits = reading.as_mut().poll(cx).is_pending();
            self.watch(waits);
            return waits;
        }
        let mut client = self.state.client();
        if client == Client::Unknown {
            let asks_after = Duration::from_millis(self.state.asks_after.load(Relaxed));
            let asking = self.asking.get_or_insert_with(|| Box::pin(tokio::time::sleep(asks_after)));
            if !asks_after.is_zero() && asking.as_mut().poll(cx).is_pending() {
                self.watch(true);
                return true;
            }
            client = self.state.ask();
            // The reset takes a round trip.
            asking.as_mut().reset(Instant::now() + ROUND_TRIP);
        }
        let waits = client == Client::Reads
            && self.asking.as_mut().is_some_and(|asking| asking.as_mut().poll(cx).is_pending());
        // If not, the sweep looks from now on.
        self.watch(waits);
        client != Client::Left
    }

    /// Whether this connection looks after its client itself.
    fn watch(&mut self, watches: bool) {
        self.read_pending = watches;
        self.state.watched.store(watches, Relaxed);
    }

    fn note_write(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_pending() != self.write_pending {
            self.write_pending = polled.is_pending();
            let since = if self.write_pending { self.state.registry.tick() + 1 } else { 0 };
            self.state.write_pending.store(since, Relaxed);
            // Of a large answer the last bytes leave long after hyper has taken them: the rest begins then.
            let (phase, _) = self.state.phase();
            if matches!(phase, Phase::Idle | Phase::Head) {
                self.state.enter(phase);
            }
        }
        polled
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before && this.state.phase().0 == Phase::Idle {
            this.state.enter(Phase::Head);
        }
        let ended = room > 0 && buf.filled().len() == before && matches!(polled, Poll::Ready(Ok(())));
        if ended && this.stays_half_closed(cx) {
            *this.state.reader.lock() = Some(cx.waker().clone());
            this.state.end_held.store(true, Relaxed);
            return Poll::Pending;
        }
        (this.asking, this.reading) = (None, None);
        if polled.is_pending() != this.read_pending {
            this.watch(polled.is_pending());
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
            if this.state.body_unread.load(Relaxed) {
                this.state.enter(Phase::Lingering);
            }
        }
        if this.state.phase().0 == Phase::Lingering {
            ready!(poll_discard(&mut this.stream, cx));
        }
        Poll::Ready(Ok(()))
    }
}
