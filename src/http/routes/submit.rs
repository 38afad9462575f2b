//! `apply`, `applyAsync`, `map`, `mapAsync`, `starmap`, `starmapAsync`.

use std::sync::Arc;

use axum::extract::{Request, State};

use super::work_body::{WorkBody, body_of_call, body_of_work, run};
use crate::api::{
    ApplyBody, ApplyRequest, Job, MapBody, MapRequest, OutcomeProblems, ReadProblems, SubmitProblems,
};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::Takes;
use crate::http::edge::problem::Problem;
use crate::offload::offload;
use crate::service::{self, Spread, WantedJob, WantedWork};

/// Calls a function and answers its value (`Pool.apply`).
///
/// The whole body of the answer is the value. Whoever can't wait so long submits the call with `applyAsync`. With
/// `Accept: application/x-ndjson` or `text/event-stream`, and no JSON, what the function yields is told as it comes, in
/// lines as those of `imap`, or in events with the same data.
#[utoipa::path(post, path = "/v1/apply", operation_id = "apply", tag = "submit", request_body = ApplyBody,
    responses((status = 200, description = "The bare value", body = serde_json::Value,
               content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!(9)),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn apply(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    let takes = asker.takes;
    let wanted = apply_of(&app, request, takes).await?;
    app.answer(asker, run(wanted, takes)).await
}

/// Submits a call; its value is fetched by the job's id (`Pool.apply_async`).
///
/// The answer is the job, at once. `getResult` waits for its value, `getEvents` tells how it gets on.
#[utoipa::path(post, path = "/v1/apply_async", operation_id = "applyAsync", tag = "submit",
    request_body = ApplyBody,
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn apply_async(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    let wanted = apply_of(&app, request, Takes::Json).await?;
    app.answer(asker, service::Request::Submit(wanted)).await
}

/// Calls a function for each item and answers the values in order (`Pool.map`).
///
/// Items are run side by side, in chunks. One that fails loses all values, unless `on_error` is `collect`.
#[utoipa::path(post, path = "/v1/map", operation_id = "map", tag = "submit", request_body = MapBody,
    responses((status = 200, description = "The bare array of values, in order",
               body = Vec<serde_json::Value>, content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!([1, 4, 9])),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn map(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    let wanted = map_of(&app, request, Spread::Whole).await?;
    app.answer(asker, service::Request::Run(wanted)).await
}

/// Submits a map; its values are fetched by the job's id (`Pool.map_async`).
///
/// The answer is the job, at once. `getResult` waits for its values, `getEvents` tells how many items are done.
#[utoipa::path(post, path = "/v1/map_async", operation_id = "mapAsync", tag = "submit",
    request_body = MapBody,
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn map_async(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    let wanted = map_of(&app, request, Spread::Whole).await?;
    app.answer(asker, service::Request::Submit(wanted)).await
}

/// Calls a function for each item with the item's elements as arguments (`Pool.starmap`).
///
/// As `map`, with an array of arguments for each item.
#[utoipa::path(post, path = "/v1/starmap", operation_id = "starmap", tag = "submit",
    request_body(content = MapBody, example = json!({"function": "tasks.power", "iterable": [[2, 3], [3, 2]]})),
    responses((status = 200, description = "The bare array of values, in order",
               body = Vec<serde_json::Value>, content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!([8, 9])),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn starmap(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    let wanted = map_of(&app, request, Spread::ByPosition).await?;
    app.answer(asker, service::Request::Run(wanted)).await
}

/// Submits a starmap; its values are fetched by the job's id (`Pool.starmap_async`).
///
/// As `mapAsync`, with an array of arguments for each item.
#[utoipa::path(post, path = "/v1/starmap_async", operation_id = "starmapAsync", tag = "submit",
    request_body(content = MapBody, example = json!({"function": "tasks.power", "iterable": [[2, 3], [3, 2]]})),
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn starmap_async(State(app): State<Arc<App>>, asker: Asker, request: Request) -> Handled {
    let wanted = map_of(&app, request, Spread::ByPosition).await?;
    app.answer(asker, service::Request::Submit(wanted)).await
}

async fn apply_of(app: &App, request: Request, takes: Takes) -> Result<Box<WantedJob>, Problem> {
    let WorkBody { bytes: body, room, key } = body_of_call(app, request, takes).await?;
    let (body_bytes, depth_max) = (body.len(), app.limits().depth_max);
    offload(body_bytes, move || {
        let ApplyRequest { function, options, arguments, keywords } = ApplyRequest::parse(&body, depth_max)?;
        let work = WantedWork::Call { arguments, keywords, typed: false };
        Ok(Box::new(WantedJob { function, work, terms: options, body_bytes, room, key }))
    })
    .await
}

async fn map_of(app: &App, request: Request, spread: Spread) -> Result<Box<WantedJob>, Problem> {
    let WorkBody { bytes: body, room, key } = body_of_work(app, request).await?;
    let (body_bytes, depth_max) = (body.len(), app.limits().depth_max);
    offload(body_bytes, move || {
        let MapRequest { function, items, count, chunksize, collect, options } =
            MapRequest::parse(&body, depth_max)?;
        let work = WantedWork::Map { items, count, chunksize, spread, collect };
        Ok(Box::new(WantedJob { function, work, terms: options, body_bytes, room, key }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_futures_of_handlers_are_small() {
        fn bytes<F>(_: impl FnOnce(State<Arc<App>>, Asker, Request) -> F) -> usize {
            size_of::<F>()
        }
        // Each request allocates one: up to 1,032 bytes glibc keeps at hand, larger ones cost it a search.
        for bytes in [bytes(apply), bytes(apply_async), bytes(map), bytes(map_async)] {
            assert!(bytes <= 1_000, "{bytes}");
        }
    }
}
