//! From a configuration to runtimes, their functions and their pools.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, CommandConfig, Config, PythonConfig, WorkerOutput};
use crate::jobs::Store;
use crate::pool::{Function, Pool, PoolSpec};
use crate::process::{CommandOutput, Family, Generation, LoadCommand, LoadList, RuntimeSpec, Spawner};
use crate::worker::{ZYGOTE_ARGUMENT, python};

/// A function that would be served.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Public name.
    pub name: String,
    /// Its runtime.
    pub runtime: String,
    /// How it is called.
    pub signature: Option<String>,
    /// Its documentation.
    pub doc: Option<String>,
}

/// The runtimes that have functions, loaded.
pub(super) struct Loaded(Vec<Runtime>);

struct Runtime {
    name: &'static str,
    spawner: Spawner,
    generation: Arc<Generation>,
}

/// Starts a zygote for each runtime that the configuration needs, all at once; the error names what could not
/// be loaded.
pub(super) async fn load(config: &Config, family: &Family) -> Result<Loaded, String> {
    let native = |wanted: bool, name, load| wanted.then(|| native_spec(config, name, load)).transpose();
    let commands =
        LoadList { commands: config.commands.iter().map(load_command).collect(), ..LoadList::default() };
    let command =
        native(!config.commands.is_empty(), "command", commands).map_err(|error| error.to_string())?;
    let native = native(config.builtin, "native", LoadList::default()).map_err(|error| error.to_string())?;
    let python = config.python.as_ref().map(|python| python_spec(config, python));
    let start = async |spec: Option<RuntimeSpec>| match spec {
        None => Ok(None),
        Some(spec) => {
            let name = spec.name;
            let started = Spawner::start(spec, family.clone()).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Some(Runtime { name, spawner: started.0, generation: started.1 }))
        }
    };
    let (native, python, command) = tokio::try_join!(start(native), start(python), start(command))?;
    let loaded: Vec<Runtime> = [native, python, command].into_iter().flatten().collect();
    if loaded.iter().all(|runtime| runtime.generation.functions.is_empty()) {
        return Err("nothing is offered: the files and modules define no public functions".into());
    }
    one_function_a_name(&loaded)?;
    Ok(Loaded(loaded))
}

/// A command may be named as its operator likes, so also as another runtime's function.
fn one_function_a_name(loaded: &[Runtime]) -> Result<(), String> {
    let mut owners = BTreeMap::new();
    for runtime in loaded {
        for function in &runtime.generation.functions {
            if let Some(other) = owners.insert(&function.name, runtime.name)
                && other != runtime.name
            {
                let (name, runtime) = (&function.name, runtime.name);
                return Err(format!(
                    "{name} is the name of a {other} function and of a {runtime}: rename one"
                ));
            }
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
fn native_spec(config: &Config, name: &'static str, load: LoadList) -> std::io::Result<RuntimeSpec> {
    Ok(RuntimeSpec {
        name,
        program: std::env::current_exe()?,
        arguments: vec![ZYGOTE_ARGUMENT.into()],
        preamble: None,
        load,
        result_bytes_max: config.limits.result_bytes_max,
        tracebacks: config.tracebacks,
        start_timeout: config.limits.start_timeout,
    })
}

fn python_spec(config: &Config, python: &PythonConfig) -> RuntimeSpec {
    let text = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    RuntimeSpec {
        name: "python",
        program: python.interpreter.clone(),
        arguments: ["-I", "-c", python::STUB].map(Into::into).to_vec(),
        preamble: Some(python::BOOTSTRAP),
        load: LoadList {
            paths: python.paths.iter().map(text).collect(),
            files: python.files.iter().map(|file| (file.module.clone(), text(&file.path))).collect(),
            modules: python.modules.clone(),
            functions: python.functions.clone(),
            commands: Vec::new(),
        },
        result_bytes_max: config.limits.result_bytes_max,
        tracebacks: config.tracebacks,
        start_timeout: config.limits.start_timeout,
    }
}

impl Loaded {
    /// What is offered, by runtime, in the order of its announcement.
    pub fn offered(&self) -> Vec<Offered> {
        let of = |runtime: &Runtime| {
            let name = runtime.name;
            let functions = runtime.generation.functions.clone().into_iter();
            functions.map(move |function| Offered {
                name: function.name,
                runtime: name.into(),
                signature: function.signature,
                doc: function.doc,
            })
        };
        self.0.iter().flat_map(of).collect()
    }

    /// The functions by name, and a pool named after each runtime.
    pub fn into_pools(
        self,
        config: &Config,
        store: &Arc<dyn Store>,
    ) -> (BTreeMap<Arc<str>, Arc<Function>>, Vec<Pool>) {
        let mut functions = BTreeMap::new();
        let mut pools = Vec::new();
        for runtime in self.0 {
            for announced in &runtime.generation.functions {
                let (doc, signature) = (announced.doc.clone(), announced.signature.clone());
                let function = Arc::new(Function::new(&announced.name, runtime.name, doc, signature));
                functions.insert(Arc::clone(&function.name), function);
            }
            pools.push(Pool::start(PoolSpec {
                name: runtime.name.into(),
                runtime: runtime.name,
                processes: config.workers,
                spawner: runtime.spawner,
                store: Arc::clone(store),
                start_timeout: config.limits.start_timeout,
                result_bytes_max: config.limits.result_bytes_max,
                log_bytes_max: config.limits.log_bytes_max,
                output_to_stderr: config.worker_output == WorkerOutput::Stderr,
            }));
        }
        (functions, pools)
    }
}
