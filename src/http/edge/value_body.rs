//! A value as a response: its pieces as they are, nothing copied together.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};

use super::negotiate::OCTET_STREAM;
use crate::jobs::{AnswerBytes, Value, Writing};

/// Whether a bytes value is wanted as it is.
#[derive(Debug)]
pub enum Raw {
    /// No.
    No,
    /// Yes.
    Wanted,
    /// Yes, and these are its bytes, if it is one.
    Decoded(Option<Vec<u8>>),
}

/// The bytes of `{"$bytes":"<base64>"}`, as workers write it.
pub fn raw_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let encoded = text.strip_prefix(b"{\"$bytes\":\"")?.strip_suffix(b"\"}")?;
    base64::engine::general_purpose::STANDARD.decode(encoded).ok()
}

struct Pieces {
    rest: std::vec::IntoIter<Bytes>,
    left: u64,
    /// Those that are not with the connection yet count as well as those that are.
    _writing: Vec<Writing>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.rest.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// 200 with the bare value. A bytes value goes raw to whoever asks for `application/octet-stream`. It counts as held
/// until it is written; pieces that several clients are sent count once.
pub fn value_response(value: Value, raw: Raw, answers: &AnswerBytes) -> Response {
    let raw = match (raw, value.pieces.as_slice()) {
        (Raw::Wanted, [text]) => raw_bytes(text),
        (Raw::Decoded(bytes), _) => bytes,
        (Raw::No | Raw::Wanted, _) => None,
    };
    if let Some(raw) = raw {
        let mut response = Response::new(body_of(vec![raw.into()], answers));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTET_STREAM));
        return response;
    }
    let mut response = Response::new(body_of(value.pieces, answers));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body of these pieces.
pub fn body_of(mut pieces: Vec<Bytes>, answers: &AnswerBytes) -> Body {
    let writing: Vec<Writing> = pieces.iter().filter_map(|piece| answers.write(piece)).collect();
    if pieces.len() <= 1 && writing.is_empty() {
        return Body::from(pieces.pop().unwrap_or_default());
    }
    let left = pieces.iter().map(|piece| piece.len() as u64).sum();
    Body::new(UnsyncBoxBody::new(Pieces { rest: pieces.into_iter(), left, _writing: writing }))
}
