//! Puts the parts together: the order of start and stop.
//!
//! [`plan`] holds the configuration against the code that was loaded, [`runtimes`] makes the parts (zygotes,
//! functions, pools, what bounds Processes), [`started`] says so, [`stop`] ends them.

mod plan;
mod runtimes;
mod started;
mod stop;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use crate::catalog::Function;
use crate::config::{Bind, Config, Limits, LogFormat};
use crate::http::{self, App, Listener, ServerOptions};
use crate::jobs::{KeyBounds, Keys, MemoryStore, Retention, Store};
use crate::objects::{ObjectLimits, Objects};
use crate::pool::{BootFailure, Pool};
use crate::process::ProcessTree;
use crate::service::Service;
use crate::sys::{keep_freed_memory, reserve_blocks};
use crate::telemetry;
use crate::worker::{KEEPER_ARGUMENT, ZYGOTE_ARGUMENT};
use plan::Plan;
use runtimes::{Loaded, SaySkipped};

pub use crate::runtime::Runtime;

/// The lock of a Unix socket's folder is tried so often, a second in all.
const FOLDER_LOCK_TRIES: u32 = 200;
const FOLDER_LOCK_PAUSE: Duration = Duration::from_millis(5);
/// How often expired jobs are looked for when nobody asks.
const EXPIRY_PERIOD: Duration = Duration::from_secs(1);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What is configured can't be loaded, or does not fit together: [`check`] says so, too.
    #[error("{0}")]
    Configuration(String),
    /// It could not start, or go on.
    #[error("{0}")]
    Failed(String),
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Serves until told to stop. Must be called on the main thread, before any other is there: workers live as long
/// as it does.
pub fn serve(config: Config) -> Result<(), ServeError> {
    reserve_blocks();
    let log_format = config.log_format;
    let _rest_of_the_log = telemetry::start(log_format, config.log_jobs);
    let runtime = runtime()?;
    let served = runtime.block_on(run(config));
    // A long operation of a shared object may still run: nobody waits for it any more.
    runtime.shutdown_background();
    // Whoever reads lines of JSON reads no other; else the command tells it.
    if let (LogFormat::Json, Err(error)) = (log_format, &served) {
        tracing::error!("{error}");
    }
    served
}

/// What would be served.
#[derive(Debug)]
pub struct Checked {
    /// The functions, by runtime, in the order of their announcement.
    pub functions: Vec<Function>,
    /// What each worker would load itself, and at what cost, in words.
    pub late: Vec<String>,
    /// What runs the Python functions, in words.
    pub interpreter: Option<String>,
    /// What modules have and would not offer, and why.
    pub skipped: Vec<String>,
}

/// Loads what would be served and says what it is.
pub fn check(config: &Config) -> Result<Checked, String> {
    let checked = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let tree = ProcessTree::init()?;
            let loaded = runtimes::load(config, &tree, SaySkipped::All).await.map_err(io::Error::other)?;
            let checked = Checked {
                functions: loaded.functions(config),
                late: loaded.late().iter().map(ToString::to_string).collect(),
                interpreter: interpreter(config, &loaded),
                skipped: loaded
                    .skipped()
                    .map(|skipped| format!("{}: {}", skipped.what, skipped.message))
                    .collect(),
            };
            let planned = loaded.plan(config).map(drop).map_err(io::Error::other);
            drop(loaded);
            stop::last_deaths(&tree).await;
            planned.map(|()| checked)
        })
    });
    checked.map_err(|error| error.to_string())
}

fn interpreter(config: &Config, loaded: &Loaded) -> Option<String> {
    let (python, running) = (config.python.as_ref()?, loaded.interpreter()?);
    Some(format!("{} (Python {}, {})", running.path, running.version, python.interpreter.chosen_by))
}

/// One thread for everything in the server: handlers, pools and pipes hand over to each other without waking a
/// core.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A map of a million numbers and its answer are 20 MB, the largest block of them 7 MB.
const HEAP_KEPT_BYTES: i32 = 32 << 20;
const HEAP_BLOCK_BYTES: i32 = 8 << 20;

async fn run(config: Config) -> Result<(), ServeError> {
    raise_descriptor_limit();
    keep_freed_memory(HEAP_KEPT_BYTES, HEAP_BLOCK_BYTES);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut stop = stop::Signals::new()?;
    let tree = ProcessTree::init()?;
    tree.start_keeper(&std::env::current_exe()?, [ZYGOTE_ARGUMENT, KEEPER_ARGUMENT])?;
    let (listener, address) = bind(&config.bind).await?;
    let _socket_file = match &config.bind {
        Bind::Unix(path) => Some(SocketFile::of(path)),
        Bind::Tcp(_) => None,
    };
    let keys = keys(&config.limits);
    let service = service(config.limits.clone(), store(&config.limits, Arc::clone(&keys)));
    let app = Arc::new(App {
        service: Arc::clone(&service),
        base_url: config.public_url.as_ref().map(ToString::to_string).unwrap_or_default(),
        has_tokens: config.tokens.is_some(),
        keys,
    });
    let (closing, stage) = watch::channel(http::ServerStage::Serving);
    let options = ServerOptions {
        connections_max: config.limits.connections_max,
        head_timeout: config.limits.head_timeout,
        idle_timeout: config.limits.idle_timeout,
        write_stall_timeout: config.limits.write_stall_timeout,
        grace: stop::LAST_ANSWERS,
        answers: service.answers().clone(),
        asks_after: http::asks_after,
    };
    let routes = http::guarded(http::router(Arc::clone(&app)), http::AccessPolicy::of(&config), &app);
    let server = tokio::spawn(http::serve(listener, routes, options, stage));
    tokio::spawn(expire(app));

    tokio::select! {
        started = start(&config, &tree, &service) => started?,
        () = stop.first() => {
            stop::last_deaths(&tree).await;
            return Ok(());
        }
    }
    started::log(&service, &address);
    let mut stdout = io::stdout();
    if let Err(error) = writeln!(stdout, "forkpool listening on {address}").and_then(|()| stdout.flush()) {
        // Whoever started the server need not read it.
        tracing::warn!(%error, %address, "the ready line could not be written");
    }

    stop.first().await;
    stop::drain(&service, &mut stop).await;
    let _ = closing.send(http::ServerStage::Closing);
    stop::close(server, &service, &tree, &mut stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// A Unix socket's file, gone when the server is, however it ends; that of a successor in its place stays.
struct SocketFile {
    path: PathBuf,
    /// Held open: another file can't have its inode meanwhile.
    file: Option<File>,
}

impl SocketFile {
    fn of(path: &Path) -> Self {
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path);
        Self { path: path.to_owned(), file: file.ok() }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _lock = lock_folder(&self.path);
        let own = self.file.as_ref().and_then(|file| file.metadata().ok());
        let there = std::fs::symlink_metadata(&self.path).ok();
        let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
        if own.is_some() && own.map(identity) == there.map(identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// One server at a time looks whether a socket is stale and takes or leaves its place: the folder is locked
/// meanwhile. Whoever else holds that lock isn't waited for long.
fn lock_folder(path: &Path) -> Option<Flock<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut folder = File::open(folder).ok()?;
    for _ in 0..FOLDER_LOCK_TRIES {
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((same, _)) => folder = same,
        }
        std::thread::sleep(FOLDER_LOCK_PAUSE);
    }
    None
}

/// Connections and workers need descriptors: as many as this process may have.
fn raise_descriptor_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // A refusal leaves the limit as it was; the accept loop copes.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// The idempotency keys of all requests.
pub fn keys(limits: &Limits) -> Arc<Keys> {
    Keys::new(KeyBounds {
        keys_max: limits.idempotency_keys_max,
        bytes_max: limits.idempotency_bytes_max,
        ttl: limits.idempotency_ttl,
    })
}

/// A store that keeps everything in memory.
pub fn store(limits: &Limits, keys: Arc<Keys>) -> Arc<dyn Store> {
    let retention = Retention {
        result_ttl: limits.result_ttl,
        failure_ttl: limits.failure_ttl,
        finished_jobs_max: limits.finished_jobs_max,
        finished_bytes_max: limits.finished_bytes_max,
    };
    Arc::new(MemoryStore::new(retention, keys))
}

/// A service of which nothing is loaded yet: [`start`] does that.
pub fn service(limits: Limits, store: Arc<dyn Store>) -> Arc<Service> {
    let objects = ObjectLimits {
        objects_max: limits.objects_max,
        bytes_max: limits.object_bytes_max,
        depth_max: limits.depth_max,
        answer_bytes_max: limits.result_bytes_max,
        timeout_max: limits.timeout_max,
    };
    Service::new(limits, store, Objects::new(objects))
}

/// Loads the code, makes the pools, and opens the service once every worker takes tasks. The thread that calls this
/// must live as long as the service: zygotes end with it.
pub async fn start(config: &Config, tree: &ProcessTree, service: &Service) -> Result<(), ServeError> {
    let loaded = runtimes::load(config, tree, SaySkipped::Empty).await.map_err(ServeError::Configuration)?;
    let plan = loaded.plan(config).map_err(ServeError::Configuration)?;
    make(loaded, plan, config, service).await.map_err(ServeError::Failed)
}

/// Makes the pools, and opens the service once every worker takes tasks.
async fn make(loaded: Loaded, plan: Plan, config: &Config, service: &Service) -> Result<(), String> {
    let parts = loaded.into_parts(plan, config, service).await?;
    let ready = async {
        for pool in parts.pools().all() {
            pool.made().await.map_err(|failure| why_not_made(&pool, failure.as_deref()))?;
            pool.open();
        }
        Ok::<(), String>(())
    };
    // Each pool's clock has what its workers load in it; they load side by side.
    let clock = config.limits.start_timeout;
    let beyond = |pool: &Pool| pool.start_timeout.saturating_sub(clock);
    let patience = clock + parts.pools().all().iter().map(beyond).sum::<Duration>();
    match tokio::time::timeout(patience, ready).await {
        Ok(made) => made?,
        Err(_) => {
            let seconds = patience.as_secs_f64();
            return Err(format!(
                "the workers were not ready after {seconds} s (--start-timeout); the log says why"
            ));
        }
    }
    if service.open(parts) { Ok(()) } else { Err("the server was started twice".to_owned()) }
}

fn why_not_made(pool: &Pool, failure: Option<&BootFailure>) -> String {
    let detail = failure.map_or("it was stopped", |failure| failure.detail.as_str());
    let exception = failure.and_then(|failure| failure.exception.as_ref());
    let traceback = exception.and_then(|exception| exception.traceback.as_deref());
    // The last line is the exception's, which the detail ends with.
    let (frames, last) = traceback.and_then(|text| text.trim_end().rsplit_once('\n')).unwrap_or_default();
    let traceback = match (frames, detail.ends_with(last)) {
        ("", _) => String::new(),
        (frames, true) => format!("\n{frames}"),
        (frames, false) => format!("\n{frames}\n{last}"),
    };
    format!("the pool {}: {detail}{traceback}", pool.name)
}

async fn bind(bind: &Bind) -> io::Result<(Listener, String)> {
    let explain = |error: io::Error, what: String| {
        let told = error.to_string();
        let why = if error.kind() == io::ErrorKind::AddrInUse {
            "another process listens there; stop it or take another address"
        } else if error.kind() == io::ErrorKind::NotFound {
            "its folder is not there; make it first"
        } else {
            &told
        };
        io::Error::new(error.kind(), format!("{what}: {why} (--bind)"))
    };
    match bind {
        Bind::Tcp(address) => {
            let bound =
                TcpListener::bind(address).await.map_err(|error| explain(error, address.to_string()))?;
            let address = bound.local_addr()?;
            Ok((Listener::Tcp(bound), format!("http://{address}")))
        }
        Bind::Unix(path) => {
            let _lock = lock_folder(path);
            let shown = path.display().to_string();
            remove_stale(path).map_err(|error| explain(error, shown.clone()))?;
            let bound = UnixListener::bind(path).map_err(|error| explain(error, shown.clone()))?;
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            Ok((Listener::Unix(bound), format!("unix:{shown}")))
        }
    }
}

/// A socket that refuses connections was left by a server that was killed. Whatever else is there is left alone.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let refused = |why: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    if !there.is_socket() {
        let kind = match (there.is_dir(), there.is_symlink()) {
            (true, _) => "a folder",
            (_, true) => "a symbolic link",
            (false, false) => "no socket",
        };
        return refused(format!("it is there and is {kind}; remove or rename it"));
    }
    match connects(path) {
        // Or too many wait for whoever listens.
        Ok(()) | Err(Errno::EAGAIN) => Ok(()),
        Err(Errno::ECONNREFUSED) => std::fs::remove_file(path),
        Err(error) => refused(format!("a socket of another kind, or of another user, is there ({error})")),
    }
}

/// Whether somebody listens on a stream socket; never waits.
fn connects(path: &Path) -> nix::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let asking = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(asking.as_raw_fd(), &UnixAddr::new(path)?)
}

async fn expire(app: Arc<App>) {
    let mut period = tokio::time::interval(EXPIRY_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        app.service.expire().await;
        while app.keys.expire() {
            tokio::task::yield_now().await;
        }
    }
}
