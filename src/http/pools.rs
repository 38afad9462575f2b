//! `listPools`, `getPool`, `listWorkers`: looking at pools.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use serde_json::value::RawValue;

use super::negotiate::Plain;
use super::problem::Problem;
use super::segment::Segment;
use super::state::Shared;
use crate::api::{JobProblems, PoolInfo, PoolList, ReadProblems, WorkerInfo, WorkerList, timestamp};
use crate::pool::{Pool, PoolState, WorkerView};

/// A pool as it is now.
pub async fn shown(pool: &Pool) -> PoolInfo {
    let view = pool.inspect().await;
    let options = &pool.options;
    let initializer = options.initializer.as_ref();
    let limited = options.maxtasksperchild;
    PoolInfo {
        spare_workers: pool.spare_workers() as u64,
        name: pool.name.to_string(),
        runtime: pool.runtime.into(),
        state: if pool.state() == PoolState::Closed { "closed".into() } else { "running".into() },
        processes: pool.processes() as u64,
        ready: pool.ready() as u64,
        permanent: pool.permanent,
        queued: view.as_ref().map_or(0, |view| view.queued as u64),
        running: view.as_ref().map_or(0, |view| view.running as u64),
        initializer: initializer.map(|initializer| initializer.function.to_string()),
        initargs: initializer
            .and_then(|initializer| RawValue::from_string(initializer.arguments.to_string()).ok()),
        maxtasksperchild: limited,
        maxtasksperchild_jitter: limited.map(|_| options.maxtasksperchild_jitter),
        max_rss: options.max_rss,
        preload: (pool.runtime == "python").then(|| options.preload.word().to_owned()),
        keep_threads: (pool.runtime == "python").then_some(options.keep_threads),
    }
}

fn shown_worker(worker: WorkerView) -> WorkerInfo {
    let counters = worker.counters;
    let (current_job, current_function) = worker.current.unzip();
    // Nanoseconds beyond 2**53 (104 days of work) lose their last digits.
    let busy = std::time::Duration::from_nanos(counters.busy_nanoseconds);
    WorkerInfo {
        pid: worker.pid,
        state: worker.state.into(),
        spare: worker.spare,
        generation: worker.generation,
        current_job: current_job.map(|job| job.to_string()),
        current_function: current_function.map(|name| name.to_string()),
        current_task_started_at: worker.current_age.map(|age| timestamp(SystemTime::now() - age)),
        tasks_started: counters.started,
        tasks_succeeded: counters.succeeded,
        tasks_failed: counters.failed,
        busy_seconds: busy.as_secs_f64(),
    }
}

/// The pools.
#[utoipa::path(get, path = "/v1/pools", operation_id = "listPools", tag = "pools",
    responses((status = 200, description = "All pools", body = PoolList), ReadProblems))]
pub async fn list_pools(State(app): State<Arc<Shared>>, _: Plain) -> Result<Json<PoolList>, Problem> {
    let mut items = Vec::new();
    for pool in app.service()?.pools.shown() {
        items.push(shown(&pool).await);
    }
    Ok(Json(PoolList { items, next_cursor: None }))
}

/// One pool.
#[utoipa::path(get, path = "/v1/pools/{pool}", operation_id = "getPool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 200, description = "The pool", body = PoolInfo), ReadProblems, JobProblems))]
pub async fn get_pool(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    _: Plain,
) -> Result<Json<PoolInfo>, Problem> {
    Ok(Json(shown(&app.service()?.pool(&name)?).await))
}

/// The worker processes of a pool, their counters read from the pages that they share.
#[utoipa::path(get, path = "/v1/pools/{pool}/workers", operation_id = "listWorkers", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 200, description = "All workers", body = WorkerList), ReadProblems, JobProblems))]
pub async fn list_workers(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    _: Plain,
) -> Result<Json<WorkerList>, Problem> {
    let view = app.service()?.pool(&name)?.inspect().await;
    let workers = view.map(|view| view.workers).unwrap_or_default();
    Ok(Json(WorkerList { items: workers.into_iter().map(shown_worker).collect(), next_cursor: None }))
}
