//! `createPool`, `resizePool`, `closePool`, `joinPool`, `terminatePool`: a pool's life by request.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::pools::shown;
use super::problem::{Problem, timeout_max};
use super::segment::Segment;
use super::small::{NoMembers, SmallBody};
use super::state::{Service, Shared};
use crate::api::{
    EmptyBodyProblems, Invalid, JobProblems, JoinBody, NewPoolBody, NewPoolRequest, PoolChangeBody, PoolInfo,
    Problem as ProblemBody, ReadProblems, join_timeout, pool_change,
};
use crate::objects::is_name;
use crate::pool::{Misfit, NewPool, NotMade, Pool, PoolOptions, PoolState, Preload, pick_initializer};

/// Beyond the workers' own start clock.
const MADE_GRACE: Duration = Duration::from_secs(1);
/// For killed workers to be gone before a terminated pool is called that.
const END_MAX: Duration = Duration::from_secs(5);

/// Makes a pool (`multiprocessing.Pool`); the answer comes when all its workers take tasks.
#[utoipa::path(post, path = "/v1/pools", operation_id = "createPool", tag = "pools",
    request_body = NewPoolBody,
    responses((status = 201, description = "Made", body = PoolInfo,
               headers(("Location" = String, description = "The pool"))),
              (status = 404, description = "`unknown-function`: the initializer", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 409, description = "`already-exists`", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 422, description = "`initializer-failed`, with its exception; the name is free",
               body = ProblemBody, content_type = "application/problem+json"),
              ReadProblems, EmptyBodyProblems))]
pub async fn create_pool(
    State(app): State<Arc<Shared>>,
    SmallBody(body): SmallBody,
) -> Result<Response, Problem> {
    let wanted = NewPoolRequest::parse(&body, app.limits.depth_max)?;
    let service = app.service_for_work()?;
    let new = resolved(service, wanted)?;
    let name = Arc::clone(&new.name);
    let loaded = service.pools.load(new.runtime, new.options.preload).await;
    loaded.map_err(|failure| Problem::of_boot(&failure))?;
    let pool = service.pools.make(new).map_err(|error| match error {
        NotMade::AlreadyExists => Problem::pool_exists(&name),
        NotMade::TooMany(error) => Problem::too_many_workers(error),
        NotMade::UnknownRuntime => Invalid::new("runtime", "nothing of this runtime is served").into(),
    })?;
    // A task of its own: a client that leaves must not leave half a pool.
    let making = tokio::spawn(finish_making(Arc::clone(&app), pool.clone()));
    making.await.unwrap_or_else(|_| Err(Problem::draining()))?;
    let mut response = (StatusCode::CREATED, Json(shown(&pool).await)).into_response();
    app.locate(&mut response, format_args!("/v1/pools/{}", pool.name));
    Ok(response)
}

fn resolved(service: &Service, wanted: NewPoolRequest) -> Result<NewPool, Problem> {
    if !is_name(&wanted.name) {
        let detail = "name must be 1 to 128 of A-Z, a-z, 0-9, _, . and -, and not . or ..";
        return Err(Invalid::new("name", detail).into());
    }
    let runtime =
        service.pools.runtime(wanted.runtime.as_deref()).map_err(|misfit| of_misfit(service, &misfit))?;
    let preload = wanted.preload.and_then(Preload::of_word).unwrap_or(service.pools.preload());
    if wanted.preload == Some("off") && runtime != "python" {
        return Err(Invalid::new("preload", "preload off is for Python pools: nothing else is loaded").into());
    }
    if wanted.keep_threads.is_some() && runtime != "python" {
        let detail = "keep_threads is for Python pools: nothing looks for threads elsewhere";
        return Err(Invalid::new("keep_threads", detail).into());
    }
    let initializer = wanted.initializer.as_deref().map(|name| {
        pick_initializer(runtime, &service.functions, name, wanted.initargs.as_deref())
            .map_err(|misfit| of_misfit(service, &misfit))
    });
    Ok(NewPool {
        name: wanted.name.into(),
        runtime,
        processes: wanted.processes,
        options: PoolOptions {
            initializer: initializer.transpose()?,
            maxtasksperchild: wanted.maxtasksperchild,
            maxtasksperchild_jitter: wanted.maxtasksperchild_jitter,
            max_rss: wanted.max_rss,
            preload: if runtime == "python" { preload } else { Preload::default() },
            spare_workers: wanted.spare_workers,
            keep_threads: wanted.keep_threads.unwrap_or(false),
        },
        permanent: false,
    })
}

fn of_misfit(service: &Service, misfit: &Misfit) -> Problem {
    match misfit {
        Misfit::RuntimeMissing(_) | Misfit::RuntimeUnknown { .. } => {
            Invalid::new("runtime", misfit.to_string()).into()
        }
        Misfit::InitializerForeign { .. } => Invalid::new("initializer", misfit.to_string()).into(),
        Misfit::InitializerUnknown(name) => match service.function(name) {
            Err(problem) => problem,
            Ok(_) => Invalid::new("initializer", misfit.to_string()).into(),
        },
    }
}

/// Waits for the workers of a pool just started; if they don't come its name is free again.
async fn finish_making(app: Arc<Shared>, pool: Pool) -> Result<(), Problem> {
    let service = app.service()?;
    let problem = match tokio::time::timeout(pool.start_timeout + MADE_GRACE, pool.made()).await {
        Ok(Ok(())) => {
            pool.open();
            return Ok(());
        }
        Ok(Err(Some(failure))) => Problem::of_boot(&failure),
        Ok(Err(None)) => Problem::draining(),
        Err(_) => Problem::not_made(&pool),
    };
    end(service, &pool).await;
    Err(problem)
}

/// Ends a pool's jobs and workers, then frees its name.
async fn end(service: &Service, pool: &Pool) {
    if tokio::time::timeout(END_MAX, pool.terminate()).await.is_err() {
        tracing::warn!(pool = %pool.name, "workers of a terminated pool are not gone yet");
    }
    service.pools.forget(pool);
}

/// Changes how many workers a pool has, while it works. Those that leave end their tasks first.
#[utoipa::path(patch, path = "/v1/pools/{pool}", operation_id = "resizePool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    request_body = PoolChangeBody,
    responses((status = 200, description = "The pool; its workers come and go from now on", body = PoolInfo),
              (status = 409, description = "`pool-closed`", body = ProblemBody,
               content_type = "application/problem+json"),
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn resize_pool(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    SmallBody(body): SmallBody,
) -> Result<Json<PoolInfo>, Problem> {
    let change = pool_change(&body, app.limits.depth_max)?;
    let service = app.service_for_work()?;
    let pool = service.pool(&name)?;
    if pool.state() == PoolState::Closed {
        return Err(Problem::pool_closed(&pool));
    }
    service.pools.resize(&pool, change.processes, change.spare_workers).map_err(Problem::too_many_workers)?;
    Ok(Json(shown(&pool).await))
}

/// Takes no more work from now on (`Pool.close`); what was submitted is still run, and then the workers end.
#[utoipa::path(post, path = "/v1/pools/{pool}/close", operation_id = "closePool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 200, description = "The pool, closed; the same again if it was", body = PoolInfo),
              (status = 409, description = "`pool-permanent`", body = ProblemBody,
               content_type = "application/problem+json"),
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn close_pool(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    _: NoMembers,
) -> Result<Json<PoolInfo>, Problem> {
    let pool = temporary(&app, &name)?;
    pool.close();
    Ok(Json(shown(&pool).await))
}

/// Waits until a closed pool has ended its work and its workers are gone (`Pool.join`).
#[utoipa::path(post, path = "/v1/pools/{pool}/join", operation_id = "joinPool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    request_body = Option<JoinBody>,
    responses((status = 200, description = "It has; the pool is there until it is deleted", body = PoolInfo),
              (status = 408, description = "`join-timeout` (TimeoutError): not in time; the work goes on",
               body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "`pool-running`: close it first", body = ProblemBody,
               content_type = "application/problem+json"),
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn join_pool(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    SmallBody(body): SmallBody,
) -> Result<Json<PoolInfo>, Problem> {
    let limits = &app.limits;
    let asked =
        if body.is_empty() { None } else { join_timeout(&body, limits.depth_max, timeout_max(limits))? };
    let timeout = asked.unwrap_or(limits.max_wait);
    let pool = app.service()?.pool(&name)?;
    if pool.state() == PoolState::Running {
        return Err(Problem::pool_running(&pool));
    }
    match tokio::time::timeout(timeout, pool.over()).await {
        Ok(()) => Ok(Json(shown(&pool).await)),
        Err(_) => Err(Problem::join_timeout(&pool, timeout)),
    }
}

/// Ends a pool at once (`Pool.terminate`): its jobs end as `pool-terminated`, its workers are killed, and
/// its name is free.
#[utoipa::path(delete, path = "/v1/pools/{pool}", operation_id = "terminatePool", tag = "pools",
    params(("pool" = String, Path, description = "The pool's name")),
    responses((status = 204, description = "Gone, workers and all"),
              (status = 409, description = "`pool-permanent`", body = ProblemBody,
               content_type = "application/problem+json"),
              ReadProblems, JobProblems, EmptyBodyProblems))]
pub async fn terminate_pool(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    _: NoMembers,
) -> Result<StatusCode, Problem> {
    let pool = temporary(&app, &name)?;
    let ending = Arc::clone(&app);
    // A task of its own: a client that leaves must not leave a name that is never free again.
    let ended = tokio::spawn(async move {
        end(ending.service()?, &pool).await;
        Ok(StatusCode::NO_CONTENT)
    });
    ended.await.unwrap_or_else(|_| Err(Problem::draining()))
}

/// A pool that may be closed and deleted.
fn temporary(app: &Shared, name: &str) -> Result<Pool, Problem> {
    let pool = app.service()?.pool(name)?;
    if pool.permanent { Err(Problem::pool_permanent(&pool)) } else { Ok(pool) }
}
