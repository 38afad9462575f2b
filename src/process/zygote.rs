//! One zygote: executed, loaded, asked for forks.
//!
//! Its death ends nothing but itself: workers are the server's children, and the spawner executes another.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::late::{Late, Preload};
use super::tree::ProcessTree;
use crate::runtime::Runtime;
use crate::sys::{self, PidFd};
use crate::transport::{
    AnnouncedFunction, ChildDescriptors, ForkPurpose, FromZygote, LoadCommand, PACKET_BYTES_MAX, ToZygote,
};

/// How the zygotes of one runtime are made.
#[derive(Debug, Clone)]
pub struct RuntimeSpec {
    /// Which runtime.
    pub runtime: Runtime,
    /// What is executed.
    pub program: PathBuf,
    /// With which arguments.
    pub arguments: Vec<OsString>,
    /// Packets sent before all else (the Python bootstrap's source).
    pub preamble: &'static [&'static str],
    /// Paths, files, modules and functions to load.
    pub load: LoadList,
    /// What of it the zygote loads; each worker loads the rest.
    pub preload: Preload,
    /// Found to be such a rest.
    pub late: Vec<Late>,
    /// Largest value of a task in bytes.
    pub result_bytes_max: usize,
    /// Whether errors carry tracebacks.
    pub tracebacks: bool,
    /// For loading, for a fork, and for a worker's first word.
    pub start_timeout: Duration,
}

/// What a zygote loads.
#[derive(Debug, Clone, Default)]
pub struct LoadList {
    /// First on the import path.
    pub paths: Vec<String>,
    /// `(module, path)` of files.
    pub files: Vec<(String, String)>,
    /// Module names.
    pub modules: Vec<String>,
    /// Single functions.
    pub functions: Vec<String>,
    /// Programs offered as functions.
    pub commands: Vec<LoadCommand>,
}

/// One loading of the code: which functions it has, by the index that tasks name.
#[derive(Debug)]
pub struct Generation {
    /// Counts from 1.
    pub number: u64,
    /// In the order of their indexes.
    pub functions: Vec<AnnouncedFunction>,
    /// What each worker loads itself.
    pub late: Vec<Late>,
    indexes: HashMap<String, u32>,
}

impl Generation {
    /// The index of a function in this code, if it has it.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.indexes.get(name).copied()
    }
}

/// Why a zygote could not be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// It could not be executed or spoken to.
    #[error("the {runtime} runtime could not be started: {reason}")]
    Start {
        /// Which runtime.
        runtime: Runtime,
        /// What the system said.
        reason: String,
    },
    /// It refused by name.
    #[error("{what}: {reason}: {message}{}", traceback.as_deref().map(|text| format!("\n{text}")).unwrap_or_default())]
    Refused {
        /// Module or function.
        what: String,
        /// The protocol's reason.
        reason: String,
        /// What went wrong.
        message: String,
        /// The function's own frames.
        traceback: Option<String>,
        /// The threads that it has started.
        threads: Vec<String>,
    },
    /// It took too long.
    #[error("{what}: still loading after {seconds} s (the start clock, --start-timeout)")]
    Timeout {
        /// What it was loading.
        what: String,
        /// The start clock.
        seconds: f64,
    },
}

/// A loaded zygote.
#[derive(Debug)]
pub(super) struct Zygote {
    control: AsyncFd<OwnedFd>,
    pidfd: AsyncFd<PidFd>,
    pid: Pid,
    tree: ProcessTree,
}

impl Zygote {
    /// Executes a zygote and waits until it has loaded everything.
    pub async fn start(
        spec: &RuntimeSpec,
        tree: &ProcessTree,
        number: u64,
    ) -> Result<(Self, Generation), LoadError> {
        let failed = |error: io::Error| LoadError::Start {
            runtime: spec.runtime,
            reason: format!("{}: {error}", spec.program.display()),
        };
        let zygote = Self::execute(spec, tree).map_err(failed)?;
        zygote.send_load(spec).await.map_err(failed)?;
        let (functions, late) = zygote.loaded(spec).await?;
        let indexes = (0..).zip(&functions).map(|(index, function)| (function.name.clone(), index)).collect();
        Ok((zygote, Generation { number, functions, late, indexes }))
    }

    fn execute(spec: &RuntimeSpec, tree: &ProcessTree) -> io::Result<Self> {
        let (ours, theirs) = sys::packet_pair()?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.arguments).process_group(0).stdin(Stdio::from(theirs));
        // A zygote's own words (a module that prints while it loads) must not mix with the server's ready
        // line.
        command.stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FORKPOOL_") {
                command.env_remove(name);
            }
        }
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"] {
            if std::env::var_os(name).is_none() {
                command.env(name, "1");
            }
        }
        command.env("FP_SERVER_ID", tree.mark());
        let pid = Pid::from_raw(i32::try_from(command.spawn()?.id()).map_err(io::Error::other)?);
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // A failure closes the control socket, which ends the zygote; as no member it is reaped as
        // orphans are.
        let control = sys::watch_socket(ours)?;
        let pidfd = sys::watch_pidfd(PidFd::open(pid)?)?;
        tree.adopt(pid);
        Ok(Self { control, pidfd, pid, tree: tree.clone() })
    }

    async fn send_load(&self, spec: &RuntimeSpec) -> io::Result<()> {
        for packet in spec.preamble {
            self.send(packet.as_bytes(), None).await?;
        }
        let load = &spec.load;
        let files = load
            .files
            .iter()
            .map(|(module, path)| crate::transport::LoadFile { module: module.clone(), path: path.clone() });
        let packet = ToZygote::Load {
            protocol: 1,
            server_pid: Pid::this().as_raw(),
            paths: load.paths.clone(),
            files: files.collect(),
            modules: load.modules.clone(),
            functions: load.functions.clone(),
            commands: load.commands.clone(),
            preload: spec.preload != Preload::Off,
            late: spec.late.iter().map(|late| late.what.clone()).collect(),
            tracebacks: spec.tracebacks,
            result_bytes_max: spec.result_bytes_max,
        };
        let packet = serde_json::to_vec(&packet)?;
        if packet.len() > PACKET_BYTES_MAX {
            let what = "the names, paths and command lines to load are together longer than 128 KiB";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        self.send(&packet, None).await
    }

    async fn loaded(&self, spec: &RuntimeSpec) -> Result<(Vec<AnnouncedFunction>, Vec<Late>), LoadError> {
        let deadline = Instant::now() + spec.start_timeout;
        let mut loading = format!("the {} runtime", spec.runtime);
        let (mut functions, mut all_late) = (Vec::new(), Vec::new());
        loop {
            let received = tokio::time::timeout_at(deadline, self.receive()).await;
            let packet = match received {
                Ok(Ok(Some((packet, _)))) => packet,
                Ok(Ok(None)) => {
                    let reason = format!("it ended while loading {loading}");
                    return Err(LoadError::Start { runtime: spec.runtime, reason });
                }
                Ok(Err(error)) => {
                    return Err(LoadError::Start { runtime: spec.runtime, reason: error.to_string() });
                }
                Err(_) => {
                    return Err(LoadError::Timeout {
                        what: loading,
                        seconds: spec.start_timeout.as_secs_f64(),
                    });
                }
            };
            match packet {
                FromZygote::Loading { what } => loading = what,
                FromZygote::Function(function) => functions.push(function),
                FromZygote::Late { what, seconds, bytes } => {
                    let found = spec.late.iter().find(|late| late.what == what);
                    let threads = found.map(|late| late.threads.clone()).unwrap_or_default();
                    all_late.push(Late { what, threads, seconds, bytes });
                }
                FromZygote::Ready => return Ok((functions, all_late)),
                FromZygote::Refused { what, reason, message, traceback, threads } => {
                    return Err(LoadError::Refused { what, reason, message, traceback, threads });
                }
                FromZygote::Forked { .. } | FromZygote::ForkFailed { .. } => {}
            }
        }
    }

    /// Asks for a worker.
    pub async fn request_fork(
        &self,
        worker: u64,
        purpose: ForkPurpose,
        descriptors: &ChildDescriptors,
    ) -> io::Result<()> {
        let packet = serde_json::to_vec(&ToZygote::Fork { worker, purpose })?;
        self.send(&packet, Some(descriptors)).await
    }

    async fn send(&self, packet: &[u8], descriptors: Option<&ChildDescriptors>) -> io::Result<()> {
        let fds: Vec<_> = descriptors
            .iter()
            .flat_map(|all| [&all.task, &all.result, &all.call, &all.page, &all.log])
            .collect();
        let fds: Vec<_> = fds.into_iter().map(AsFd::as_fd).collect();
        self.control
            .async_io(Interest::WRITABLE, |socket| sys::send_packet(socket.as_fd(), packet, &fds))
            .await
    }

    /// The next packet; `None` when the socket or the process has ended.
    pub async fn receive(&self) -> io::Result<Option<(FromZygote, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let packet = self
            .control
            .async_io(Interest::READABLE, |socket| sys::receive_packet(socket.as_fd(), &mut buffer));
        // What a dying zygote still said comes first; the socket's end may never come (an intermediate holds
        // a copy).
        tokio::select! {
            biased;
            received = packet => match received {
                Ok((0, _)) => Ok(None),
                Ok((length, fds)) => Ok(Some((serde_json::from_slice(&buffer[..length])?, fds))),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
                Err(error) => Err(error),
            },
            _ = self.pidfd.readable() => Ok(None),
        }
    }

    /// The zygote's process.
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // Workers are not its children any more; nothing else depends on it.
        let _ = self.pidfd.get_ref().signal(Signal::SIGKILL);
        self.tree.reap_in_time(self.pid, self.pidfd.get_ref());
    }
}
