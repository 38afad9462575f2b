//! The body of a request for work, its bytes counted as queued.

use std::future::ready;
use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::Request;

use crate::http::app::App;
use crate::http::edge::body::{declared_length, read_body};
use crate::http::edge::extract::SentKey;
use crate::http::edge::negotiate::{Takes, check_call};
use crate::http::edge::problem::Problem;
use crate::jobs::{IdempotencyKey, Reservation};
use crate::service::{self, WantedJob};

/// A body of work.
pub(super) struct WorkBody {
    pub bytes: Bytes,
    /// They count as queued.
    pub room: Reservation,
    /// The idempotency key of a submission.
    pub key: Option<Box<IdempotencyKey>>,
}

/// A body that is being read. Boxed: the futures of handlers stay so small that the allocator has them at hand.
pub(super) type Reading<'a> = Pin<Box<dyn Future<Output = Result<WorkBody, Problem>> + Send + 'a>>;

/// The request for a call that its client waits for: for its value, or for what it yields as it comes.
pub(super) fn run(wanted: Box<WantedJob>, takes: Takes) -> service::Request {
    if takes.is_stream() { service::Request::RunYielding(wanted) } else { service::Request::Run(wanted) }
}

/// The body of a request for work that has no query, as [`body_of`] reads it.
pub(super) fn body_of_work(app: &App, request: Request) -> Reading<'_> {
    body_of_call(app, request, Takes::Json)
}

/// The same, of a call whose client may take what it yields as it comes.
pub(super) fn body_of_call(app: &App, request: Request, takes: Takes) -> Reading<'_> {
    match check_call(&request, takes, &[]) {
        Ok(_) => body_of(app, request),
        Err(problem) => Box::pin(ready(Err(problem))),
    }
}

/// The body of a request for work, its bytes counted as queued.
pub(super) fn body_of(app: &App, request: Request) -> Reading<'_> {
    let (mut head, body) = request.into_parts();
    let declared = declared_length(&body, &head.headers);
    let key = head.extensions.remove::<SentKey>().map(|SentKey(key)| Box::new(key));
    Box::pin(async move {
        let mut room = app.service.admit()?;
        let limits = app.limits();
        let (limit, stall) = (limits.body_bytes_max, limits.body_stall_timeout);
        let read = read_body(body, declared, limit, stall, &mut room).await;
        read.map(|bytes| WorkBody { bytes, room, key }).map_err(|error| Problem::of_body(&error))
    })
}
