//! The pools by name, and what new ones are made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use super::handle::{Pool, PoolSpec};
use crate::catalog::Catalog;
use crate::jobs::{AnswerBytes, Store};
use crate::object_server::Calls;
use crate::process::{Initializer, Preload, Spawner};
use crate::runtime::Runtime;
use crate::workers::{BootFailure, BootReason, PoolOptions, WorkerSpec};

/// What is added to the start timeout, at most, where workers load code at the same time.
const LOADING_MAX: Duration = Duration::from_secs(600);

/// What all pools have in common.
#[derive(Debug)]
pub struct PoolContext {
    /// Worker processes of a pool that does not say how many.
    pub processes: usize,
    /// Worker processes of all pools; those made at start are always made.
    pub processes_max: usize,
    /// What serves workers the shared objects.
    pub calls: Calls,
    /// What is loaded before the workers of a Python pool that does not say are forked.
    pub preload: Preload,
    /// Where jobs end.
    pub store: Arc<dyn Store>,
    /// From a fork to the worker's first word.
    pub start_timeout: Duration,
    /// Largest value in bytes.
    pub result_bytes_max: usize,
    /// Output kept per job, in bytes.
    pub log_bytes_max: usize,
    /// What is held of answers that nobody has taken.
    pub answers: AnswerBytes,
    /// Whether output goes to the server's standard error too.
    pub output_to_stderr: bool,
}

/// A pool to be made.
#[derive(Debug)]
pub struct NewPool {
    /// Its name.
    pub name: Arc<str>,
    /// Its runtime, one of the context's.
    pub runtime: Runtime,
    /// Worker processes; as the context's if left out.
    pub processes: Option<usize>,
    /// The rest.
    pub options: PoolOptions,
    /// Whether it lasts as long as the server.
    pub permanent: bool,
}

/// Why a pool was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// There is one of this name (or one that is just being made, or just ends).
    #[error("there is one of this name")]
    AlreadyExists,
    /// Nothing of this runtime is served.
    #[error("nothing of its runtime is served")]
    UnknownRuntime,
    /// All pools would have too many workers.
    #[error(transparent)]
    TooMany(#[from] TooManyWorkers),
}

/// All pools would have more workers than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all pools together would have {wanted} workers, more than {most} (--pool-workers)")]
pub struct TooManyWorkers {
    /// How many they would have.
    pub wanted: usize,
    /// How many they may have.
    pub most: usize,
}

/// Why a pool can't be made as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Several runtimes are served and none is named.
    #[error("runtime must be given: one of {0}")]
    RuntimeMissing(String),
    /// Nothing of this runtime is served.
    #[error("nothing of the runtime {asked:?} is served here; there are: {known}")]
    RuntimeUnknown {
        /// What was asked for.
        asked: String,
        /// Those that there are.
        known: String,
    },
    /// No such function.
    #[error("no function {0:?} is offered")]
    InitializerUnknown(String),
    /// A function of another runtime.
    #[error("{function} is a {runtime} function and can't initialize workers of another runtime")]
    InitializerForeign {
        /// Its name.
        function: String,
        /// Its runtime.
        runtime: Runtime,
    },
}

/// Where a worker comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpawnerKey {
    /// Its runtime.
    pub runtime: Runtime,
    /// What of the code is loaded before its fork.
    pub preload: Preload,
}

/// The pools.
#[derive(Debug)]
pub struct Pools {
    context: PoolContext,
    /// Where the workers of each runtime come from, by what is loaded before their fork; none any more once the
    /// server ends.
    spawners: RwLock<BTreeMap<SpawnerKey, Spawner>>,
    /// Zygotes are started one at a time.
    loading: tokio::sync::Mutex<()>,
    by_name: RwLock<BTreeMap<Arc<str>, Pool>>,
}

impl Pools {
    /// None so far.
    pub fn new(context: PoolContext, spawners: BTreeMap<SpawnerKey, Spawner>) -> Self {
        Self {
            context,
            spawners: RwLock::new(spawners),
            loading: tokio::sync::Mutex::default(),
            by_name: RwLock::default(),
        }
    }

    /// Starts a zygote for workers of this kind, unless there is one.
    pub async fn load(&self, runtime: Runtime, preload: Preload) -> Result<(), BootFailure> {
        let key = SpawnerKey { runtime, preload };
        let _one_at_a_time = self.loading.lock().await;
        let other = {
            let spawners = self.spawners.read();
            if spawners.contains_key(&key) {
                return Ok(());
            }
            let mut others = spawners.iter().filter(|(key, _)| key.runtime == runtime);
            // `auto` and `on` are the same where nothing is left to workers.
            let same = |spawner: &Spawner| preload != Preload::Off && spawner.loading().is_none();
            let other = others.clone().find(|(_, spawner)| same(spawner));
            other
                .map(|(_, spawner)| (spawner.clone(), true))
                .or_else(|| others.next().map(|(_, spawner)| (spawner.clone(), false)))
        };
        let spawner = match other {
            // Without another one the server ends, and no pool will be made.
            None => return Ok(()),
            Some((same, true)) => same,
            Some((other, false)) => other.start_sibling(preload).await.map_err(|error| BootFailure {
                reason: BootReason::Loading,
                detail: error.brief(),
                exception: None,
            })?,
        };
        let mut spawners = self.spawners.write();
        if !spawners.is_empty() {
            spawners.insert(key, spawner);
        }
        Ok(())
    }

    /// The runtime that is asked for; it may be left out where there is only one.
    pub fn runtime(&self, asked: Option<&str>) -> Result<Runtime, PlanError> {
        let mut known: Vec<_> = self.spawners.read().keys().map(|key| key.runtime).collect();
        known.dedup();
        pick_runtime(&known, asked)
    }

    /// Starts a pool. It takes no work before [`Pool::open`].
    pub fn make(&self, new: NewPool) -> Result<Pool, NotMade> {
        let key = SpawnerKey { runtime: new.runtime, preload: new.options.preload };
        let spawner = self.spawners.read().get(&key).cloned().ok_or(NotMade::UnknownRuntime)?;
        let mut by_name = self.by_name.write();
        if by_name.contains_key(&new.name) {
            return Err(NotMade::AlreadyExists);
        }
        let context = &self.context;
        let processes = new.processes.unwrap_or(context.processes);
        let loading = spawner.loading();
        let spare_workers = new.options.spare_workers.unwrap_or(usize::from(loading.is_some()));
        if !new.permanent {
            self.check_workers(by_name.values(), processes + spare_workers)?;
        }
        // Workers that load code at the same time take longer, each of them.
        let together = u32::try_from(processes + spare_workers).unwrap_or(u32::MAX);
        let start_timeout =
            context.start_timeout + loading.unwrap_or_default().saturating_mul(together).min(LOADING_MAX);
        let pool = Pool::start(PoolSpec {
            permanent: new.permanent,
            workers: WorkerSpec {
                pool: Arc::clone(&new.name),
                runtime: new.runtime,
                processes,
                spare_workers,
                options: Arc::new(new.options),
                spawner,
                calls: context.calls.clone(),
                store: Arc::clone(&context.store),
                start_timeout,
                result_bytes_max: context.result_bytes_max,
                log_bytes_max: context.log_bytes_max,
                answers: context.answers.clone(),
                output_to_stderr: context.output_to_stderr,
            },
        });
        by_name.insert(new.name, pool.clone());
        Ok(pool)
    }

    /// A pool has so many workers, and spare ones, from now on; as many as it has of those that are left out.
    pub fn resize(
        &self,
        pool: &Pool,
        processes: Option<usize>,
        spare_workers: Option<usize>,
    ) -> Result<(), TooManyWorkers> {
        // For writing: of two at once, one comes after the other.
        let by_name = self.by_name.write();
        let processes = processes.unwrap_or(pool.processes());
        let spare_workers = spare_workers.unwrap_or(pool.spare_workers());
        if processes + spare_workers > pool.processes() + pool.spare_workers() {
            let others = by_name.values().filter(|other| other.name != pool.name);
            self.check_workers(others, processes + spare_workers)?;
        }
        pool.resize(processes, spare_workers);
        Ok(())
    }

    fn check_workers<'a>(
        &self,
        others: impl Iterator<Item = &'a Pool>,
        more: usize,
    ) -> Result<(), TooManyWorkers> {
        let wanted = others.map(|pool| pool.processes() + pool.spare_workers()).sum::<usize>() + more;
        let most = self.context.processes_max;
        if wanted > most { Err(TooManyWorkers { wanted, most }) } else { Ok(()) }
    }

    /// A pool that is open or closed; not one that is just being made, or just ends.
    pub fn get(&self, name: &str) -> Option<Pool> {
        self.by_name.read().get(name).filter(|pool| pool.state().is_shown()).cloned()
    }

    /// Those that [`Pools::get`] finds, by name.
    pub fn shown(&self) -> Vec<Pool> {
        self.by_name.read().values().filter(|pool| pool.state().is_shown()).cloned().collect()
    }

    /// Every pool that has or may have processes.
    pub fn all(&self) -> Vec<Pool> {
        self.by_name.read().values().cloned().collect()
    }

    /// No pool is made any more; zygotes end with the last pool that has them.
    pub fn end(&self) {
        self.spawners.write().clear();
    }

    /// What is loaded before the workers of a Python pool that does not say are forked.
    pub fn preload(&self) -> Preload {
        self.context.preload
    }

    /// Its name is free again.
    pub fn forget(&self, pool: &Pool) {
        self.by_name.write().remove(&pool.name);
    }
}

/// The runtime among these that is asked for; it may be left out where there is only one.
pub fn pick_runtime(known: &[Runtime], asked: Option<&str>) -> Result<Runtime, PlanError> {
    let names = || known.iter().map(|runtime| runtime.name()).collect::<Vec<_>>().join(", ");
    match (asked, known) {
        (None, [only]) => Ok(*only),
        (None, _) => Err(PlanError::RuntimeMissing(names())),
        (Some(asked), _) => {
            let unknown =
                || PlanError::RuntimeUnknown { asked: asked.chars().take(200).collect(), known: names() };
            known.iter().find(|runtime| runtime.name() == asked).copied().ok_or_else(unknown)
        }
    }
}

/// What workers of a runtime are to run first.
pub fn pick_initializer(
    runtime: Runtime,
    catalog: &Catalog,
    name: &str,
    arguments: Option<&str>,
) -> Result<Initializer, PlanError> {
    let Some(function) = catalog.get(name) else {
        return Err(PlanError::InitializerUnknown(name.chars().take(200).collect()));
    };
    if function.runtime != runtime {
        let (function, runtime) = (function.name.to_string(), function.runtime);
        return Err(PlanError::InitializerForeign { function, runtime });
    }
    let arguments = arguments.unwrap_or("[]").into();
    Ok(Initializer { function: Arc::clone(&function.name), arguments })
}
