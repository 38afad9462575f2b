//! Shared objects: three handlers for what is done to any object, one for every method of every kind. Which kinds and
//! methods there are, the table of [`crate::objects::catalog`] says.

mod answer;
mod document;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use self::answer::{handed, json};
use super::body::{declared_length, read_body};
use super::negotiate::{Plain, check_accept, check_work};
use super::problem::Problem;
use super::segment::ObjectPath;
use super::state::Shared;
use super::value::wants_raw;
use crate::api::Query;
use crate::objects::{Address, Call, Caller, Kind};

pub use document::describe;

const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

type App = State<Arc<Shared>>;

/// The routes of every kind.
pub fn routes() -> Router<Arc<Shared>> {
    let mut router = Router::new();
    for kind in Kind::ALL {
        let path = format!("/v1/{kind}");
        let end = if kind == Kind::Pipes { "/{end}" } else { "" };
        let one =
            get(move |State(app): App, path: ObjectPath, _: Plain| async move { show(&app, kind, path) });
        let one = one.put(move |State(app): App, path: ObjectPath, request| make(app, kind, path, request));
        let one =
            one.delete(
                move |State(app): App, path: ObjectPath, _: Plain| async move { remove(&app, kind, path) },
            );
        let all = get(move |State(app): App, query: RawQuery, headers: HeaderMap| async move {
            list(&app, kind, query, &headers)
        });
        let method = post(move |State(app): App, path: ObjectPath, request| call(app, kind, path, request));
        router = router
            .route(&path, all)
            .route(&format!("{path}/{{name}}"), one)
            .route(&format!("{path}/{{name}}{end}/{{method}}"), method);
    }
    router
}

fn list(
    app: &Shared,
    kind: Kind,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    check_accept(headers)?;
    let query = Query::parse(query.as_deref(), &["limit", "cursor"])?;
    let limit = query.number("limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    app.service()?;
    let page = app.objects.list(kind, limit, query.text("cursor"));
    let mut text = b"{\"items\":[".to_vec();
    for (index, item) in page.items.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(item);
    }
    text.push(b']');
    if let Some(cursor) = page.next_cursor {
        // A name needs no escapes.
        text.extend_from_slice(format!(",\"next_cursor\":\"{cursor}\"").as_bytes());
    }
    text.push(b'}');
    Ok(json(text.into()))
}

fn show(app: &Shared, kind: Kind, path: ObjectPath) -> Result<Response, Problem> {
    app.service()?;
    Ok(json(app.objects.show(&Address::new(kind, path.name))?))
}

fn remove(app: &Shared, kind: Kind, path: ObjectPath) -> Result<Response, Problem> {
    app.service()?;
    app.objects.remove(&Address::new(kind, path.name))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn make(app: Arc<Shared>, kind: Kind, path: ObjectPath, request: Request) -> Result<Response, Problem> {
    let at = Address::new(kind, path.name);
    let body = arguments(&app, request).await?;
    app.service_for_work()?;
    let mut response = json(app.objects.make(&at, body)?);
    app.locate(&mut response, at);
    Ok(response)
}

/// A method. Calls that need not wait are answered as long as there is a server: who holds a lock can release it.
async fn call(app: Arc<Shared>, kind: Kind, path: ObjectPath, request: Request) -> Result<Response, Problem> {
    let raw = wants_raw(request.headers());
    let body = arguments(&app, request).await?;
    let end = match path.end.as_str() {
        "" => None,
        "0" => Some(0),
        "1" => Some(1),
        end => {
            let path = format!("/v1/{kind}/{}/{end} (a pipe has the ends 0 and 1)", path.name);
            return Err(Problem::unknown_path(&path));
        }
    };
    let at = Address { end, ..Address::new(kind, path.name) };
    let call = Call {
        at,
        method: path.method,
        arguments: body,
        caller: Caller::default(),
        max_wait: Some(app.limits.max_wait),
    };
    Ok(handed(app.objects.hand_over(call).await?, raw))
}

/// The body: a JSON object, or nothing.
async fn arguments(app: &Shared, request: Request) -> Result<Bytes, Problem> {
    check_work(&request, &[])?;
    app.service()?;
    let (head, body) = request.into_parts();
    let declared = declared_length(&body, &head.headers);
    let limits = &app.limits;
    // Counted while it is read; what an object keeps of it is counted there.
    let mut room = app.admission.reserve();
    let read = read_body(body, declared, limits.body_bytes_max, limits.body_stall_timeout, &mut room).await;
    read.map_err(|error| Problem::of_body(&error))
}
