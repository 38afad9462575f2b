//! `listPools`, `createPool`, `getPool`, `resizePool`, `closePool`, `joinPool`, `terminatePool`, `listWorkers`.

use std::sync::Arc;

use axum::extract::State;

use crate::api::{
    AlreadyExistsProblem, EmptyBodyProblems, InitializerFailedProblem, JobProblems, JoinBody,
    JoinTimeoutProblem, NewPoolBody, PoolChangeBody, PoolClosedProblem, PoolInfo, PoolList,
    PoolPermanentProblem, PoolRunningProblem, ReadProblems, UnknownFunctionProblem, WorkerList, pool_change,
};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::{Asker, NoMembers, SmallBody};
use crate::http::edge::negotiate::Plain;
use crate::http::edge::path::Segment;
use crate::service::{Request, WantedPool};

/// The pools.
///
/// Those that were made at start, and those that were made by `createPool`.
#[utoipa::path(get, path = "/v1/pools", operation_id = "listPools", tag = "pools",
    responses((status = 200, description = "All pools", body = PoolList), ReadProblems))]
pub async fn list_pools(State(app): State<Arc<App>>, asker: Asker, _: Plain) -> Handled {
    app.answer(asker, Request::Pools).await
}

/// One pool.
///
/// How many workers it has, and how much work waits for them.
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

/// Makes a pool (`multiprocessing.Pool`); the answer comes when all its workers take tasks.
///
/// A name that is taken is 409 `already-exists`. An initializer that fails is 422 `initializer-failed`, and leaves
/// no pool.
#[utoipa::path(post, path = "/v1/pools", operation_id = "createPool", tag = "pools",
    request_body = NewPoolBody,
    responses((status = 201, description = "Made", body = PoolInfo,
               headers(("Location" = String, description = "The pool"))),
              UnknownFunctionProblem,
              AlreadyExistsProblem,
              InitializerFailedProblem,
              ReadProblems, EmptyBodyProblems))]
pub async fn create_pool(State(app): State<Arc<App>>, asker: Asker, SmallBody(body): SmallBody) -> Handled {
    let wanted = WantedPool::parse(&body, app.limits().depth_max)?;
    app.answer(asker, Request::MakePool(Box::new(wanted))).await
}

/// Changes how many workers a pool has, while it works. Those that leave end their tasks first.
///
/// It answers at once; `getPool` shows how many workers there are.
#[utoipa::path(patch, path = "/v1/pools/{pool}", operation_id = "resizePool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    request_body = PoolChangeBody,
    responses((status = 200, description = "The pool; its workers come and go from now on", body = PoolInfo),
              PoolClosedProblem,
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn resize_pool(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    SmallBody(body): SmallBody,
) -> Handled {
    let change = pool_change(&body, app.limits().depth_max)?;
    let (processes, spare_workers) = (change.processes, change.spare_workers);
    app.answer(asker, Request::ResizePool { name, processes, spare_workers }).await
}

/// Takes no more work from now on (`Pool.close`); what was submitted is still run, and then the workers end.
///
/// Whoever submits to it later is told `pool-closed`. Pools that were made at start can't be closed.
#[utoipa::path(post, path = "/v1/pools/{pool}/close", operation_id = "closePool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 200, description = "The pool, closed; the same again if it was", body = PoolInfo),
              PoolPermanentProblem,
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn close_pool(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    _: NoMembers,
) -> Handled {
    app.answer(asker, Request::ClosePool { name }).await
}

/// Waits until a closed pool has ended its work and its workers are gone (`Pool.join`).
///
/// A pool that is not closed is 409 `pool-running`. If the time is up first, it is 408 `join-timeout`.
#[utoipa::path(post, path = "/v1/pools/{pool}/join", operation_id = "joinPool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    request_body = Option<JoinBody>,
    responses((status = 200, description = "It has; the pool is there until it is deleted", body = PoolInfo),
              JoinTimeoutProblem,
              PoolRunningProblem,
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn join_pool(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    SmallBody(body): SmallBody,
) -> Handled {
    let timeout = app.join_timeout(&body)?;
    app.answer(asker, Request::JoinPool { name, timeout }).await
}

/// Ends a pool at once (`Pool.terminate`): its jobs end as `pool-terminated`, its workers are killed, and
/// its name is free.
///
/// It need not be closed before. Pools that were made at start stay.
#[utoipa::path(delete, path = "/v1/pools/{pool}", operation_id = "terminatePool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 204, description = "Gone, workers and all"),
              PoolPermanentProblem,
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn terminate_pool(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    _: NoMembers,
) -> Handled {
    app.answer(asker, Request::TerminatePool { name }).await
}

/// The worker processes of a pool, their counters read from the pages that they share.
///
/// What each is doing, for how long, and how many tasks it has done.
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
