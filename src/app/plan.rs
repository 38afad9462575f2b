//! What the configuration says of pools and functions, held against the code that was loaded.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::config::{self, Config, PoolConfig};
use crate::names::{NAME_RULE, is_name};
use crate::pool::{NewPool, PoolOptions, Preload, Runtime, pick_initializer, pick_runtime};

/// What is made at start.
pub(super) struct Plan {
    pub catalog: Catalog,
    pub pools: Vec<NewPool>,
}

/// What of the code the first Python zygote loads: what the runtime's own pool says, else what all say.
pub(super) fn preload(config: &Config) -> Preload {
    let own = config.pools.get(Runtime::Python.name()).and_then(|said| said.preload);
    known(own.unwrap_or(config.preload))
}

/// What of the code is loaded before the workers of a pool that does not say are forked.
pub(super) fn preload_of_all(config: &Config) -> Preload {
    known(config.preload)
}

fn known(preload: config::Preload) -> Preload {
    match preload {
        config::Preload::Auto => Preload::Auto,
        config::Preload::On => Preload::On,
        config::Preload::Off => Preload::Off,
    }
}

/// The pools, without their initializers: one named after each runtime, and those of the configuration.
pub(super) fn pools(config: &Config, runtimes: &[Runtime]) -> Result<Vec<NewPool>, String> {
    let own: BTreeSet<&str> = runtimes.iter().map(|runtime| runtime.name()).collect();
    let mut names = own.clone();
    names.extend(config.pools.keys().map(String::as_str));
    let plain = PoolConfig::default();
    let pool = |name: &str| {
        let said = config.pools.get(name).unwrap_or(&plain);
        new_pool(name, said, own.contains(name), runtimes, config.preload)
            .map_err(|error| format!("[pools.{name}]: {error}"))
    };
    names.into_iter().map(pool).collect()
}

fn new_pool(
    name: &str,
    said: &PoolConfig,
    is_own: bool,
    runtimes: &[Runtime],
    preload: config::Preload,
) -> Result<NewPool, String> {
    if !is_name(name) {
        return Err(format!("a name is {NAME_RULE}"));
    }
    if said.initargs.is_some() && said.initializer.is_none() {
        return Err("initargs are the arguments of an initializer, which is missing".into());
    }
    if said.maxtasksperchild_jitter.is_some() && said.maxtasksperchild.is_none() {
        return Err("maxtasksperchild_jitter is added to maxtasksperchild, which is missing".into());
    }
    let asked = said.runtime.as_deref().or(is_own.then_some(name));
    let runtime = pick_runtime(runtimes, asked).map_err(|error| error.to_string())?;
    if is_own && runtime.name() != name {
        return Err(format!("the pool of this name is that of the runtime {name}"));
    }
    if said.preload == Some(config::Preload::Off) && runtime != Runtime::Python {
        return Err("preload = \"off\" is for Python pools: nothing else is loaded".into());
    }
    if said.keep_threads.is_some() && runtime != Runtime::Python {
        return Err("keep_threads is for Python pools: nothing looks for threads elsewhere".into());
    }
    let preload =
        if runtime == Runtime::Python { said.preload.unwrap_or(preload) } else { config::Preload::Auto };
    Ok(NewPool {
        name: name.into(),
        runtime,
        processes: said.processes.map(|processes| processes.get()),
        options: PoolOptions {
            initializer: None,
            maxtasksperchild: said.maxtasksperchild.map(|tasks| tasks.0),
            maxtasksperchild_jitter: said.maxtasksperchild_jitter.map_or(0, |tasks| tasks.0),
            max_rss: said.max_rss.map(|bytes| bytes.0),
            preload: known(preload),
            spare_workers: said.spare_workers.map(|spares| spares.get()),
            keep_threads: said.keep_threads.unwrap_or(false),
        },
        permanent: true,
    })
}

impl Plan {
    /// Adds the initializers and checks what is said of functions.
    pub fn new(config: &Config, catalog: Catalog, mut pools: Vec<NewPool>) -> Result<Self, String> {
        for pool in &mut pools {
            let Some(said) = config.pools.get(&*pool.name) else { continue };
            let Some(name) = said.initializer.as_deref() else { continue };
            let arguments = said.initargs.as_ref().map(|arguments| arguments.0.as_str());
            let initializer = pick_initializer(pool.runtime, &catalog, name, arguments);
            let initializer =
                initializer.map_err(|error| format!("[pools.{}]: initializer: {error}", pool.name))?;
            pool.options.initializer = Some(initializer);
        }
        for (name, said) in &config.functions {
            let Some(function) = catalog.get(name.as_str()) else {
                let near = config::nearest(name, catalog.functions().map(|function| &*function.name));
                let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                return Err(format!("[functions.{name:?}]: no such function is offered{hint}"));
            };
            let Some(asked) = said.pool.as_deref() else { continue };
            let pool = pools.iter().find(|pool| *pool.name == *asked);
            let fits = pool.is_some_and(|pool| pool.runtime == function.runtime);
            if !fits {
                let runtime = function.runtime;
                let known = pools.iter().filter(|pool| pool.runtime == runtime);
                let known: Vec<&str> = known.map(|pool| &*pool.name).collect();
                return Err(format!(
                    "[functions.{name:?}]: pool: {asked:?} is no {runtime} pool made at start; there are: {}",
                    known.join(", ")
                ));
            }
        }
        Ok(Self { catalog, pools })
    }
}
