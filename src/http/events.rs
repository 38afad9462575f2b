//! `getEvents`: a job's life as it happens, as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName};
use hyper::body::Frame;
use serde::Serialize;

use super::app::{App, Handled};
use super::extract::Asker;
use super::negotiate::check_accepts;
use super::problem::Problem;
use super::segment::Segment;
use crate::api::{AcceptedProblems, Invalid, Job, JobProblems, Query, ReadProblems, event_of};
use crate::service::{Cursor, Follower, JobEvent, JobShown, Request};

pub(super) const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes of a frame of events, about.
const FRAME_BYTES: usize = 64 << 10;

/// What happens to a job, from its beginning on, as server-sent events; the stream ends with the job.
///
/// `state` `{state, at, attempts}`, `progress` `{done, total}`, `log` `{text}` and at last `end`, whose data is the
/// job. Each has an `id`; sent as `Last-Event-ID`, it lets the stream go on where it was cut. `draining` ends the
/// stream of a job that a server which goes down won't start any more.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", operation_id = "getEvents", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"),
           ("Last-Event-ID" = Option<String>, Header,
            pattern = "^([1-4][.][0-9]{1,9}[.]([0-9]{1,9})?[.][0-9]{1,9}[.][0-9]{1,9})?$",
            description = "The last id that was received; empty: none")),
    responses((status = 200, description = "The events", body = serde_json::Value, content_type = "text/event-stream",
               example = "id: 1.0..0.0\nevent: state\ndata: {\"state\":\"queued\",\
\"at\":\"2026-01-02T03:04:05.678000Z\",\"attempts\":0}\n\n"),
              ReadProblems, JobProblems, AcceptedProblems))]
pub async fn get_events(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accepts(&headers, EVENT_STREAM)?;
    Query::parse(query.as_deref(), &[])?;
    let from = cursor_of(&headers)?;
    app.answer(asker, Request::FollowJob { id, from }).await
}

fn cursor_of(headers: &HeaderMap) -> Result<Cursor, Invalid> {
    let name = "Last-Event-ID";
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let Some(value) = values.next().filter(|value| !value.is_empty()) else { return Ok(Cursor::start()) };
    if values.next().is_some() {
        return Err(Invalid::new(name, "the header Last-Event-ID is given twice"));
    }
    let cursor = value.to_str().ok().and_then(|text| text.parse().ok());
    cursor.ok_or_else(|| {
        Invalid::new(name, "Last-Event-ID must be the id of an event of this stream; without it all are sent")
    })
}

/// The events of a follower as a body; `base_url` is what links begin with.
pub(super) fn body_of(follower: Follower, base_url: &str) -> Body {
    Body::new(Events(Some(Box::pin(next_frame(follower, base_url.to_owned())))))
}

/// Waits for the next events; `None` after the last.
async fn next_frame(mut follower: Follower, base_url: String) -> Option<(Bytes, Follower, String)> {
    if follower.has_ended() {
        return None;
    }
    let Some(first) = follower.next(Instant::now() + KEEP_ALIVE).await else {
        return Some((Bytes::from_static(b": keep-alive\n\n"), follower, base_url));
    };
    let mut frame = Vec::new();
    write_event(&mut frame, &follower, first, &base_url);
    while frame.len() < FRAME_BYTES
        && let Some(event) = follower.try_next()
    {
        write_event(&mut frame, &follower, event, &base_url);
    }
    Some((frame.into(), follower, base_url))
}

fn write_event(frame: &mut Vec<u8>, follower: &Follower, event: JobEvent, base_url: &str) {
    let ends = event == JobEvent::End;
    let (name, data) = event_of(event);
    let data = match data {
        Some(data) => json(&data),
        None if ends => json(&Job::of(&JobShown::of(Arc::clone(follower.record())), base_url)),
        None => Problem::draining().about(follower.record()).text(),
    };
    frame.extend_from_slice(format!("id: {}\nevent: {name}\ndata: ", follower.cursor()).as_bytes());
    // The data is one line: in JSON, line ends stand between tokens alone.
    frame.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    frame.extend_from_slice(b"\n\n");
}

fn json(event: &impl Serialize) -> Vec<u8> {
    // A struct of strings and numbers always has a JSON text.
    serde_json::to_vec(event).unwrap_or_default()
}

type NextFrame = Pin<Box<dyn Future<Output = Option<(Bytes, Follower, String)>> + Send>>;

/// The answer's body: the wait for the next events. Dropped, nobody follows any more.
struct Events(Option<NextFrame>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(told) = next.as_mut().poll(cx) else { return Poll::Pending };
        let Some((frame, follower, base_url)) = told else {
            self.0 = None;
            return Poll::Ready(None);
        };
        self.0 = Some(Box::pin(next_frame(follower, base_url)));
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}
