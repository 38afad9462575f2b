//! Pools by request: made, shown, resized, closed, joined, terminated.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, PoolShown};
use super::refusal::Refusal;
use super::request::WantedPool;
use super::{Parts, Service};
use crate::names::{NAME_RULE, is_name};
use crate::pool::{
    NewPool, NotMade, PlanError, Pool, PoolOptions, PoolState, Preload, Runtime, pick_initializer,
};

/// Beyond the workers' own start clock.
const MADE_GRACE: Duration = Duration::from_secs(1);
/// For killed workers to be gone before a terminated pool is called that.
const DEATHS_MAX: Duration = Duration::from_secs(5);

impl PoolShown {
    async fn of(pool: Pool) -> Self {
        Self { view: pool.inspect().await, pool }
    }
}

impl Service {
    pub(super) async fn list_pools(&self) -> Result<Answer, Refusal> {
        let mut shown = Vec::new();
        for pool in self.parts()?.pools.shown() {
            shown.push(PoolShown::of(pool).await);
        }
        Ok(Answer::Pools(shown))
    }

    pub(super) async fn show_pool(&self, name: &str) -> Result<Answer, Refusal> {
        Ok(Answer::Pool(PoolShown::of(self.parts()?.pool(name)?).await))
    }

    pub(super) async fn list_workers(&self, name: &str) -> Result<Answer, Refusal> {
        let view = self.parts()?.pool(name)?.inspect().await;
        Ok(Answer::Workers(view.map(|view| view.workers).unwrap_or_default()))
    }

    /// Returns when all its workers take tasks.
    pub(super) async fn make_pool(self: &Arc<Self>, wanted: WantedPool) -> Result<Answer, Refusal> {
        let parts = self.parts_for_work()?;
        let new = parts.resolve(wanted)?;
        let name = Arc::clone(&new.name);
        let loaded = parts.pools.load(new.runtime, new.options.preload).await;
        loaded.map_err(|failure| Refusal::Boot(Arc::new(failure)))?;
        // Loading takes seconds; the server may have been told to stop meanwhile.
        self.parts_for_work()?;
        let pool = parts.pools.make(new).map_err(|error| match error {
            NotMade::AlreadyExists => Refusal::PoolExists(name),
            NotMade::TooMany(error) => Refusal::TooManyWorkers(error),
            NotMade::UnknownRuntime => invalid("runtime", "nothing of this runtime is served"),
        })?;
        // A task of its own: a caller that leaves must not leave half a pool.
        let making = tokio::spawn(finish_making(Arc::clone(self), pool.clone()));
        making.await.unwrap_or(Err(Refusal::Draining))?;
        Ok(Answer::PoolMade(PoolShown::of(pool).await))
    }

    pub(super) async fn resize_pool(
        &self,
        name: &str,
        processes: Option<usize>,
        spare_workers: Option<usize>,
    ) -> Result<Answer, Refusal> {
        let parts = self.parts_for_work()?;
        let pool = parts.pool(name)?;
        if pool.state() == PoolState::Closed {
            return Err(Refusal::PoolClosed(pool));
        }
        parts.pools.resize(&pool, processes, spare_workers).map_err(Refusal::TooManyWorkers)?;
        Ok(Answer::Pool(PoolShown::of(pool).await))
    }

    /// `Pool.close()`.
    pub(super) async fn close_pool(&self, name: &str) -> Result<Answer, Refusal> {
        let pool = self.parts()?.temporary_pool(name)?;
        pool.close();
        Ok(Answer::Pool(PoolShown::of(pool).await))
    }

    /// `Pool.join()`, with a bound.
    pub(super) async fn join_pool(&self, name: &str, timeout: Duration) -> Result<Answer, Refusal> {
        let pool = self.parts()?.pool(name)?;
        if pool.state() == PoolState::Running {
            return Err(Refusal::PoolRunning(pool));
        }
        match tokio::time::timeout(timeout, pool.over()).await {
            Ok(()) => Ok(Answer::Pool(PoolShown::of(pool).await)),
            Err(_) => Err(Refusal::JoinTimeout(pool, timeout)),
        }
    }

    /// `Pool.terminate()`.
    pub(super) async fn terminate_pool(self: &Arc<Self>, name: &str) -> Result<Answer, Refusal> {
        let pool = self.parts()?.temporary_pool(name)?;
        let service = Arc::clone(self);
        // A task of its own: a caller that leaves must not leave a name that is never free again.
        let ended = tokio::spawn(async move {
            service.parts()?.end_pool(&pool).await;
            Ok(Answer::Done)
        });
        ended.await.unwrap_or(Err(Refusal::Draining))
    }
}

/// Waits for the workers of a pool just started; if they don't come its name is free again.
async fn finish_making(service: Arc<Service>, pool: Pool) -> Result<(), Refusal> {
    let refusal = match tokio::time::timeout(pool.start_timeout + MADE_GRACE, pool.made()).await {
        Ok(Ok(())) => {
            pool.open();
            return Ok(());
        }
        Ok(Err(Some(failure))) => Refusal::Boot(failure),
        Ok(Err(None)) => Refusal::Draining,
        Err(_) => Refusal::NotMade(pool.clone()),
    };
    service.parts()?.end_pool(&pool).await;
    Err(refusal)
}

impl Parts {
    /// A pool that may be closed and terminated.
    fn temporary_pool(&self, name: &str) -> Result<Pool, Refusal> {
        let pool = self.pool(name)?;
        if pool.permanent { Err(Refusal::PoolPermanent(pool)) } else { Ok(pool) }
    }

    /// Ends a pool's jobs and workers, then frees its name.
    async fn end_pool(&self, pool: &Pool) {
        if tokio::time::timeout(DEATHS_MAX, pool.terminate()).await.is_err() {
            tracing::warn!(pool = %pool.name, "workers of a terminated pool are not gone yet");
        }
        self.pools.forget(pool);
    }

    /// What is wanted, of what is served.
    fn resolve(&self, wanted: WantedPool) -> Result<NewPool, Refusal> {
        if !is_name(&wanted.name) {
            return Err(invalid("name", format!("name must be {NAME_RULE}")));
        }
        let runtime =
            self.pools.runtime(wanted.runtime.as_deref()).map_err(|error| self.of_plan_error(&error))?;
        let is_python = runtime == Runtime::Python;
        let preload = wanted.preload.and_then(Preload::of_word).unwrap_or(self.pools.preload());
        if wanted.preload == Some("off") && !is_python {
            return Err(invalid("preload", "preload off is for Python pools: nothing else is loaded"));
        }
        if wanted.keep_threads.is_some() && !is_python {
            let detail = "keep_threads is for Python pools: nothing looks for threads elsewhere";
            return Err(invalid("keep_threads", detail));
        }
        let initializer = wanted.initializer.as_deref().map(|name| {
            pick_initializer(runtime, &self.catalog(), name, wanted.initargs.as_deref())
                .map_err(|error| self.of_plan_error(&error))
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
                preload: if is_python { preload } else { Preload::default() },
                spare_workers: wanted.spare_workers,
                keep_threads: wanted.keep_threads.unwrap_or(false),
            },
            permanent: false,
        })
    }

    fn of_plan_error(&self, error: &PlanError) -> Refusal {
        match error {
            PlanError::RuntimeMissing(_) | PlanError::RuntimeUnknown { .. } => {
                invalid("runtime", error.to_string())
            }
            PlanError::InitializerForeign { .. } => invalid("initializer", error.to_string()),
            PlanError::InitializerUnknown(name) => match self.function(name) {
                Err(refusal) => refusal,
                Ok(_) => invalid("initializer", error.to_string()),
            },
        }
    }
}

fn invalid(member: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal::Invalid { member, detail: detail.into() }
}
