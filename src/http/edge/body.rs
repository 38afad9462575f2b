//! Reading a request's body into memory: bounded in bytes, and in the time it may stand still.
//!
//! Nothing here knows JSON or what a body is for; the answers to its errors are made elsewhere.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use hyper::body::Frame;
use tokio::time::Instant;

use crate::jobs::{Overloaded, Reservation};

/// Room in the queue that is taken before a body's bytes have come: many heads alone must not lock others out.
const RESERVED_AHEAD_MAX: usize = 16 << 10;
/// A body must bring so much on average, after twice `--body-stall`: a byte now and then holds no place for ever.
const BYTES_PER_SECOND_MIN: u64 = 1 << 10;
/// Allocated at once for a body that says how long it is; the pages are the kernel's until bytes arrive.
const ALLOCATED_AT_ONCE_MAX: usize = 1 << 20;

/// Most bytes of a body that holds no work.
pub const SMALL_BYTES_MAX: usize = 64 << 10;

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is, or says that it will be, larger than the limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// It is larger than what holds no work may be.
    #[error("the body is larger than {SMALL_BYTES_MAX} bytes")]
    TooLargeHere,
    /// No byte came for this long.
    #[error("no byte of the body came for {} s", after.as_secs_f64())]
    Stalled {
        /// How long was waited.
        after: Duration,
    },
    /// Its bytes come more slowly than the floor.
    #[error("{received} bytes of the body came in {} s: fewer than {BYTES_PER_SECOND_MIN} a second", .after.as_secs())]
    TooSlow {
        /// How many came.
        received: usize,
        /// In how long.
        after: Duration,
    },
    /// The connection broke, or the body's framing is wrong.
    #[error("the body could not be read: {0}")]
    Broken(String),
    /// There is no room for it now.
    #[error("{0}")]
    Overloaded(Overloaded),
}

/// Reads the whole body of a request for work: its bytes count as queued from the first on.
pub async fn read_body(
    body: Body,
    declared: Option<u64>,
    limit: usize,
    stall: Duration,
    room: &mut Reservation,
) -> Result<Bytes, BodyError> {
    read(body, declared, limit, stall, |bytes| room.grow_to(bytes).map_err(BodyError::Overloaded)).await
}

/// Reads the body of an operation that takes little or nothing.
pub async fn read_small_body(body: Body, headers: &HeaderMap, stall: Duration) -> Result<Bytes, BodyError> {
    let declared = declared_length(&body, headers);
    let read = read(body, declared, SMALL_BYTES_MAX, stall, |_| Ok(())).await;
    read.map_err(
        |error| if matches!(error, BodyError::TooLarge { .. }) { BodyError::TooLargeHere } else { error },
    )
}

/// A body that came in one piece is returned as it came, without a copy, and no timer is made unless bytes have
/// to be waited for. At most `limit` bytes are ever held, and `room` is asked before there are more.
async fn read(
    mut body: Body,
    declared: Option<u64>,
    limit: usize,
    stall: Duration,
    mut room: impl FnMut(usize) -> Result<(), BodyError>,
) -> Result<Bytes, BodyError> {
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLarge { limit });
    }
    let expected = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    room(expected.min(RESERVED_AHEAD_MAX))?;
    let Some(first) = next_piece(&mut body, stall).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    room(first.len())?;
    if body.is_end_stream() {
        return Ok(first);
    }
    // Boxed, as the wait for a piece is: most bodies need neither, and the futures of handlers stay small.
    Box::pin(read_rest(body, first, expected, limit, stall, room)).await
}

/// The pieces after the first.
async fn read_rest(
    mut body: Body,
    first: Bytes,
    expected: usize,
    limit: usize,
    stall: Duration,
    mut room: impl FnMut(usize) -> Result<(), BodyError>,
) -> Result<Bytes, BodyError> {
    let rate = RateFloor { begun: Instant::now(), stall };
    let Some(second) = rate.next_piece(&mut body, first.len()).await? else {
        return Ok(first);
    };

    let mut whole = Vec::with_capacity(expected.min(ALLOCATED_AT_ONCE_MAX).max(first.len()));
    whole.extend_from_slice(&first);
    drop(first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if bytes.len() > limit - whole.len() {
            return Err(BodyError::TooLarge { limit });
        }
        room(whole.len() + bytes.len())?;
        reserve(&mut whole, bytes.len(), limit);
        whole.extend_from_slice(&bytes);
        // Freed before the next wait: the connection's buffer can be used again.
        drop(bytes);
        piece = if body.is_end_stream() { None } else { rate.next_piece(&mut body, whole.len()).await? };
    }
    Ok(Bytes::from(whole))
}

/// How fast a body must come: no pause of `stall`, and after twice that its floor on average.
struct RateFloor {
    begun: Instant,
    stall: Duration,
}

impl RateFloor {
    async fn next_piece(&self, body: &mut Body, received: usize) -> Result<Option<Bytes>, BodyError> {
        let allowed = self.stall * 2 + Duration::from_secs(received as u64 / BYTES_PER_SECOND_MIN);
        let left = allowed.saturating_sub(self.begun.elapsed());
        match next_piece(body, left.min(self.stall)).await {
            Err(BodyError::Stalled { .. }) if left < self.stall => {
                Err(BodyError::TooSlow { received, after: self.begun.elapsed() })
            }
            other => other,
        }
    }
}

/// What the request says of its body's length, if it does.
pub fn declared_length(body: &Body, headers: &HeaderMap) -> Option<u64> {
    let header = headers.get(header::CONTENT_LENGTH);
    match header.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok()) {
        Some(length) => Some(length),
        None => body.size_hint().exact(),
    }
}

/// Makes room for `more` bytes: doubles, as `Vec` does, but never beyond `limit`.
fn reserve(whole: &mut Vec<u8>, more: usize, limit: usize) {
    let needed = whole.len() + more;
    if needed > whole.capacity() {
        let target = whole.capacity().saturating_mul(2).clamp(needed, limit.max(needed));
        whole.reserve_exact(target - whole.len());
    }
}

/// The next bytes, or `None` at the end; frames without bytes are passed over.
pub(super) async fn next_piece(body: &mut Body, stall: Duration) -> Result<Option<Bytes>, BodyError> {
    loop {
        // What has arrived needs no timer.
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
        let frame = match polled {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let waited = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
                Box::pin(tokio::time::timeout(stall, waited))
                    .await
                    .map_err(|_elapsed| BodyError::Stalled { after: stall })?
            }
        };
        match frame.transpose().map_err(|error| BodyError::Broken(error.to_string()))?.map(Frame::into_data) {
            None => return Ok(None),
            Some(Ok(bytes)) if !bytes.is_empty() => return Ok(Some(bytes)),
            // Empty data, or trailers.
            Some(Ok(_) | Err(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::Context;

    use tokio::sync::mpsc;

    use super::*;

    const STALL: Duration = Duration::from_millis(50);

    async fn read_with(
        body: Body,
        headers: &HeaderMap,
        limit: usize,
        stall: Duration,
        room: impl FnMut(usize) -> Result<(), BodyError>,
    ) -> Result<Bytes, BodyError> {
        let declared = declared_length(&body, headers);
        super::read(body, declared, limit, stall, room).await
    }

    /// A body whose pieces a test hands over one by one.
    struct Pieces(mpsc::Receiver<Bytes>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    fn pieces() -> (mpsc::Sender<Bytes>, Body) {
        let (sender, receiver) = mpsc::channel(64);
        (sender, Body::new(Pieces(receiver)))
    }

    fn with_length(length: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, length.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let bytes = Bytes::from(vec![7u8; 1_000]);
        let read =
            read_with(Body::from(bytes.clone()), &HeaderMap::new(), 1_000, STALL, |_| Ok(())).await.unwrap();
        assert_eq!(read.as_ptr(), bytes.as_ptr());

        let (sender, body) = pieces();
        sender.try_send(bytes.clone()).unwrap();
        drop(sender);
        let read = read_with(body, &HeaderMap::new(), 1_000, STALL, |_| Ok(())).await.unwrap();
        assert_eq!(read.as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn pieces_are_joined_in_order() {
        for headers in [HeaderMap::new(), with_length("6")] {
            let (sender, body) = pieces();
            for piece in ["a", "", "bc", "def"] {
                sender.try_send(Bytes::from_static(piece.as_bytes())).unwrap();
            }
            drop(sender);
            assert_eq!(read_with(body, &headers, 6, STALL, |_| Ok(())).await.unwrap(), "abcdef");
        }
        let empty = read_with(Body::empty(), &HeaderMap::new(), 0, STALL, |_| Ok(())).await.unwrap();
        assert!(empty.is_empty());
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_reads_nothing() {
        for length in ["11", "18446744073709551615"] {
            // The sender stays: reading would stall.
            let (_sender, body) = pieces();
            let read = read_with(body, &with_length(length), 10, STALL, |_| Ok(())).await;
            assert_eq!(read, Err(BodyError::TooLarge { limit: 10 }), "{length}");
        }
    }

    #[tokio::test]
    async fn what_is_announced_and_not_sent_takes_little_room() {
        let (sender, body) = pieces();
        sender.try_send(Bytes::from_static(b"{")).unwrap();
        let mut most = 0;
        let room = |bytes: usize| {
            most = most.max(bytes);
            Ok(())
        };
        let read = read_with(body, &with_length("64000000"), 64_000_000, STALL, room).await;
        assert_eq!(read, Err(BodyError::Stalled { after: STALL }));
        assert_eq!(most, RESERVED_AHEAD_MAX);
    }

    #[tokio::test]
    async fn unannounced_bytes_over_the_limit_end_the_reading() {
        for sizes in [[11, 1, 1], [5, 6, 1], [5, 5, 1]] {
            let (sender, body) = pieces();
            for size in sizes {
                sender.try_send(Bytes::from(vec![0u8; size])).unwrap();
            }
            let read = read_with(body, &HeaderMap::new(), 10, STALL, |_| Ok(())).await;
            assert_eq!(read, Err(BodyError::TooLarge { limit: 10 }), "{sizes:?}");
        }
    }

    /// Feeds twenty pieces, an eighth of a stall apart, and then nothing more.
    async fn paced(piece: &'static [u8], stall: Duration) -> (Result<Bytes, BodyError>, Duration) {
        let (sender, body) = pieces();
        let feed = async move {
            for _ in 0..20 {
                tokio::time::sleep(stall / 8).await;
                let _ = sender.send(Bytes::from_static(piece)).await;
            }
            sender
        };
        let headers = HeaderMap::new();
        let started = Instant::now();
        let (read, _sender) = tokio::join!(read_with(body, &headers, 1 << 20, stall, |_| Ok(())), feed);
        (read, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_standing_still_is_a_stall() {
        // Longer in all than a stall may be, in steps that are not.
        let stall = Duration::from_millis(800);
        let (read, took) = paced(&[b'x'; 2048], stall).await;
        assert_eq!(read, Err(BodyError::Stalled { after: stall }));
        assert!(took >= stall * 7 / 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a7_a_byte_now_and_then_holds_no_place() {
        let stall = Duration::from_secs(8);
        let (read, took) = paced(b"x", stall).await;
        assert!(matches!(read, Err(BodyError::TooSlow { received: 16..=18, .. })), "{read:?}");
        assert!(took < stall * 3, "{took:?}");
    }

    #[test]
    fn room_never_exceeds_the_limit() {
        let mut whole = Vec::new();
        while whole.len() < 1_000 {
            reserve(&mut whole, 10, 1_000);
            whole.extend_from_slice(&[0; 10]);
            assert!(whole.capacity() <= 1_000, "{}", whole.capacity());
        }
    }
}
