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

use super::exit::Exit;
use super::late::{Late, Preload};
use super::load_error::LoadError;
use super::printed::{Printed, Reading};
use super::tree::ProcessTree;
use crate::runtime::Runtime;
use crate::sys::{self, PidFd};
use crate::transport::{
    AnnouncedFunction, ChildDescriptors, ForkPurpose, FromZygote, Interpreter, LoadCommand, PACKET_BYTES_MAX,
    Skipped, ToZygote,
};

/// For the end of a zygote that has left its socket.
const END_MAX: Duration = Duration::from_secs(1);

/// How the zygotes of one runtime are made.
#[derive(Debug, Clone)]
pub struct RuntimeSpec {
    /// Which runtime.
    pub runtime: Runtime,
    /// What is executed.
    pub program: PathBuf,
    /// With which arguments.
    pub arguments: Vec<OsString>,
    /// Why it is this program, in words; empty where there is no choice.
    pub chosen_by: String,
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
    /// On the import path behind the standard library.
    pub folder: Option<String>,
    /// `(module, path)` of files.
    pub files: Vec<(String, String)>,
    /// Module names.
    pub modules: Vec<String>,
    /// Single functions.
    pub functions: Vec<String>,
    /// Programs offered as functions.
    pub commands: Vec<LoadCommand>,
    /// Whether to say what is not offered, and why.
    pub say_skipped: bool,
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
    /// What runs it, where it is interpreted.
    pub interpreter: Option<Interpreter>,
    /// What is not offered: all of it where that was asked for, else modules that offer nothing.
    pub skipped: Vec<Skipped>,
    indexes: HashMap<String, u32>,
}

impl Generation {
    fn new(number: u64) -> Self {
        let (functions, late, skipped) = (Vec::new(), Vec::new(), Vec::new());
        Self { number, functions, late, interpreter: None, skipped, indexes: HashMap::new() }
    }

    /// The index of a function in this code, if it has it.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.indexes.get(name).copied()
    }
}

/// A loaded zygote.
#[derive(Debug)]
pub(super) struct Zygote {
    control: AsyncFd<OwnedFd>,
    pidfd: AsyncFd<PidFd>,
    pid: Pid,
    tree: ProcessTree,
    printed: Reading,
}

impl Zygote {
    /// Executes a zygote and waits until it has loaded everything.
    pub async fn start(
        spec: &RuntimeSpec,
        tree: &ProcessTree,
        number: u64,
    ) -> Result<(Self, Generation), LoadError> {
        let mut zygote = Self::execute(spec, tree)
            .map_err(|error| LoadError::not_executed(spec.runtime, &spec.program, &spec.chosen_by, &error))?;
        match zygote.send_load(spec).await {
            Ok(()) => {}
            // It has ended already: how, says more.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            Err(error) => return Err(LoadError::Start { runtime: spec.runtime, reason: error.to_string() }),
        }
        match zygote.loaded(spec, number).await {
            Ok(generation) => Ok((zygote, generation)),
            Err(error) => {
                // What it printed is told before what is made of it.
                zygote.printed.rest().await;
                Err(error)
            }
        }
    }

    fn execute(spec: &RuntimeSpec, tree: &ProcessTree) -> io::Result<Self> {
        let (ours, theirs) = sys::packet_pair()?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.arguments).process_group(0).stdin(Stdio::from(theirs));
        let printed = Printed::of(&mut command)?;
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
        Ok(Self { control, pidfd, pid, tree: tree.clone(), printed: printed.read(pid.as_raw()) })
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
            folder: load.folder.clone(),
            chosen_by: spec.chosen_by.clone(),
            say_skipped: load.say_skipped,
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

    async fn loaded(&self, spec: &RuntimeSpec, number: u64) -> Result<Generation, LoadError> {
        let deadline = Instant::now() + spec.start_timeout;
        let mut loading = None;
        let mut generation = Generation::new(number);
        loop {
            let received = tokio::time::timeout_at(deadline, self.receive()).await;
            let packet = match received {
                Ok(Ok(Some((packet, _)))) => packet,
                Ok(Ok(None)) => {
                    let exit = self.exit().await;
                    let (program, chosen_by) = (&spec.program, &spec.chosen_by);
                    return Err(LoadError::ended(spec.runtime, program, chosen_by, loading, exit));
                }
                Ok(Err(error)) => {
                    return Err(LoadError::Start { runtime: spec.runtime, reason: error.to_string() });
                }
                Err(_) => {
                    return Err(LoadError::Timeout {
                        what: loading.unwrap_or_else(|| format!("the {} runtime", spec.runtime)),
                        seconds: spec.start_timeout.as_secs_f64(),
                    });
                }
            };
            match packet {
                FromZygote::Interpreter(interpreter) => generation.interpreter = Some(interpreter),
                FromZygote::Loading { what } => loading = Some(what),
                FromZygote::Function(function) => generation.functions.push(function),
                FromZygote::Skipped(skipped) => generation.skipped.push(skipped),
                FromZygote::Late { what, seconds, bytes } => {
                    let found = spec.late.iter().find(|late| late.what == what);
                    let threads = found.map(|late| late.threads.clone()).unwrap_or_default();
                    generation.late.push(Late { what, threads, seconds, bytes });
                }
                FromZygote::Ready => {
                    let names = generation.functions.iter().map(|function| function.name.clone());
                    generation.indexes = names.zip(0..).collect();
                    return Ok(generation);
                }
                FromZygote::Refused { what, reason, message, traceback, threads, advice } => {
                    return Err(LoadError::Refused { what, reason, message, traceback, threads, advice });
                }
                FromZygote::Forked { .. } | FromZygote::ForkFailed { .. } => {}
            }
        }
    }

    /// How it ended, now that it says nothing more.
    async fn exit(&self) -> Exit {
        match tokio::time::timeout(END_MAX, self.pidfd.readable()).await {
            Ok(_) => self.tree.reap(self.pid, self.pidfd.get_ref()),
            Err(_) => Exit::Unknown,
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
        if self.pidfd.get_ref().is_unreaped() {
            let _ = self.pidfd.get_ref().signal(Signal::SIGKILL);
            self.tree.reap_in_time(self.pid, self.pidfd.get_ref());
        }
    }
}
