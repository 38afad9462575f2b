//! A value as a response: its pieces as they are, nothing copied together.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};

use crate::jobs::Value;

struct Pieces {
    rest: std::vec::IntoIter<Bytes>,
    left: u64,
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

/// 200 with the bare value.
pub fn value_response(value: Value) -> Response {
    let left = value.len() as u64;
    let mut pieces = value.pieces;
    let body = match pieces.len() {
        0 | 1 => Body::from(pieces.pop().unwrap_or_default()),
        _ => Body::new(UnsyncBoxBody::new(Pieces { rest: pieces.into_iter(), left })),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
