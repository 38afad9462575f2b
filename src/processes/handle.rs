//! One Process: what is known of it, while it lives and after.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::Level;
use uuid::{Uuid, Variant, Version};

use crate::jobs::{AnswerBytes, HeldBytes, KeptOutput, Share};
use crate::process::{Exit, Lines, Marks, WorkerProcess, log_output};

/// A Process's id: UUIDv7, so that ids sort by their age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(Uuid);

impl ProcessId {
    /// Larger than all before it.
    pub(super) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads the form that [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        let ours = id.get_version() == Some(Version::SortRand) && id.get_variant() == Variant::RFC4122;
        (ours && text.len() == 36).then_some(Self(id))
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[derive(Debug, Default)]
struct Output {
    kept: KeptOutput,
    /// What it costs while the process lives.
    held: Option<HeldBytes>,
    marks: Marks,
    /// For the server's log.
    lines: Lines,
}

/// A Process.
#[derive(Debug)]
pub struct ProcessHandle {
    /// Its id.
    pub id: ProcessId,
    /// Its name.
    pub name: Arc<str>,
    /// Public name of what it runs.
    pub target: Arc<str>,
    /// Whether the server's end is its end.
    pub daemon: bool,
    /// Its process.
    pub pid: i32,
    /// That of the server.
    pub parent_pid: i32,
    /// While it lives.
    process: Mutex<Option<Arc<WorkerProcess>>>,
    output: Mutex<Output>,
    /// Whether it has come to its call.
    shown: AtomicBool,
    end: watch::Sender<Option<Exit>>,
}

/// What makes a [`ProcessHandle`].
pub(super) struct Born {
    pub name: Arc<str>,
    pub target: Arc<str>,
    pub daemon: bool,
    pub process: Arc<WorkerProcess>,
}

impl ProcessHandle {
    pub(super) fn new(born: Born) -> Self {
        Self {
            id: ProcessId::new(),
            name: born.name,
            target: born.target,
            daemon: born.daemon,
            pid: born.process.pid(),
            parent_pid: nix::unistd::Pid::this().as_raw(),
            process: Mutex::new(Some(born.process)),
            output: Mutex::default(),
            shown: AtomicBool::new(false),
            end: watch::Sender::new(None),
        }
    }

    /// One that came to its call and has ended.
    #[cfg(test)]
    pub(super) fn gone() -> Arc<Self> {
        Arc::new(Self {
            id: ProcessId::new(),
            name: "p".into(),
            target: "f".into(),
            daemon: false,
            pid: 0,
            parent_pid: 0,
            process: Mutex::default(),
            output: Mutex::default(),
            shown: AtomicBool::new(true),
            end: watch::Sender::new(Some(Exit::Code(0))),
        })
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// As the library counts: its status, or minus the signal that ended it; `None` while it lives, and if
    /// it was lost.
    pub fn exit_code(&self) -> Option<i32> {
        match (*self.end.borrow())? {
            Exit::Code(code) => Some(code),
            Exit::Signal { signal, .. } => Some(-(signal as i32)),
            Exit::RealTime(number) => Some(-number),
            Exit::Unknown => None,
        }
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        // The sender lives in self: no error is possible.
        let _ = self.end.subscribe().wait_for(Option::is_some).await;
    }

    /// SIGTERM, to itself alone; nothing if it has ended.
    pub fn terminate(&self) {
        if let Some(process) = &*self.process.lock() {
            process.signal(Signal::SIGTERM);
        }
    }

    /// SIGKILL, to its process group too; nothing if it has ended.
    pub fn kill(&self) {
        if let Some(process) = &*self.process.lock() {
            process.kill();
        }
    }

    /// What it wrote so far, and whether more was cut off.
    pub fn output(&self) -> (Vec<u8>, bool) {
        let output = self.output.lock();
        (output.kept.bytes().to_vec(), output.kept.is_cut())
    }

    /// Bytes of output that are kept.
    pub(super) fn output_bytes(&self) -> usize {
        self.output.lock().kept.bytes().len()
    }

    pub(super) fn append(&self, text: &[u8], bytes_max: usize, to_log: bool, answers: &AnswerBytes) {
        let mut output = self.output.lock();
        let stripped = output.marks.strip(text);
        output.kept.append(&stripped, bytes_max);
        let kept = output.kept.bytes().len();
        output.held.get_or_insert_with(|| answers.hold(Share::Gathered, 0)).set(kept);
        if to_log {
            output.lines.push(text, |level, line| self.log(level, line));
        }
    }

    fn log(&self, level: Level, line: &str) {
        log_output!(level, process = %self.id, name = &*self.name, pid = self.pid, "{line}");
    }

    pub(super) fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }

    pub(super) fn show(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    pub(super) fn on_end(&self, exit: Exit, bytes_max: usize) {
        let mut output = self.output.lock();
        let rest = output.marks.finish();
        output.kept.append(rest.as_ref(), bytes_max);
        output.lines.finish(|level, line| self.log(level, line));
        output.kept.shrink();
        output.held = None;
        drop(output);
        tracing::debug!(
            process = %self.id, name = &*self.name, function = &*self.target, pid = self.pid, %exit, "a Process ended"
        );
        *self.process.lock() = None;
        self.end.send_replace(Some(exit));
    }
}
