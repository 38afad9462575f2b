//! `getEvents`: a job's life as it happens, as server-sent events.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName};

use crate::api::{AcceptedProblems, Invalid, JobProblems, Query, ReadProblems};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::check_accepts;
use crate::http::edge::path::Segment;
use crate::http::edge::sse::EVENT_STREAM;
use crate::service::{Cursor, Request};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What happens to a job, from its beginning on, as server-sent events; the stream ends with the job.
///
/// `state` `{state, at, attempts}`, `progress` `{done, total, message}`, `log` `{text}` and at last `end`, whose data
/// is the job. Each has an `id`; sent as `Last-Event-ID`, it lets the stream go on where it was cut. `draining` ends
/// the stream of a job that a server which goes down won't start any more.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", operation_id = "getEvents", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"),
           ("Last-Event-ID" = Option<String>, Header,
            pattern = "^([1-4][.][0-9]{1,9}[.]([0-9]{1,9})?[.][0-9]{1,9}[.][0-9]{1,19}[.][0-9]{1,9})?$",
            description = "The last id that was received; empty: none")),
    responses((status = 200, description = "The events", body = serde_json::Value, content_type = "text/event-stream",
               example = "id: 1.0..0.0.0\nevent: state\ndata: {\"state\":\"queued\",\
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
