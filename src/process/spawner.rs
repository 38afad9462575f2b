//! The source of workers of one runtime: keeps a zygote, replaces it when it dies, answers each request for a
//! fork once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Pid;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::late::{self, Preload};
use super::load_error::LoadError;
use super::tree::ProcessTree;
use super::worker::WorkerProcess;
use super::zygote::{Generation, RuntimeSpec, Zygote};
use crate::sys::PidFd;
use crate::transport::{ChildDescriptors, ForkInitializer, ForkPurpose, FromZygote};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// A worker just forked: alive, not yet heard of.
#[derive(Debug)]
pub struct Newborn {
    /// Its process.
    pub process: WorkerProcess,
    /// The code that it has.
    pub generation: Arc<Generation>,
}

/// Why no worker came.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForkError {
    /// The zygote said so.
    #[error("{reason}: {message}")]
    Failed {
        /// The protocol's reason.
        reason: String,
        /// What went wrong.
        message: String,
    },
    /// The zygote died or stood still before it answered.
    #[error("the zygote was lost")]
    ZygoteLost,
}

/// What each worker of a pool runs before its first task.
#[derive(Debug, Clone)]
pub struct Initializer {
    /// The function's public name.
    pub function: Arc<str>,
    /// The text of a JSON array: its positional arguments.
    pub arguments: Arc<str>,
}

/// What a process is forked for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// To be a pool's worker.
    Worker {
        /// Run first.
        initializer: Option<Initializer>,
        /// Whether it stays when a task has left threads in it.
        keep_threads: bool,
    },
    /// To run one call under this name, and to end.
    Process(Arc<str>),
}

#[derive(Debug)]
struct Request {
    descriptors: ChildDescriptors,
    purpose: Purpose,
    reply: oneshot::Sender<Result<Newborn, ForkError>>,
}

/// Asks for workers; clones ask the same zygote. The zygote goes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::UnboundedSender<Request>,
    made_of: Arc<(RuntimeSpec, ProcessTree)>,
    /// How long each worker takes to load what is left to it; `None`: nothing is.
    loading: Option<Duration>,
}

impl Spawner {
    /// Starts the runtime's first zygote; its failure is the caller's to report.
    pub async fn start(
        mut spec: RuntimeSpec,
        tree: ProcessTree,
    ) -> Result<(Self, Arc<Generation>), LoadError> {
        let (zygote, generation) = late::start(&mut spec, &tree, 1).await?;
        if spec.preload == Preload::Auto {
            generation.late.iter().for_each(|late| tracing::info!("{late}"));
        }
        let seconds = generation.late.iter().map(|late| late.seconds).sum();
        let loading =
            (!generation.late.is_empty()).then(|| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let generation = Arc::new(generation);
        let (sender, requests) = mpsc::unbounded_channel();
        let made_of = Arc::new((spec.clone(), tree.clone()));
        let keeper = Keeper { spec, tree, requests, pending: HashMap::new(), next_worker: 1 };
        tokio::spawn(keeper.run(zygote, Arc::clone(&generation)));
        Ok((Self { requests: sender, made_of, loading }, generation))
    }

    /// The same with a zygote of its own, which loads more or less before it forks.
    pub async fn start_sibling(&self, preload: Preload) -> Result<Self, LoadError> {
        let (spec, tree) = &*self.made_of;
        let late = if preload == Preload::Auto { spec.late.clone() } else { Vec::new() };
        let spec = RuntimeSpec { preload, late, ..spec.clone() };
        let runtime = spec.runtime.name();
        let started = Self::start(spec, tree.clone()).await;
        // Whoever asked is told in brief.
        started
            .inspect_err(|error| tracing::error!(runtime, preload = preload.word(), %error, "no zygote"))
            .map(|(sibling, _)| sibling)
    }

    /// How long each worker takes to load what its zygote leaves to it; `None`: nothing.
    pub fn loading(&self) -> Option<Duration> {
        self.loading
    }

    /// A new process of the present generation.
    pub async fn fork(&self, descriptors: ChildDescriptors, purpose: Purpose) -> Result<Newborn, ForkError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { descriptors, purpose, reply };
        self.requests.send(request).map_err(|_| ForkError::ZygoteLost)?;
        answer.await.unwrap_or(Err(ForkError::ZygoteLost))
    }
}

struct Pending {
    reply: oneshot::Sender<Result<Newborn, ForkError>>,
    deadline: Instant,
}

/// Owns the zygote.
struct Keeper {
    spec: RuntimeSpec,
    tree: ProcessTree,
    requests: mpsc::UnboundedReceiver<Request>,
    pending: HashMap<u64, Pending>,
    next_worker: u64,
}

impl Keeper {
    async fn run(mut self, mut zygote: Zygote, mut generation: Arc<Generation>) {
        while self.serve(&zygote, &generation).await {
            tracing::warn!(
                runtime = self.spec.runtime.name(),
                pid = zygote.pid().as_raw(),
                "the zygote is lost; starting another"
            );
            drop(zygote);
            // Dropping the replies tells their askers; a worker that still comes finds its pipes closed and
            // ends.
            self.pending.clear();
            (zygote, generation) = self.replace(generation.number + 1).await;
        }
    }

    async fn replace(&mut self, number: u64) -> (Zygote, Arc<Generation>) {
        let mut pause = Duration::ZERO;
        loop {
            match late::start(&mut self.spec, &self.tree, number).await {
                Ok((zygote, generation)) => return (zygote, Arc::new(generation)),
                Err(error) => {
                    pause = (pause * 2).clamp(RETRY_FIRST, RETRY_MOST);
                    tracing::error!(runtime = self.spec.runtime.name(), %error, retry_in = ?pause, "no new zygote");
                    tokio::time::sleep(pause).await;
                    // Whoever asked meanwhile asks again if it still wants to.
                    while let Ok(request) = self.requests.try_recv() {
                        let _ = request.reply.send(Err(ForkError::ZygoteLost));
                    }
                }
            }
        }
    }

    /// Serves requests until the zygote is lost (`true`) or nobody asks any more.
    async fn serve(&mut self, zygote: &Zygote, generation: &Arc<Generation>) -> bool {
        loop {
            let deadline = self.pending.values().map(|pending| pending.deadline).min();
            let overdue = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                received = zygote.receive() => match received {
                    Ok(Some((packet, fds))) => self.on_packet(packet, fds, generation),
                    Ok(None) => return true,
                    Err(error) => {
                        tracing::error!(runtime = self.spec.runtime.name(), %error, "the zygote broke the protocol");
                        return true;
                    }
                },
                request = self.requests.recv() => {
                    let Some(request) = request else { return false };
                    if !self.on_request(zygote, generation, request).await {
                        return true;
                    }
                }
                () = overdue => {
                    tracing::error!(runtime = self.spec.runtime.name(), "the zygote does not fork");
                    return true;
                }
            }
        }
    }

    async fn on_request(&mut self, zygote: &Zygote, generation: &Generation, request: Request) -> bool {
        if request.reply.is_closed() {
            return true;
        }
        let purpose = match request.purpose {
            Purpose::Process(name) => Ok(ForkPurpose::process(&name)),
            Purpose::Worker { initializer: None, keep_threads } => {
                Ok(ForkPurpose::worker(None, keep_threads))
            }
            Purpose::Worker { initializer: Some(wanted), keep_threads } => resolved(&wanted, generation)
                .map(|initializer| ForkPurpose::worker(Some(initializer), keep_threads)),
        };
        let purpose = match purpose {
            Ok(purpose) => purpose,
            Err(error) => {
                let _ = request.reply.send(Err(error));
                return true;
            }
        };
        let worker = self.next_worker;
        self.next_worker += 1;
        let deadline = Instant::now() + self.spec.start_timeout;
        let asked = zygote.request_fork(worker, purpose, &request.descriptors);
        let sent = tokio::time::timeout_at(deadline, asked).await;
        self.pending.insert(worker, Pending { reply: request.reply, deadline });
        matches!(sent, Ok(Ok(())))
    }

    fn on_packet(
        &mut self,
        packet: FromZygote,
        fds: Vec<std::os::fd::OwnedFd>,
        generation: &Arc<Generation>,
    ) {
        let (worker, answer) = match packet {
            FromZygote::Forked { worker, pid } => {
                let Some(pidfd) = fds.into_iter().next().map(PidFd::from_owned) else { return };
                let process = WorkerProcess::new(Pid::from_raw(pid), pidfd, self.tree.clone());
                (worker, process.map(|process| Newborn { process, generation: Arc::clone(generation) }))
            }
            FromZygote::ForkFailed { worker, reason, message } => {
                (worker, Err(ForkError::Failed { reason, message }))
            }
            FromZygote::Interpreter(_)
            | FromZygote::Loading { .. }
            | FromZygote::Skipped(_)
            | FromZygote::Function(_)
            | FromZygote::Late { .. }
            | FromZygote::Ready
            | FromZygote::Refused { .. } => return,
        };
        // A newborn that nobody waits for is dropped, which kills it.
        if let Some(pending) = self.pending.remove(&worker) {
            let _ = pending.reply.send(answer);
        }
    }
}

/// An initializer as this loading of the code knows it.
fn resolved(wanted: &Initializer, generation: &Generation) -> Result<ForkInitializer, ForkError> {
    match generation.index(&wanted.function) {
        Some(function) => Ok(ForkInitializer { function, args: wanted.arguments.to_string() }),
        None => Err(ForkError::Failed {
            reason: "initializer".into(),
            message: format!(
                "{} is not in the code that is loaded now, which has changed since the server's start; \
                 restart the server",
                wanted.function
            ),
        }),
    }
}
