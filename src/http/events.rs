//! `getEvents`: a job's life as it happens, as server-sent events.
//!
//! Nothing is queued for a follower. Each time that the client takes something, what is new is read from the
//! job's record: a slow client loses steps of progress in between, and neither output nor states.

mod cursor;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use hyper::body::Frame;
use serde::Serialize;

use self::cursor::{Cursor, LOG_EVENT_BYTES, Next};
use super::jobs::{find, look};
use super::negotiate::check_accepts;
use super::problem::Problem;
use super::segment::Segment;
use super::state::Shared;
use super::submit::JOB_HEADER;
use crate::api::{AcceptedProblems, Invalid, Job, JobProblems, Query, ReadProblems};
use crate::jobs::{FailureCode, Following, JobKind, Moment, Outcome, State as JobState};

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// From one step of progress to the next.
const PROGRESS_PERIOD: Duration = Duration::from_millis(50);
/// The workers' pages are looked at no more often, however many follow one job.
const LOOK_PERIOD: Duration = Duration::from_millis(25);
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
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_accepts(&headers, EVENT_STREAM)?;
    Query::parse(query.as_deref(), &[])?;
    let mut cursor = cursor_of(&headers)?;
    let record = find(&app, &id)?;
    cursor.limit_log(&record.moment(0, 0));
    let id = HeaderValue::from_str(&record.id.to_string());
    let follower =
        Follower { app, record: Following::new(record), cursor, progress_due: Instant::now(), ended: false };
    let mut response = Response::new(Body::new(Events(Some(Box::pin(follower.next())))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(id) = id {
        headers.insert(JOB_HEADER, id);
    }
    Ok(response)
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

/// One client that follows one job.
struct Follower {
    app: Arc<Shared>,
    record: Following,
    cursor: Cursor,
    /// The next step of progress is told no earlier.
    progress_due: Instant,
    ended: bool,
}

impl Follower {
    /// Waits for the next events; `None` after the last.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.ended {
            return None;
        }
        let keep_alive = Instant::now() + KEEP_ALIVE;
        loop {
            let steps = self.has_steps();
            if steps && self.record.claim_look(LOOK_PERIOD) {
                look(&self.app, &self.record).await;
            }
            let record = Arc::clone(&self.record);
            let changed = record.changed();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let frame = self.news();
            if !frame.is_empty() {
                return Some((frame, self));
            }
            let until = if steps { keep_alive.min(Instant::now() + PROGRESS_PERIOD) } else { keep_alive };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
            if Instant::now() >= keep_alive {
                return Some((Bytes::from_static(b": keep-alive\n\n"), self));
            }
        }
    }

    /// Whether its progress has steps that nobody is woken for.
    fn has_steps(&self) -> bool {
        self.record.new.kind != JobKind::Apply && self.record.state() == JobState::Running
    }

    /// What is new, as much as one frame takes.
    fn news(&mut self) -> Bytes {
        let mut frame = Vec::new();
        while frame.len() < FRAME_BYTES && !self.ended {
            let now = self.record.moment(self.cursor.log_bytes(), LOG_EVENT_BYTES);
            if will_not_start(&now) {
                self.ended = true;
                write_event(
                    &mut frame,
                    &self.cursor,
                    "draining",
                    &Problem::draining().about(&self.record).text(),
                );
                break;
            }
            let may_step = Instant::now() >= self.progress_due;
            let Some(next) = self.cursor.next(self.record.created_at, &now, may_step) else { break };
            let (name, data) = match next {
                Next::State(event) => ("state", json(&event)),
                Next::Log(event) => ("log", json(&event)),
                Next::Progress(event) => {
                    self.progress_due = Instant::now() + PROGRESS_PERIOD;
                    ("progress", json(&event))
                }
                Next::End => {
                    self.ended = true;
                    ("end", json(&Job::of(&self.record, &self.app.base_url)))
                }
            };
            write_event(&mut frame, &self.cursor, name, &data);
        }
        frame.into()
    }
}

/// Whether the server went down before it had started this job.
fn will_not_start(now: &Moment) -> bool {
    match &now.outcome {
        Some(Outcome::Failure(failure)) => failure.code == FailureCode::NotStarted,
        Some(Outcome::Value(_)) | None => false,
    }
}

fn json(event: &impl Serialize) -> Vec<u8> {
    // A struct of strings and numbers always has a JSON text.
    serde_json::to_vec(event).unwrap_or_default()
}

/// The data is one line: in JSON, line ends stand between tokens alone.
fn write_event(frame: &mut Vec<u8>, cursor: &Cursor, name: &str, data: &[u8]) {
    frame.extend_from_slice(format!("id: {cursor}\nevent: {name}\ndata: ").as_bytes());
    frame.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    frame.extend_from_slice(b"\n\n");
}

type NextEvents = Pin<Box<dyn Future<Output = Option<(Bytes, Follower)>> + Send>>;

/// The answer's body: the wait for the next events. Dropped, nobody follows any more.
struct Events(Option<NextEvents>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(told) = next.as_mut().poll(cx) else { return Poll::Pending };
        let Some((frame, follower)) = told else {
            self.0 = None;
            return Poll::Ready(None);
        };
        self.0 = Some(Box::pin(follower.next()));
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}
