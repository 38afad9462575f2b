//! `imap`, `imapUnordered` and their streams: a record per item, as soon as it is ready.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::HeaderMap;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::work_body::{WorkBody, body_of};
use crate::api::{Invalid, MapBody, MapRequest, OPTIONS, Query, ReadProblems, StreamOptions, SubmitProblems};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::ndjson::{NDJSON, feed_items, feed_lines};
use crate::http::edge::negotiate::{check_accept, check_accepts, check_content_type, check_content_type_is};
use crate::http::edge::problem::Problem;
use crate::jobs::JobKind;
use crate::offload::offload;
use crate::service::{self, ItemStream, TermsAsked};

/// Items a task, at most: a task waits until it has all of its items.
const CHUNKSIZE_MAX: usize = 1 << 20;

/// Calls a function for each item; a line per item, in order (`Pool.imap`).
///
/// An error is its item's line, and the rest goes on. A client that doesn't read its lines slows the work down.
#[utoipa::path(post, path = "/v1/imap", operation_id = "imap", tag = "submit", request_body = MapBody,
    responses((status = 200, body = String, content_type = "application/x-ndjson",
               description = "A line per item as it is ready: `{\"index\":0,\"value\":1}` or \
`{\"index\":1,\"error\":{…}}`; the last line is `{\"end\":true,\"done\":n,\"failed\":m}`: a stream without it was cut",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    from_body(&app, asker, request, JobKind::Imap).await
}

/// Calls a function for each item; a line per item, as each is ready (`Pool.imap_unordered`).
///
/// As `imap`; each line has its item's `index`.
#[utoipa::path(post, path = "/v1/imap_unordered", operation_id = "imapUnordered", tag = "submit",
    request_body = MapBody,
    responses((status = 200, body = String, content_type = "application/x-ndjson",
               description = "As imap, in the order in which items are ready",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap_unordered(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    from_body(&app, asker, request, JobKind::ImapUnordered).await
}

/// imap over an endless iterable: an item a line, answers while the request is still being sent.
///
/// Options go in the query. A client that doesn't take its answers isn't read from.
#[utoipa::path(post, path = "/v1/imap/stream", operation_id = "imapStream", tag = "submit",
    params(("function" = String, Query, description = "Public name of the function", example = "tasks.square"),
           Chunksize, StreamOptions),
    request_body(content = serde_json::Value, content_type = "application/x-ndjson", description = "An item a line",
                 example = json!("1\n2\n3\n")),
    responses((status = 200, body = String, content_type = "application/x-ndjson", description = "As imap",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap_stream(
    State(app): State<Arc<App>>,
    asker: Asker,
    RawQuery(query): RawQuery,
    request: Request,
) -> Handled {
    from_stream(&app, asker, query.as_deref(), request, JobKind::Imap).await
}

/// imap_unordered over an endless iterable: an item a line, answers while the request is still being sent.
///
/// Options go in the query. A client that doesn't take its answers isn't read from.
#[utoipa::path(post, path = "/v1/imap_unordered/stream", operation_id = "imapUnorderedStream", tag = "submit",
    params(("function" = String, Query, description = "Public name of the function", example = "tasks.square"),
           Chunksize, StreamOptions),
    request_body(content = serde_json::Value, content_type = "application/x-ndjson", description = "An item a line",
                 example = json!("1\n2\n3\n")),
    responses((status = 200, body = String, content_type = "application/x-ndjson",
               description = "As imap, in the order in which items are ready",
               headers(("Forkpool-Job" = String, description = "The job's id"))),
              ReadProblems, SubmitProblems))]
pub async fn imap_unordered_stream(
    State(app): State<Arc<App>>,
    asker: Asker,
    RawQuery(query): RawQuery,
    request: Request,
) -> Handled {
    from_stream(&app, asker, query.as_deref(), request, JobKind::ImapUnordered).await
}

/// The query's parameter `chunksize`.
struct Chunksize;

impl IntoParams for Chunksize {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        let number = number.minimum(Some(1)).maximum(Some(CHUNKSIZE_MAX));
        let parameter = ParameterBuilder::new().name("chunksize").parameter_in(ParameterIn::Query);
        let parameter = parameter.required(Required::False).description(Some("Items a task; 1 if left out"));
        vec![parameter.schema(Some(number)).build()]
    }
}

async fn from_body(app: &App, asker: Asker, request: Request, kind: JobKind) -> Handled {
    Query::parse(request.uri().query(), &[])?;
    check_takes_lines(request.headers())?;
    check_content_type(request.headers())?;
    let WorkBody { bytes: body, room, .. } = body_of(app, request).await?;
    let depth_max = app.limits().depth_max;
    let (wanted, room) = offload(body.len(), move || (MapRequest::parse(&body, depth_max), room)).await;
    let wanted = wanted?;
    let items = wanted.items;
    let stream = ItemStream {
        function: wanted.function,
        kind,
        chunksize: wanted.chunksize.unwrap_or(1).min(CHUNKSIZE_MAX),
        terms: wanted.options,
        room,
        is_whole: true,
        feed: Box::new(move |feeder| Box::pin(feed_items(feeder, items))),
    };
    app.answer(asker, service::Request::Stream(Box::new(stream))).await
}

async fn from_stream(
    app: &App,
    asker: Asker,
    query: Option<&str>,
    request: Request,
    kind: JobKind,
) -> Handled {
    let query = Query::parse(query, &[&["function", "chunksize"], OPTIONS].concat())?;
    check_takes_lines(request.headers())?;
    check_content_type_is(request.headers(), NDJSON)?;
    let function = query.text("function").ok_or_else(|| {
        Invalid::new("function", "the query parameter function is missing: the public name of a function")
    })?;
    let limits = app.limits();
    let (depth_max, line_bytes_max) = (limits.depth_max, limits.body_bytes_max);
    let (stall, body) = (limits.body_stall_timeout, request.into_body());
    let stream = ItemStream {
        function: function.to_owned(),
        kind,
        chunksize: query.number("chunksize", 1..=CHUNKSIZE_MAX)?.unwrap_or(1),
        terms: TermsAsked::from_query(&query)?,
        room: app.service.admit()?,
        is_whole: false,
        feed: Box::new(move |feeder| Box::pin(feed_lines(feeder, body, depth_max, line_bytes_max, stall))),
    };
    app.answer(asker, service::Request::Stream(Box::new(stream))).await
}

fn check_takes_lines(headers: &HeaderMap) -> Result<(), Problem> {
    // Who asks for JSON (curl's --json does) takes lines of it.
    check_accepts(headers, NDJSON).or_else(|refused| check_accept(headers).map_err(|_| refused))
}
