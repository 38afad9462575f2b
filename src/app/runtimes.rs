//! From a configuration to runtimes, their functions and their pools.

use std::sync::Arc;

use super::plan::{self, Plan};
use crate::config::{Config, PythonConfig, WorkerOutput};
use crate::http::Service;
use crate::jobs::Store;
use crate::pool::{Function, Functions, Pools, Workshop};
use crate::process::{Family, Generation, LoadList, RuntimeSpec, Spawner};
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
    let native =
        config.builtin.then(|| native_spec(config)).transpose().map_err(|error| error.to_string())?;
    let python = config.python.as_ref().map(|python| python_spec(config, python));
    let start = async |spec: Option<RuntimeSpec>| match spec {
        None => Ok(None),
        Some(spec) => {
            let name = spec.name;
            let started = Spawner::start(spec, family.clone()).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Some(Runtime { name, spawner: started.0, generation: started.1 }))
        }
    };
    let (native, python) = tokio::try_join!(start(native), start(python))?;
    let loaded: Vec<Runtime> = [native, python].into_iter().flatten().collect();
    if loaded.iter().all(|runtime| runtime.generation.functions.is_empty()) {
        return Err("nothing is offered: the files and modules define no public functions".into());
    }
    Ok(Loaded(loaded))
}

fn native_spec(config: &Config) -> std::io::Result<RuntimeSpec> {
    Ok(RuntimeSpec {
        name: "native",
        program: std::env::current_exe()?,
        arguments: vec![ZYGOTE_ARGUMENT.into()],
        preamble: None,
        load: LoadList::default(),
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

    fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|runtime| runtime.name).collect()
    }

    /// The functions and pools that are made at start, or what of the configuration does not fit the code.
    pub fn plan(&self, config: &Config) -> Result<Plan, String> {
        let pools = plan::pools(config, &self.names())?;
        let mut functions = Functions::new();
        for runtime in &self.0 {
            for announced in &runtime.generation.functions {
                let (doc, signature) = (announced.doc.clone(), announced.signature.clone());
                let mut function = Function::new(&announced.name, runtime.name, doc, signature);
                let said = config.functions.get(&announced.name);
                if let Some(pool) = said.and_then(|said| said.pool.as_deref()) {
                    function = function.in_pool(pool);
                }
                let function = Arc::new(function);
                functions.insert(Arc::clone(&function.name), function);
            }
        }
        Plan::new(config, functions, pools)
    }

    /// Starts the pools.
    pub fn into_service(self, config: &Config, store: &Arc<dyn Store>) -> Result<Service, String> {
        let Plan { functions, pools: planned } = self.plan(config)?;
        let spawners = self.0.into_iter().map(|runtime| (runtime.name, runtime.spawner)).collect();
        let workshop = Workshop {
            processes: config.workers,
            store: Arc::clone(store),
            start_timeout: config.limits.start_timeout,
            result_bytes_max: config.limits.result_bytes_max,
            log_bytes_max: config.limits.log_bytes_max,
            output_to_stderr: config.worker_output == WorkerOutput::Stderr,
        };
        let pools = Pools::new(workshop, spawners);
        for new in planned {
            let name = Arc::clone(&new.name);
            pools.make(new).map_err(|error| format!("the pool {name}: {error}"))?;
        }
        Ok(Service { functions, pools })
    }
}
