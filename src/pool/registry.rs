//! The pools by name, and what new ones are made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use super::handle::{Pool, PoolSpec};
use crate::jobs::Store;
use crate::object_server::Calls;
use crate::process::{Initializer, Preload, Spawner};
use crate::runtime::Runtime;
use crate::scheduler::Function;
use crate::workers::{BootFailure, BootReason, PoolOptions, WorkerSpec};

/// What workers that load side by side are given at most beyond the start clock.
const LOADING_MAX: Duration = Duration::from_secs(600);

/// What all pools have in common.
#[derive(Debug)]
pub struct Workshop {
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
    /// Whether output goes to the server's standard error too.
    pub output_to_stderr: bool,
}

/// A pool that is wanted.
#[derive(Debug)]
pub struct NewPool {
    /// Its name.
    pub name: Arc<str>,
    /// Its runtime, one of the workshop's.
    pub runtime: Runtime,
    /// Worker processes; as the workshop's if left out.
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

/// Why what is asked of a pool can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
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

/// The functions that are offered, by name.
pub type Functions = BTreeMap<Arc<str>, Arc<Function>>;

/// Where a worker comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Its runtime.
    pub runtime: Runtime,
    /// What of the code is loaded before its fork.
    pub preload: Preload,
}

/// The pools.
#[derive(Debug)]
pub struct Pools {
    workshop: Workshop,
    /// Where the workers of each runtime come from, by what is loaded before their fork; none any more once the
    /// server ends.
    spawners: RwLock<BTreeMap<Origin, Spawner>>,
    /// One kind of workers is made possible at a time.
    loading: tokio::sync::Mutex<()>,
    by_name: RwLock<BTreeMap<Arc<str>, Pool>>,
}

impl Pools {
    /// None so far.
    pub fn new(workshop: Workshop, spawners: BTreeMap<Origin, Spawner>) -> Self {
        Self {
            workshop,
            spawners: RwLock::new(spawners),
            loading: tokio::sync::Mutex::default(),
            by_name: RwLock::default(),
        }
    }

    /// Makes sure that workers of this kind can be had: the first time that is asked for, a zygote is started.
    pub async fn load(&self, runtime: Runtime, preload: Preload) -> Result<(), BootFailure> {
        let origin = Origin { runtime, preload };
        let _one_at_a_time = self.loading.lock().await;
        let other = {
            let spawners = self.spawners.read();
            if spawners.contains_key(&origin) {
                return Ok(());
            }
            let mut others = spawners.iter().filter(|(origin, _)| origin.runtime == runtime);
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
                detail: error.to_string(),
                exception: None,
            })?,
        };
        let mut spawners = self.spawners.write();
        if !spawners.is_empty() {
            spawners.insert(origin, spawner);
        }
        Ok(())
    }

    /// The runtime that is asked for; it may be left out where there is only one.
    pub fn runtime(&self, asked: Option<&str>) -> Result<Runtime, Misfit> {
        let mut known: Vec<_> = self.spawners.read().keys().map(|origin| origin.runtime).collect();
        known.dedup();
        pick_runtime(&known, asked)
    }

    /// Starts a pool. It takes no work before [`Pool::open`].
    pub fn make(&self, new: NewPool) -> Result<Pool, NotMade> {
        let origin = Origin { runtime: new.runtime, preload: new.options.preload };
        let spawner = self.spawners.read().get(&origin).cloned().ok_or(NotMade::UnknownRuntime)?;
        let mut by_name = self.by_name.write();
        if by_name.contains_key(&new.name) {
            return Err(NotMade::AlreadyExists);
        }
        let workshop = &self.workshop;
        let processes = new.processes.unwrap_or(workshop.processes);
        let loading = spawner.loading();
        let spare_workers = new.options.spare_workers.unwrap_or(usize::from(loading.is_some()));
        if !new.permanent {
            self.check_workers(by_name.values(), processes + spare_workers)?;
        }
        // Workers that load side by side take longer, each of them.
        let together = u32::try_from(processes + spare_workers).unwrap_or(u32::MAX);
        let start_timeout =
            workshop.start_timeout + loading.unwrap_or_default().saturating_mul(together).min(LOADING_MAX);
        let pool = Pool::start(PoolSpec {
            permanent: new.permanent,
            store: Arc::clone(&workshop.store),
            workers: WorkerSpec {
                pool: Arc::clone(&new.name),
                runtime: new.runtime,
                processes,
                spare_workers,
                options: Arc::new(new.options),
                spawner,
                calls: workshop.calls.clone(),
                start_timeout,
                result_bytes_max: workshop.result_bytes_max,
                log_bytes_max: workshop.log_bytes_max,
                output_to_stderr: workshop.output_to_stderr,
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
        let most = self.workshop.processes_max;
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
        self.workshop.preload
    }

    /// Its name is free again.
    pub fn forget(&self, pool: &Pool) {
        self.by_name.write().remove(&pool.name);
    }
}

/// The runtime among these that is asked for; it may be left out where there is only one.
pub fn pick_runtime(known: &[Runtime], asked: Option<&str>) -> Result<Runtime, Misfit> {
    let names = || known.iter().map(|runtime| runtime.name()).collect::<Vec<_>>().join(", ");
    match (asked, known) {
        (None, [only]) => Ok(*only),
        (None, _) => Err(Misfit::RuntimeMissing(names())),
        (Some(asked), _) => {
            let unknown =
                || Misfit::RuntimeUnknown { asked: asked.chars().take(200).collect(), known: names() };
            known.iter().find(|runtime| runtime.name() == asked).copied().ok_or_else(unknown)
        }
    }
}

/// What workers of a runtime are to run first.
pub fn pick_initializer(
    runtime: Runtime,
    functions: &Functions,
    name: &str,
    arguments: Option<&str>,
) -> Result<Initializer, Misfit> {
    let Some(function) = functions.get(name) else {
        return Err(Misfit::InitializerUnknown(name.chars().take(200).collect()));
    };
    if function.runtime != runtime {
        let (function, runtime) = (function.name.to_string(), function.runtime);
        return Err(Misfit::InitializerForeign { function, runtime });
    }
    let arguments = arguments.unwrap_or("[]").into();
    Ok(Initializer { function: Arc::clone(&function.name), arguments })
}
