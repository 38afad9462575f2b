//! From a configuration to runtimes, their functions and their pools.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{self, Plan};
use crate::catalog::Function;
use crate::config::{self, CommandConfig, Config, PythonConfig, WorkerOutput};
use crate::object_server::Calls;
use crate::pool::{PoolContext, Pools, SpawnerKey};
use crate::process::{
    AnnouncedFunction, CommandOutput, FunctionTypes, Generation, Interpreter, Late, LoadCommand, LoadList,
    Preload, ProcessTree, RuntimeSpec, Skipped, Spawner,
};
use crate::processes::{Processes, Rules};
use crate::runtime::Runtime;
use crate::schema::Types;
use crate::service::{Parts, Service};
use crate::worker::{BUILTIN, ZYGOTE_ARGUMENT, python};

/// The runtimes that have functions, loaded.
pub(super) struct Loaded(Vec<LoadedRuntime>);

struct LoadedRuntime {
    runtime: Runtime,
    preload: Preload,
    spawner: Spawner,
    generation: Arc<Generation>,
}

/// Starts a zygote for each runtime that the configuration needs, all at once; the error names what could not
/// be loaded.
pub(super) async fn load(config: &Config, tree: &ProcessTree, skipped: SaySkipped) -> Result<Loaded, String> {
    let native = |wanted: bool, runtime, load| wanted.then(|| native_spec(config, runtime, load)).transpose();
    let commands =
        LoadList { commands: config.commands.iter().map(load_command).collect(), ..LoadList::default() };
    let own = LoadList {
        modules: config.builtin.then(|| BUILTIN.to_owned()).into_iter().collect(),
        ..LoadList::default()
    };
    let command =
        native(!config.commands.is_empty(), Runtime::Command, commands).map_err(|error| error.to_string())?;
    let is_native = config.builtin || config.own_functions;
    let native = native(is_native, Runtime::Native, own).map_err(|error| error.to_string())?;
    let python = config
        .python
        .as_ref()
        .map(|python| RuntimeSpec { preload: plan::preload(config), ..python_spec(config, python, skipped) });
    let start = async |spec: Option<RuntimeSpec>| match spec {
        None => Ok(None),
        Some(spec) => {
            let (runtime, preload) = (spec.runtime, spec.preload);
            let started = Spawner::start(spec, tree.clone()).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Some(LoadedRuntime {
                runtime,
                preload,
                spawner: started.0,
                generation: started.1,
            }))
        }
    };
    let (native, python, command) = tokio::try_join!(start(native), start(python), start(command))?;
    let loaded: Vec<LoadedRuntime> = [native, python, command].into_iter().flatten().collect();
    if loaded.iter().all(|loaded| loaded.generation.functions.is_empty()) {
        let skipped = loaded.iter().flat_map(|loaded| &loaded.generation.skipped);
        let why: Vec<String> =
            skipped.map(|skipped| format!("\n{}: {}", skipped.what, skipped.message)).collect();
        return Err(format!("nothing is offered{}", why.concat()));
    }
    let loaded = Loaded(loaded);
    if let (Some(python), Some(Interpreter { path, version })) = (&config.python, loaded.interpreter()) {
        let chosen_by = python.interpreter.chosen_by;
        tracing::info!(path, version, %chosen_by, "the Python interpreter");
    }
    for Skipped { what, message, .. } in loaded.skipped().filter(|skipped| skipped.all) {
        tracing::warn!("{what}: {message}");
    }
    no_name_twice(loaded.0.iter().flat_map(|loaded| {
        let functions = loaded.generation.functions.iter();
        functions.map(|function| (loaded.runtime, function.name.as_str()))
    }))?;
    Ok(loaded)
}

/// Whether code is to say what of it is not offered, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SaySkipped {
    /// All of it.
    All,
    /// Modules that offer nothing.
    Empty,
}

/// Two runtimes may have a function of the same name; which of them it means, nobody could tell.
fn no_name_twice<'a>(functions: impl Iterator<Item = (Runtime, &'a str)>) -> Result<(), String> {
    let mut owners = BTreeMap::new();
    for (runtime, name) in functions {
        if let Some(other) = owners.insert(name, runtime).filter(|other| *other != runtime) {
            return Err(format!("{name} is a {other} function and a {runtime} one: rename one of them"));
        }
    }
    Ok(())
}

fn load_command(command: &CommandConfig) -> LoadCommand {
    LoadCommand {
        name: command.name.clone(),
        argv: command.argv.clone(),
        output: match command.output {
            config::CommandOutput::Text => CommandOutput::Text,
            config::CommandOutput::Json => CommandOutput::Json,
            config::CommandOutput::Bytes => CommandOutput::Bytes,
        },
        allow_dash: command.allow_dash,
    }
}

/// This binary: its own functions, or the commands that it is given.
fn native_spec(config: &Config, runtime: Runtime, load: LoadList) -> std::io::Result<RuntimeSpec> {
    Ok(RuntimeSpec {
        runtime,
        program: std::env::current_exe()?,
        arguments: vec![ZYGOTE_ARGUMENT.into()],
        chosen_by: String::new(),
        preamble: &[],
        load,
        preload: Preload::Auto,
        late: Vec::new(),
        result_bytes_max: config.limits.result_bytes_max,
        tracebacks: config.tracebacks,
        start_timeout: config.limits.start_timeout,
    })
}

fn python_spec(config: &Config, python: &PythonConfig, skipped: SaySkipped) -> RuntimeSpec {
    let text = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    RuntimeSpec {
        runtime: Runtime::Python,
        program: python.interpreter.program.clone(),
        arguments: ["-I", "-c", python::STUB].map(Into::into).to_vec(),
        chosen_by: python.interpreter.chosen_by.to_string(),
        preamble: python::BOOTSTRAP,
        load: LoadList {
            paths: python.paths.iter().map(text).collect(),
            folder: python.folder.as_ref().map(text),
            files: python.files.iter().map(|file| (file.module.clone(), text(&file.path))).collect(),
            modules: python.modules.clone(),
            functions: python.functions.clone(),
            commands: Vec::new(),
            say_skipped: skipped == SaySkipped::All,
        },
        preload: Preload::Auto,
        late: Vec::new(),
        result_bytes_max: config.limits.result_bytes_max,
        tracebacks: config.tracebacks,
        start_timeout: config.limits.start_timeout,
    }
}

/// What the code announces, and the configuration says, of a function.
fn described(announced: AnnouncedFunction, runtime: Runtime, config: &Config) -> Function {
    let AnnouncedFunction { name, doc, signature, types } = announced;
    let FunctionTypes { parameters, returns, .. } = types;
    let types = Types::new(parameters, returns);
    let mut function = Function { doc, signature, types, ..Function::new(&name, runtime) };
    function.run_timeout = config.run_timeout;
    if let Some(said) = config.functions.get(&name) {
        function.run_timeout = said.run_timeout.map(|timeout| timeout.0).or(config.run_timeout);
        function.retries = said.retries.and_then(|n| u32::try_from(n.0).ok()).unwrap_or(0);
        function.max_running = said.max_running.map(|most| most.get());
        if let Some(pool) = said.pool.as_deref() {
            function.pool = pool.into();
        }
    }
    function
}

impl Loaded {
    /// What is offered, by runtime, in the order of its announcement.
    pub fn functions(&self, config: &Config) -> Vec<Function> {
        let of = |loaded: &LoadedRuntime| {
            let runtime = loaded.runtime;
            let announced = loaded.generation.functions.clone().into_iter();
            announced.map(move |announced| described(announced, runtime, config))
        };
        self.0.iter().flat_map(of).collect()
    }

    /// What each worker loads itself because it starts threads while it loads.
    pub fn late(&self) -> Vec<Late> {
        let found = self.0.iter().filter(|loaded| loaded.preload == Preload::Auto);
        found.flat_map(|loaded| loaded.generation.late.iter().cloned()).collect()
    }

    /// What runs the Python functions.
    pub fn interpreter(&self) -> Option<&Interpreter> {
        self.0.iter().find_map(|loaded| loaded.generation.interpreter.as_ref())
    }

    /// What the code has and does not offer.
    pub fn skipped(&self) -> impl Iterator<Item = &Skipped> {
        self.0.iter().flat_map(|loaded| &loaded.generation.skipped)
    }

    fn runtimes(&self) -> Vec<Runtime> {
        self.0.iter().map(|loaded| loaded.runtime).collect()
    }

    /// The functions and pools that are made at start, or what of the configuration does not fit the code.
    pub fn plan(&self, config: &Config) -> Result<Plan, String> {
        let pools = plan::pools(config, &self.runtimes())?;
        Plan::new(config, self.functions(config).into_iter().collect(), pools)
    }

    /// Starts the pools.
    pub async fn into_parts(self, plan: Plan, config: &Config, service: &Service) -> Result<Parts, String> {
        let Plan { catalog, pools: planned } = plan;
        let limits = &config.limits;
        let rules = Rules {
            alive_max: limits.processes_max,
            ended_max: limits.ended_processes_max,
            ended_bytes_max: limits.finished_bytes_max,
            ended_ttl: limits.process_ttl,
            output_bytes_max: limits.log_bytes_max,
            output_to_stderr: config.worker_output == WorkerOutput::Stderr,
            start_timeout: limits.start_timeout,
        };
        let calls = Calls::new(service.objects().clone(), limits.result_bytes_max);
        let sources = self.0.iter().map(|loaded| (loaded.runtime, loaded.spawner.clone()));
        let processes = Processes::new(rules, calls.clone(), service.answers().clone(), sources.collect());
        let spawners = self
            .0
            .into_iter()
            .map(|loaded| (SpawnerKey { runtime: loaded.runtime, preload: loaded.preload }, loaded.spawner));
        let context = PoolContext {
            processes: config.workers,
            processes_max: limits.pool_workers_max,
            preload: plan::preload_of_all(config),
            store: Arc::clone(service.store()),
            calls,
            start_timeout: config.limits.start_timeout,
            result_bytes_max: config.limits.result_bytes_max,
            log_bytes_max: config.limits.log_bytes_max,
            answers: service.answers().clone(),
            output_to_stderr: config.worker_output == WorkerOutput::Stderr,
        };
        let pools = Pools::new(context, spawners.collect());
        for new in planned {
            let name = Arc::clone(&new.name);
            let loaded = pools.load(new.runtime, new.options.preload).await;
            loaded.map_err(|failure| format!("the pool {name}: {}", failure.detail))?;
            pools.make(new).map_err(|error| format!("the pool {name}: {error}"))?;
        }
        Ok(Parts::new(catalog, pools, processes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Runtime, no_name_twice};

    #[test]
    fn a_name_belongs_to_one_runtime() {
        let (native, python) = (Runtime::Native, Runtime::Python);
        let offered = [(native, "shop.total"), (native, "add"), (python, "shop.total")];
        let refused = "shop.total is a native function and a python one: rename one of them";
        assert_eq!(no_name_twice(offered.into_iter()), Err(refused.to_owned()));
        // A Python file that offers what --function names too.
        assert_eq!(no_name_twice([(python, "shop.total"), (python, "shop.total")].into_iter()), Ok(()));
    }
}
