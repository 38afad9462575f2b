//! Shared objects: three handlers for what is done to any object, one for every method of every kind. Which kinds and
//! methods there are, the table of [`crate::objects::catalog`] says.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};

use crate::api::Query;
use crate::http::app::{App, Handled};
use crate::http::edge::body::{declared_length, read_body};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::{Plain, check_accept, check_work};
use crate::http::edge::path::ObjectPath;
use crate::http::edge::problem::Problem;
use crate::objects::{Address, Call, Kind, ObjectCaller};
use crate::service;

type AppState = State<Arc<App>>;

/// The routes of every kind.
pub fn routes() -> Router<Arc<App>> {
    let mut router = Router::new();
    for kind in Kind::ALL {
        let path = format!("/v1/{kind}");
        let end = if kind == Kind::Pipes { "/{end}" } else { "" };
        let all =
            get(move |State(app): AppState, asker: Asker, query: RawQuery, headers: HeaderMap| async move {
                list(&app, asker, kind, query, &headers).await
            });
        let one = get(move |State(app): AppState, asker: Asker, path: ObjectPath, _: Plain| async move {
            app.answer(asker, service::Request::Object(Address::new(kind, path.name))).await
        });
        let one = one.put(move |State(app): AppState, asker: Asker, path: ObjectPath, request| async move {
            let (at, arguments) = (Address::new(kind, path.name), arguments(&app, request).await?);
            app.answer(asker, service::Request::MakeObject { at, arguments }).await
        });
        let one =
            one.delete(move |State(app): AppState, asker: Asker, path: ObjectPath, _: Plain| async move {
                app.answer(asker, service::Request::RemoveObject(Address::new(kind, path.name))).await
            });
        let method = post(move |State(app): AppState, asker: Asker, path: ObjectPath, request| {
            call(app, asker, kind, path, request)
        });
        router = router
            .route(&path, all)
            .route(&format!("{path}/{{name}}"), one)
            .route(&format!("{path}/{{name}}{end}/{{method}}"), method);
    }
    router
}

async fn list(
    app: &App,
    asker: Asker,
    kind: Kind,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
) -> Handled {
    check_accept(headers)?;
    let query = Query::parse(query.as_deref(), &["limit", "cursor"])?;
    let (limit, cursor) = (query.page_limit()?, query.text("cursor").map(str::to_owned));
    app.answer(asker, service::Request::Objects { kind, limit, cursor }).await
}

async fn call(app: Arc<App>, asker: Asker, kind: Kind, path: ObjectPath, request: Request) -> Handled {
    let arguments = arguments(&app, request).await?;
    let end = match path.end.as_str() {
        "" => None,
        "0" => Some(0),
        "1" => Some(1),
        end => {
            let path = format!("/v1/{kind}/{}/{end} (a pipe has the ends 0 and 1)", path.name);
            return Err(Problem::unknown_path(&path));
        }
    };
    let call = Call {
        at: Address { end, ..Address::new(kind, path.name) },
        method: path.method,
        arguments,
        caller: ObjectCaller::default(),
        max_wait: Some(app.limits().max_wait),
    };
    app.answer(asker, service::Request::CallObject(Box::new(call))).await
}

/// The body: a JSON object, or nothing.
async fn arguments(app: &App, request: Request) -> Result<Bytes, Problem> {
    check_work(&request, &[])?;
    // Counted while it is read; what an object keeps of it is counted there.
    let mut room = app.service.admit_call()?;
    let (head, body) = request.into_parts();
    let declared = declared_length(&body, &head.headers);
    let limits = app.limits();
    let read = read_body(body, declared, limits.body_bytes_max, limits.body_stall_timeout, &mut room).await;
    read.map_err(|error| Problem::of_body(&error))
}
