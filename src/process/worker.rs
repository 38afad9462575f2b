//! One worker process: its death, its answers, its output, as events.
//!
//! Death is a readable pidfd, never an end of file. What a worker answered before it died counts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::exit::Exit;
use super::spawner::ForkError;
use super::tree::ProcessTree;
use crate::offload::offload;
use crate::sys::{self, PidFd};
use crate::transport::{CheckedFrame, Frame, HEADER_BYTES, Kind, ProtocolError};

const READ_BYTES: usize = 64 << 10;
/// More frames in one read than workers send.
const FRAMES_AT_ONCE: usize = 64;
/// Reads of a result pipe in a row: at least what it can hold.
const FLUSH_READS: usize = 32;
/// Reads of a log pipe in a row.
const LOG_READS: usize = 4;
/// From a closed result pipe to the verdict that the worker lives on without one.
const CLOSED_GRACE: Duration = Duration::from_millis(20);

/// A worker's process. Dropping it kills what still lives.
#[derive(Debug)]
pub struct WorkerProcess {
    pid: Pid,
    pidfd: AsyncFd<PidFd>,
    tree: ProcessTree,
    /// Its exit once reaped; until then its number can't be anyone else's.
    reaped: Mutex<Option<Exit>>,
    flushes: Flushes,
    /// The task whose large value has come and is being checked; 0: none.
    answering: AtomicU64,
    /// Whether a large frame is being checked: what comes behind it is not read before.
    is_checking: AtomicBool,
}

/// Requests to read all that is in the pipes by now.
#[derive(Debug)]
struct Flushes {
    /// Their numbers; `None` once the process has ended and all has been read.
    pending: Mutex<Option<Vec<u64>>>,
    requested: Notify,
    is_requested: AtomicBool,
}

/// What happened at a worker, in order.
#[derive(Debug)]
pub enum WorkerEvent {
    /// It wrote a frame.
    Frame(CheckedFrame),
    /// Its tasks printed something.
    Output(Bytes),
    /// It wrote what is no frame; nothing more is read from it.
    Broken(ProtocolError),
    /// All that it had written when this was asked for (see [`WorkerProcess::flush`]) has been reported.
    Flushed(u64),
    /// It ended; the last event.
    Died(Exit),
}

impl WorkerProcess {
    pub(super) fn new(pid: Pid, pidfd: PidFd, tree: ProcessTree) -> Result<Self, ForkError> {
        let failed =
            |error: io::Error| ForkError::Failed { reason: "fork".into(), message: error.to_string() };
        let pidfd = sys::watch_pidfd(pidfd).map_err(failed)?;
        tree.adopt(pid);
        let flushes = Flushes {
            pending: Mutex::new(Some(Vec::new())),
            requested: Notify::new(),
            is_requested: AtomicBool::new(false),
        };
        Ok(Self {
            pid,
            pidfd,
            tree,
            reaped: Mutex::new(None),
            flushes,
            answering: AtomicU64::new(0),
            is_checking: AtomicBool::new(false),
        })
    }

    /// Has all that it has written by now read and reported, and then [`WorkerEvent::Flushed`] with this number.
    /// `false`: it has ended, and all that it wrote has been reported.
    pub fn flush(&self, number: u64) -> bool {
        let mut pending = self.flushes.pending.lock();
        let Some(numbers) = pending.as_mut() else { return false };
        numbers.push(number);
        self.flushes.is_requested.store(true, Ordering::Release);
        self.flushes.requested.notify_one();
        true
    }

    /// Whether a large frame of it is being checked: it may have answered more, which is read then.
    pub fn is_checking(&self) -> bool {
        self.is_checking.load(Ordering::Relaxed)
    }

    /// The task that it has answered with a large value, while that is being checked: the answer is reported soon.
    pub fn answering(&self) -> Option<u64> {
        Some(self.answering.load(Ordering::Relaxed)).filter(|sequence| *sequence != 0)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Kills it and its process group, whatever it is doing: a stopped process and blocked signals included.
    pub fn kill(&self) {
        let reaped = self.reaped.lock();
        if reaped.is_none() && self.pidfd.get_ref().is_unreaped() {
            self.tree.end_group(self.pid);
            if let Err(error) = self.pidfd.get_ref().signal(Signal::SIGKILL) {
                tracing::error!(pid = self.pid.as_raw(), %error, "a worker could not be killed");
            }
        }
    }

    /// Sends it a signal; none if it has ended.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = self.pidfd.get_ref().signal(signal) {
            tracing::error!(pid = self.pid.as_raw(), %signal, %error, "a process could not be signalled");
        }
    }

    /// Memory that it holds, in bytes (`VmRSS`: what it shares with its zygote counts too); `None` when it has
    /// ended.
    pub fn resident_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
        Some(pages * u64::try_from(page).ok()?)
    }

    async fn ended(&self) {
        // An error could only mean that the runtime is going down, and all workers with it.
        let _ = self.pidfd.readable().await;
    }

    fn reap(&self) -> Exit {
        let mut reaped = self.reaped.lock();
        *reaped.get_or_insert_with(|| self.tree.reap(self.pid, self.pidfd.get_ref()))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.kill();
        if self.reaped.get_mut().is_none() {
            self.tree.reap_in_time(self.pid, self.pidfd.get_ref());
        }
    }
}

/// Turns all that happens at a worker into events, until it has ended and been reaped.
pub async fn attend(
    process: Arc<WorkerProcess>,
    results: pipe::Receiver,
    log: pipe::Receiver,
    payload_bytes_max: usize,
    mut report: impl FnMut(WorkerEvent) + Send,
) {
    let buffer = BytesMut::with_capacity(READ_BYTES);
    let mut attendant = Attendant {
        process: Arc::clone(&process),
        results,
        log,
        payload_bytes_max,
        buffer,
        results_open: true,
        log_open: true,
        closed_at: None,
    };
    // Made once: it would be registered anew in each round.
    let flush = process.flushes.requested.notified();
    tokio::pin!(flush);
    loop {
        // Asked in each round: a worker that writes without end must not delay it.
        if process.flushes.is_requested.swap(false, Ordering::Acquire) {
            let numbers = process.flushes.pending.lock().as_mut().map(std::mem::take).unwrap_or_default();
            attendant.read_now(&mut report).await;
            numbers.into_iter().for_each(|number| report(WorkerEvent::Flushed(number)));
        }
        let Attendant { results, log, buffer, results_open, log_open, closed_at, .. } = &mut attendant;
        let silent_since = *closed_at;
        tokio::select! {
            biased;
            read = results.read_buf(buffer), if *results_open => {
                // Whoever takes the frames has its turn before more is read, likewise.
                if attendant.on_read(&read, &mut report).await > FRAMES_AT_ONCE {
                    tokio::task::yield_now().await;
                }
            }
            _ = log.readable(), if *log_open => {
                attendant.read_log(&mut report);
                // Whoever takes the output has its turn before more is read: it must not pile up in between.
                tokio::task::yield_now().await;
            }
            () = process.ended() => break,
            () = &mut flush => flush.set(process.flushes.requested.notified()),
            () = past(silent_since), if silent_since.is_some() => {
                attendant.closed_at = None;
                report(WorkerEvent::Broken(ProtocolError::Closed));
            }
        }
    }
    // Its group first, so that no grandchild writes on; then what it still said.
    process.kill();
    attendant.read_rest(&mut report).await;
    let numbers = process.flushes.pending.lock().take().unwrap_or_default();
    numbers.into_iter().for_each(|number| report(WorkerEvent::Flushed(number)));
    report(WorkerEvent::Died(process.reap()));
}

async fn past(closed_at: Option<Instant>) {
    if let Some(closed_at) = closed_at {
        tokio::time::sleep_until(closed_at + CLOSED_GRACE).await;
    }
}

struct Attendant {
    process: Arc<WorkerProcess>,
    results: pipe::Receiver,
    log: pipe::Receiver,
    payload_bytes_max: usize,
    buffer: BytesMut,
    results_open: bool,
    log_open: bool,
    /// When the result pipe was found closed; a dying worker does that too, a moment before its pidfd tells.
    closed_at: Option<Instant>,
}

impl Attendant {
    /// Takes what was read; gives the number of frames.
    async fn on_read(
        &mut self,
        read: &io::Result<usize>,
        report: &mut (impl FnMut(WorkerEvent) + Send),
    ) -> usize {
        match read {
            Ok(0) | Err(_) => {
                self.results_open = false;
                self.closed_at = Some(Instant::now());
                0
            }
            Ok(_) => {
                // The log first: a worker flushes before it answers.
                self.read_log(report);
                let frames = self.take_frames(report).await;
                self.make_room();
                frames
            }
        }
    }

    /// Room for the next read. A buffer that grew for one large answer is left to it: what comes next must
    /// not hold on to it.
    fn make_room(&mut self) {
        let grown = self.buffer.capacity() > 2 * READ_BYTES;
        if grown && self.buffer.len() < HEADER_BYTES {
            let rest = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(READ_BYTES));
            self.buffer.extend_from_slice(&rest);
        } else if self.buffer.capacity() == self.buffer.len() || self.buffer.is_empty() {
            self.buffer.reserve(READ_BYTES);
        }
    }

    /// What a dead worker left in its pipes.
    async fn read_rest(&mut self, report: &mut (impl FnMut(WorkerEvent) + Send)) {
        self.read_log(report);
        while self.results_open {
            self.make_room();
            match self.results.try_read_buf(&mut self.buffer) {
                Ok(1..) => {
                    self.take_frames(report).await;
                }
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Reads what lies in the result pipe, without asking the runtime, which may not have looked at it yet.
    async fn read_now(&mut self, report: &mut (impl FnMut(WorkerEvent) + Send)) {
        self.read_log(report);
        let mut bytes = vec![0; READ_BYTES];
        for _ in 0..FLUSH_READS {
            if !self.results_open {
                return;
            }
            // An end of file is found again by the next regular read.
            let Ok(read @ 1..) = nix::unistd::read(&self.results, &mut bytes) else { return };
            self.buffer.extend_from_slice(&bytes[..read]);
            self.take_frames(report).await;
            self.make_room();
        }
    }

    /// Reports the frames that are whole, in their order: what comes behind a large one waits for its check.
    async fn take_frames(&mut self, report: &mut (impl FnMut(WorkerEvent) + Send)) -> usize {
        let mut taken = 0;
        loop {
            match Frame::take(&mut self.buffer, self.payload_bytes_max) {
                Ok(Some(frame)) => report(WorkerEvent::Frame(self.checked(frame).await)),
                Ok(None) => return taken,
                Err(error) => {
                    self.results_open = false;
                    report(WorkerEvent::Broken(error));
                    return taken;
                }
            }
            taken += 1;
        }
    }

    async fn checked(&self, frame: Frame) -> CheckedFrame {
        if !CheckedFrame::is_large(&frame) {
            return CheckedFrame::of(frame);
        }
        if frame.header.kind == Kind::Value {
            self.process.answering.store(frame.header.sequence, Ordering::Relaxed);
        }
        self.process.is_checking.store(true, Ordering::Relaxed);
        let checked = offload(frame.payload.len(), move || CheckedFrame::of(frame)).await;
        self.process.is_checking.store(false, Ordering::Relaxed);
        self.process.answering.store(0, Ordering::Relaxed);
        checked
    }

    /// What lies in the log pipe: one pipe's worth, so that a worker which prints without end can't hold the
    /// server.
    fn read_log(&mut self, report: &mut impl FnMut(WorkerEvent)) {
        let mut buffer = [0; 16 << 10];
        for _ in 0..LOG_READS {
            if !self.log_open {
                return;
            }
            match self.log.try_read(&mut buffer) {
                Ok(0) => self.log_open = false,
                Ok(read) => report(WorkerEvent::Output(Bytes::copy_from_slice(&buffer[..read]))),
                Err(_) => return,
            }
        }
    }
}
