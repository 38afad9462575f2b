//! `imap`, `imapUnordered` and their streams: a record per item, as soon as it is ready.
//!
//! Items are fed to the pool as long as there is room in the window; a record that the client took makes room.
//! So memory is bounded both ways, whatever the length.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};

use super::lines::{Feeding, Lines, Stopped, feed_items, feed_lines};
use super::negotiate::{check_accept, check_accepts, check_content_type, check_content_type_is};
use super::problem::Problem;
use super::state::Shared;
use super::submit::{JOB_HEADER, body_of};
use crate::api::{
    CallOptions, Invalid, MapBody, MapRequest, OPTIONS, Options, Query, ReadProblems, SubmitProblems,
};
use crate::jobs::{JobKind, NewJob, Record, Reservation};
use crate::json::Splitter;
use crate::pool::{Held, Sink, Submission, Work};

const NDJSON: &str = "application/x-ndjson";
/// Items that may be between a client's sending and its taking, at least and at most.
const WINDOW_ITEMS_MIN: usize = 1 << 10;
const WINDOW_ITEMS_MAX: usize = 1 << 20;
const CHUNKSIZE_MAX: usize = 1 << 20;

/// Calls a function for each item; a line per item, in order (`Pool.imap`).
#[utoipa::path(post, path = "/v1/imap", operation_id = "imap", tag = "submit", request_body = MapBody,
    responses((status = 200, body = String, content_type = "application/x-ndjson",
               description = "A line per item as it is ready: `{\"index\":0,\"value\":1}` or \
`{\"index\":1,\"error\":{…}}`; the last line is `{\"end\":true,\"done\":n,\"failed\":m}`: a stream without it was cut",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    from_body(app, request, JobKind::Imap).await
}

/// Calls a function for each item; a line per item, as each is ready (`Pool.imap_unordered`).
#[utoipa::path(post, path = "/v1/imap_unordered", operation_id = "imapUnordered", tag = "submit",
    request_body = MapBody,
    responses((status = 200, body = String, content_type = "application/x-ndjson",
               description = "As imap, in the order in which items are ready",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap_unordered(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    from_body(app, request, JobKind::ImapUnordered).await
}

/// imap over an endless iterable: an item a line, answers while the request is still being sent.
#[utoipa::path(post, path = "/v1/imap/stream", operation_id = "imapStream", tag = "submit",
    params(("function" = String, Query, description = "Public name of the function", example = "tasks.square"),
           ("chunksize" = Option<u64>, Query, description = "Items a task; 1 if left out", minimum = 1,
            maximum = 1048576), CallOptions),
    request_body(content = serde_json::Value, content_type = "application/x-ndjson", description = "An item a line",
                 example = json!("1\n2\n3\n")),
    responses((status = 200, body = String, content_type = "application/x-ndjson", description = "As imap",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap_stream(
    State(app): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    from_stream(app, query.as_deref(), request, JobKind::Imap)
}

/// imap_unordered over an endless iterable: an item a line, answers while the request is still being sent.
#[utoipa::path(post, path = "/v1/imap_unordered/stream", operation_id = "imapUnorderedStream", tag = "submit",
    params(("function" = String, Query, description = "Public name of the function", example = "tasks.square"),
           ("chunksize" = Option<u64>, Query, description = "Items a task; 1 if left out", minimum = 1,
            maximum = 1048576), CallOptions),
    request_body(content = serde_json::Value, content_type = "application/x-ndjson", description = "An item a line",
                 example = json!("1\n2\n3\n")),
    responses((status = 200, body = String, content_type = "application/x-ndjson",
               description = "As imap, in the order in which items are ready",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap_unordered_stream(
    State(app): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    from_stream(app, query.as_deref(), request, JobKind::ImapUnordered)
}

async fn from_body(app: Arc<Shared>, request: Request, kind: JobKind) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    check_takes_lines(request.headers())?;
    check_content_type(request.headers())?;
    let (body, room) = body_of(&app, request).await?;
    let wanted = MapRequest::parse(&body, app.limits.depth_max)?;
    let chunksize = wanted.chunksize.unwrap_or(1).min(CHUNKSIZE_MAX);
    let asked = Asked { function: wanted.function, chunksize, options: wanted.options, kind };
    let items = wanted.items;
    start(app, asked, room, |feeding| tokio::spawn(feed_items(feeding, Splitter::new(items))))
}

fn from_stream(
    app: Arc<Shared>,
    query: Option<&str>,
    request: Request,
    kind: JobKind,
) -> Result<Response, Problem> {
    let query = Query::parse(query, &[&["function", "chunksize"], OPTIONS].concat())?;
    check_takes_lines(request.headers())?;
    check_content_type_is(request.headers(), NDJSON)?;
    let function = query.text("function").ok_or_else(|| {
        Invalid::new("function", "the query parameter function is missing: the public name of a function")
    })?;
    let asked = Asked {
        function: function.to_owned(),
        chunksize: query.number("chunksize", 1..=CHUNKSIZE_MAX)?.unwrap_or(1),
        options: Options::from_query(&query)?,
        kind,
    };
    let room = app.admission.reserve();
    let (depth_max, line_bytes_max) = (app.limits.depth_max, app.limits.body_bytes_max);
    let stall = app.limits.body_stall_timeout;
    let (body, admission) = (request.into_body(), app.admission.clone());
    start(app, asked, room, move |feeding| {
        tokio::spawn(feed_lines(feeding, body, depth_max, line_bytes_max, stall, admission))
    })
}

fn check_takes_lines(headers: &HeaderMap) -> Result<(), Problem> {
    // Who asks for JSON (curl's --json does) takes lines of it.
    check_accepts(headers, NDJSON).or_else(|refused| check_accept(headers).map_err(|_| refused))
}

struct Asked {
    function: String,
    chunksize: usize,
    options: Options,
    kind: JobKind,
}

/// Starts the job and its feeder; the answer's body does the rest.
fn start(
    app: Arc<Shared>,
    asked: Asked,
    room: Reservation,
    feeder: impl FnOnce(Feeding) -> tokio::task::JoinHandle<()>,
) -> Result<Response, Problem> {
    let service = app.service_for_work()?;
    let function = Arc::clone(service.function(&asked.function)?);
    let pool = service.pool_for(&function, asked.options.pool.as_deref())?;
    let permit = room.into_permit().map_err(|overloaded| Problem::overloaded(&overloaded))?;
    let new = NewJob {
        kind: asked.kind,
        function: Arc::clone(&function.name),
        pool: Arc::clone(&pool.name),
        total: 0,
        chunksize: Some(asked.chunksize as u64),
        retained: false,
        terms: asked.options.into_terms(function.run_timeout, function.retries),
    };
    let record = Arc::new(Record::new(new));
    let (sender, receiver) = mpsc::unbounded_channel();
    let (fed, held) = (Held::new(), Held::new());
    let (fed_here, held_here) = (Arc::clone(&fed), Arc::clone(&held));
    let sink = Sink { records: sender, fed: fed_here, held: held_here };
    app.jobs.insert(Arc::clone(&record));
    let work = Work::Feed { spread: false, sink };
    pool.submit(Submission { record: Arc::clone(&record), function, work, permit });

    let items = asked.chunksize.saturating_mul(pool.processes() * 4);
    let window =
        Arc::new(Semaphore::new(items.clamp(WINDOW_ITEMS_MIN, WINDOW_ITEMS_MAX).max(asked.chunksize)));
    let stopped: Stopped = Arc::new(Mutex::new(None));
    let feeding = Feeding {
        pool: pool.clone(),
        record: Arc::clone(&record),
        window: Arc::clone(&window),
        fed,
        chunksize: asked.chunksize,
        stopped: Arc::clone(&stopped),
    };
    let feeder = feeder(feeding).abort_handle();
    let id = HeaderValue::from_str(&record.id.to_string()).unwrap_or(HeaderValue::from_static("?"));
    let ordered = asked.kind == JobKind::Imap;
    let lines = Lines::new(app, pool, record, receiver, held, window, stopped, feeder, ordered);
    let mut response = Response::new(Body::new(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response.headers_mut().insert(JOB_HEADER, id);
    Ok(response)
}

/// Bytes of a frame of lines, about.
pub(super) const FRAME_BYTES: usize = 64 << 10;

/// A record as its line.
pub(super) fn line_of(index: u64, record: &Bytes, into: &mut bytes::BytesMut) {
    into.extend_from_slice(b"{\"index\":");
    into.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
    into.extend_from_slice(b",");
    into.extend_from_slice(record.get(1..).unwrap_or_default());
    into.extend_from_slice(b"\n");
}
