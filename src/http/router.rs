//! Every route, on one screen.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::routing::{get, post};
use tower::Layer;

use super::app::App;
use super::document;
use super::document::DocumentCache;
use super::layers::guard::{AccessPolicy, Guard, GuardLayer};
use super::layers::idempotency::Keyed;
use super::layers::requests::Identified;
use super::routes::{
    docs, events, functions, imap, jobs, objects, operations, pools, processes, submit, typed_call,
};

/// Work and waits: whoever has left takes nothing with it.
const ASKS_AFTER: Duration = Duration::from_secs(1);
/// Calls of shared objects: an item or a lock must not go to a client that has left.
const ASKS_AFTER_OBJECT: Duration = Duration::ZERO;

/// How long after its client has stopped sending a request is given up, unless the client still reads.
pub fn asks_after(uri: &Uri) -> Duration {
    let no_objects = ["/v1/apply", "/v1/map", "/v1/starmap", "/v1/imap", "/v1/functions/", "/v1/jobs"];
    let is_object = !no_objects.iter().any(|prefix| uri.path().starts_with(prefix));
    if is_object { ASKS_AFTER_OBJECT } else { ASKS_AFTER }
}

/// The routes, without what stands before them.
pub fn router(app: Arc<App>) -> Router {
    let documents = Router::new()
        .route("/openapi.json", get(document::openapi))
        .route("/openapi-3.0.json", get(document::openapi_30))
        .with_state(DocumentCache::new(Arc::clone(&app)));
    Router::new()
        .route("/v1/apply", post(submit::apply))
        .route("/v1/apply_async", post(submit::apply_async))
        .route("/v1/map", post(submit::map))
        .route("/v1/map_async", post(submit::map_async))
        .route("/v1/starmap", post(submit::starmap))
        .route("/v1/starmap_async", post(submit::starmap_async))
        .route("/v1/imap", post(imap::imap))
        .route("/v1/imap_unordered", post(imap::imap_unordered))
        .route("/v1/imap/stream", post(imap::imap_stream))
        .route("/v1/imap_unordered/stream", post(imap::imap_unordered_stream))
        .route("/v1/jobs", get(jobs::list_jobs))
        .route("/v1/jobs/cancel", post(jobs::cancel_jobs))
        .route("/v1/jobs/{id}", get(jobs::get_job).delete(jobs::delete_job))
        .route("/v1/jobs/{id}/result", get(jobs::get_result))
        .route("/v1/jobs/{id}/cancel", post(jobs::cancel_job))
        .route("/v1/jobs/{id}/logs", get(jobs::get_logs))
        .route("/v1/jobs/{id}/events", get(events::get_events))
        .route("/v1/functions", get(functions::list_functions))
        .route("/v1/functions/{name}", get(functions::get_function))
        .route("/v1/functions/{name}/call", post(typed_call::call_function))
        .route("/v1/functions/{name}/call_async", post(typed_call::call_function_async))
        .route("/v1/functions/{name}/map", post(typed_call::map_function))
        .route("/v1/functions/{name}/map_async", post(typed_call::map_function_async))
        .route("/v1/pools", get(pools::list_pools).post(pools::create_pool))
        .route(
            "/v1/pools/{pool}",
            get(pools::get_pool).patch(pools::resize_pool).delete(pools::terminate_pool),
        )
        .route("/v1/pools/{pool}/close", post(pools::close_pool))
        .route("/v1/pools/{pool}/join", post(pools::join_pool))
        .route("/v1/pools/{pool}/workers", get(pools::list_workers))
        .route("/v1/processes", get(processes::list_processes).post(processes::start_process))
        .route("/v1/processes/{id}", get(processes::get_process))
        .route("/v1/processes/{id}/join", post(processes::join_process))
        .route("/v1/processes/{id}/terminate", post(processes::terminate_process))
        .route("/v1/processes/{id}/kill", post(processes::kill_process))
        .route("/v1/processes/{id}/output", get(processes::get_process_output))
        // /v1/queues, /v1/queues/{name}, /v1/queues/{name}/{method}, and so for each kind of object.
        .merge(objects::routes())
        .route("/livez", get(operations::livez))
        .route("/readyz", get(operations::readyz))
        .route("/version", get(operations::version))
        .merge(documents)
        .route("/docs", get(docs::page))
        .route("/docs/{file}", get(docs::file))
        .fallback(operations::unknown_path)
        .method_not_allowed_fallback(operations::method_not_allowed)
        .with_state(app)
}

/// What stands before every route: the request's id, then Host, Origin and tokens, then idempotency keys.
pub fn guarded(router: Router, policy: AccessPolicy, app: &Arc<App>) -> Identified<Guard<Keyed<Router>>> {
    Identified::new(GuardLayer::new(policy).layer(Keyed::new(router, Arc::clone(app))))
}
