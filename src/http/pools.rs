//! `listPools`, `getPool`, `listWorkers`.

use std::sync::Arc;

use axum::extract::State;

use super::app::{App, Handled};
use super::extract::Asker;
use super::negotiate::Plain;
use super::segment::Segment;
use crate::api::{JobProblems, PoolInfo, PoolList, ReadProblems, WorkerList};
use crate::service::Request;

/// The pools.
#[utoipa::path(get, path = "/v1/pools", operation_id = "listPools", tag = "pools",
    responses((status = 200, description = "All pools", body = PoolList), ReadProblems))]
pub async fn list_pools(State(app): State<Arc<App>>, asker: Asker, _: Plain) -> Handled {
    app.answer(asker, Request::Pools).await
}

/// One pool.
#[utoipa::path(get, path = "/v1/pools/{pool}", operation_id = "getPool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 200, description = "The pool", body = PoolInfo), ReadProblems, JobProblems))]
pub async fn get_pool(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    _: Plain,
) -> Handled {
    app.answer(asker, Request::Pool { name }).await
}

/// The worker processes of a pool, their counters read from the pages that they share.
#[utoipa::path(get, path = "/v1/pools/{pool}/workers", operation_id = "listWorkers", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 200, description = "All workers", body = WorkerList), ReadProblems, JobProblems))]
pub async fn list_workers(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(pool): Segment,
    _: Plain,
) -> Handled {
    app.answer(asker, Request::Workers { pool }).await
}
