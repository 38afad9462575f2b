//! An answer that takes something with it: an item, a lock. If it is dropped before it went to the connection, that
//! goes back.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};

use super::value_body::{Raw, body_of, value_response};
use crate::jobs::{AnswerBytes, Value, Writing};
use crate::objects::{Delivery, ObjectPage};

/// A page of objects as JSON.
pub fn page_text(page: &ObjectPage) -> Bytes {
    let mut text = b"{\"items\":[".to_vec();
    text.extend_from_slice(&page.items.join(&b','));
    text.push(b']');
    if let Some(cursor) = &page.next_cursor {
        // A name needs no escapes.
        text.extend_from_slice(format!(",\"next_cursor\":\"{cursor}\"").as_bytes());
    }
    text.push(b'}');
    text.into()
}

/// 200 with this JSON.
pub fn json_text(text: Bytes, answers: &AnswerBytes) -> Response {
    let mut response = Response::new(body_of(vec![text], answers));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 200 with what was handed over. `raw`: a bytes value is wanted as it is.
pub fn delivered(delivery: Delivery, raw: Raw, answers: &AnswerBytes) -> Response {
    if !matches!(raw, Raw::No) {
        return value_response(Value::from(vec![delivery.taken()]), raw, answers);
    }
    let left = delivery.text().len() as u64;
    let writing = answers.write(delivery.text());
    let body = Once { delivery: Some(delivery), left, _writing: writing };
    let mut response = Response::new(Body::new(UnsyncBoxBody::new(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

struct Once {
    delivery: Option<Delivery>,
    left: u64,
    _writing: Option<Writing>,
}

impl hyper::body::Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.left = 0;
        Poll::Ready(self.delivery.take().map(|delivery| Ok(Frame::data(delivery.taken()))))
    }

    fn is_end_stream(&self) -> bool {
        self.delivery.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
