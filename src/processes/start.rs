//! The start of a Process, and who attends it until its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::handle::{Born, ProcessHandle};
use super::registry::{Inner, Phase, Processes};
use crate::jobs::Reservation;
use crate::process::{ForkError, Newborn, Purpose, Spawner, WorkerEvent, attend};
use crate::runtime::Runtime;
use crate::transport::{
    CheckedFrame, Codec, HEADER_BYTES, Header, Kind, Link, Origin, PIPE_PACKET_BYTES, ParentEnds,
};

/// Largest first word of a process.
const WORD_BYTES_MAX: usize = 128 << 10;
/// Before another zygote is asked.
const ZYGOTE_PAUSE: Duration = Duration::from_millis(20);
/// The one task of a process.
const SEQUENCE: u64 = 1;

/// A Process that is wanted.
#[derive(Debug)]
pub struct NewProcess {
    /// Public name of the function.
    pub target: Arc<str>,
    /// Its runtime.
    pub runtime: Runtime,
    /// The text of a JSON array.
    pub arguments: Bytes,
    /// The text of a JSON object.
    pub keywords: Option<Bytes>,
    /// Its name; `Process-N` if there is none.
    pub name: Option<String>,
    /// Whether the server's end is its end.
    pub daemon: bool,
    /// The bytes of its arguments, counted as queued until it has them.
    pub room: Reservation,
}

/// Why none was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// So many live.
    #[error("{0} processes live")]
    Overloaded(usize),
    /// The server goes down.
    #[error("the server is going down")]
    Draining,
    /// The code that is loaded now hasn't the function.
    #[error("the function is not in the code that is loaded now")]
    UnknownFunction,
    /// The arguments can't be given to it.
    #[error("{message}")]
    Arguments {
        /// Whether they refer to a shared object that there is not.
        unknown_ref: bool,
        /// What is wrong.
        message: String,
        /// Where.
        path: Option<String>,
    },
    /// No process came, or it ended before it came to its call.
    #[error("{0}")]
    Failed(String),
}

#[derive(Deserialize)]
struct ErrorPayload {
    #[serde(default)]
    message: String,
    path: Option<String>,
}

impl Processes {
    /// Starts one; it has its arguments when this returns. A task of its own, which the caller's end does not
    /// end.
    pub async fn start(&self, new: NewProcess) -> Result<Arc<ProcessHandle>, NotStarted> {
        let inner = &self.0;
        if inner.state.lock().phase > Phase::Serving {
            return Err(NotStarted::Draining);
        }
        let room = Arc::clone(&inner.room).try_acquire_owned();
        let room = room.map_err(|_| NotStarted::Overloaded(inner.rules.alive_max))?;
        let spawner = inner.spawners.read().get(&new.runtime).cloned().ok_or(NotStarted::Draining)?;
        let starting = inner.runtime.spawn(start(Arc::clone(inner), spawner, room, new));
        starting.await.unwrap_or(Err(NotStarted::Draining))
    }
}

async fn start(
    inner: Arc<Inner>,
    spawner: Spawner,
    room: OwnedSemaphorePermit,
    new: NewProcess,
) -> Result<Arc<ProcessHandle>, NotStarted> {
    let deadline = Instant::now() + inner.rules.start_timeout;
    let name = inner.name(new.name.clone());
    let late = |_| {
        let seconds = inner.rules.start_timeout.as_secs_f64();
        NotStarted::Failed(format!("it had not begun after {seconds} s (--start-timeout)"))
    };
    let forked = tokio::time::timeout_at(deadline, fork(&spawner, &name)).await;
    let (ends, Newborn { process, generation }) = forked.map_err(late)??;
    let function = generation.index(&new.target).ok_or(NotStarted::UnknownFunction)?;
    let born = Born { name, target: Arc::clone(&new.target), daemon: new.daemon, process: Arc::new(process) };
    let process = Arc::clone(&born.process);
    let handle = Arc::new(ProcessHandle::new(born));
    inner.state.lock().by_id.insert(handle.id, Arc::clone(&handle));
    let (told, first) = oneshot::channel();
    let ParentEnds { link, results, log, calls } = ends;
    let attended = inner.calls.attend(calls, handle.pid);
    let watching = Attendance { inner: Arc::clone(&inner), handle: Arc::clone(&handle), told: Some(told) };
    tokio::spawn(async move {
        let mut watching = watching;
        attend(process, results, log, WORD_BYTES_MAX, |event| watching.on_event(event)).await;
        // What it held after anything but a return goes back.
        if watching.handle.exit_code() == Some(0) {
            attended.returned();
        } else {
            drop(attended);
        }
        watching.inner.on_ended(&watching.handle);
        drop(room);
    });
    let begun = async {
        let given = give(&link, function, &new);
        tokio::pin!(given);
        let mut first = first;
        tokio::select! {
            biased;
            word = &mut first => return word,
            given = &mut given => if let Err(error) = given {
                tracing::error!(%error, "the arguments of a process could not be written");
            },
        }
        first.await
    };
    let word = tokio::time::timeout_at(deadline, begun).await.map_err(late);
    let begun = word.and_then(|word| judged(word.unwrap_or(Err("it ended before it began".into()))));
    if let Err(error) = begun {
        handle.kill();
        return Err(error);
    }
    catch_up(&inner, &handle);
    Ok(handle)
}

/// A process without its task. A zygote that is lost meanwhile is no reason to give up: nothing has run.
async fn fork(spawner: &Spawner, name: &Arc<str>) -> Result<(ParentEnds, Newborn), NotStarted> {
    loop {
        let failed =
            |error: &dyn std::fmt::Display| NotStarted::Failed(format!("it can't be forked: {error}"));
        let (ends, descriptors) = ParentEnds::open().map_err(|error| failed(&error))?;
        match spawner.fork(descriptors, Purpose::Process(Arc::clone(name))).await {
            Ok(newborn) => return Ok((ends, newborn)),
            Err(ForkError::ZygoteLost) => tokio::time::sleep(ZYGOTE_PAUSE).await,
            Err(error @ ForkError::Failed { .. }) => return Err(failed(&error)),
        }
    }
}

/// Gives a process its one task.
async fn give(link: &Link, function: u32, new: &NewProcess) -> std::io::Result<()> {
    let (kind, payload) = match &new.keywords {
        None => (Kind::Call, vec![new.arguments.clone()]),
        Some(keywords) => {
            let text = |text| Bytes::from_static(text);
            let pieces = vec![text(b"["), new.arguments.clone(), text(b","), keywords.clone(), text(b"]")];
            (Kind::CallKeywords, pieces)
        }
    };
    // No job's: all of it is zero.
    let origin = Bytes::copy_from_slice(&Origin::default().encode());
    let payload = [vec![origin], payload].concat();
    let length: usize = payload.iter().map(Bytes::len).sum();
    let header =
        Header { kind, codec: Codec::Json, detail: function, sequence: SEQUENCE, length: length as u64 };
    if HEADER_BYTES + length > PIPE_PACKET_BYTES {
        return link.send_stream(header, &payload).await;
    }
    // The pipe is new: it has room.
    link.try_send(&[&header.encode()[..], &payload.concat()].concat()).map(drop)
}

type Word = Result<CheckedFrame, String>;

fn judged(word: Word) -> Result<(), NotStarted> {
    let frame = word.map_err(NotStarted::Failed)?;
    if frame.header.kind == Kind::Ready {
        return Ok(());
    }
    if frame.header.kind == Kind::BootFailed {
        let payload = serde_json::from_slice::<ErrorPayload>(&frame.payload);
        let message = payload.map(|payload| payload.message).unwrap_or_default();
        return Err(NotStarted::Failed(format!("its modules can't be loaded: {message}")));
    }
    let unknown_ref = frame.header.kind == Kind::UnknownRef;
    if !unknown_ref && frame.header.kind != Kind::InvalidArguments {
        return Err(NotStarted::Failed("it said something that is no beginning".into()));
    }
    let payload = serde_json::from_slice(&frame.payload);
    let payload = payload.unwrap_or(ErrorPayload { message: "the arguments do not fit".into(), path: None });
    Err(NotStarted::Arguments { unknown_ref, message: payload.message, path: payload.path })
}

/// The server may have begun to go down while it began.
fn catch_up(inner: &Inner, handle: &ProcessHandle) {
    match inner.state.lock().phase {
        Phase::Serving => {}
        Phase::Draining if handle.daemon => handle.terminate(),
        Phase::Draining => {}
        Phase::Stopping => handle.kill(),
    }
}

/// Who attends a process.
struct Attendance {
    inner: Arc<Inner>,
    handle: Arc<ProcessHandle>,
    /// Until its first word.
    told: Option<oneshot::Sender<Word>>,
}

impl Attendance {
    fn on_event(&mut self, event: WorkerEvent) {
        let rules = &self.inner.rules;
        match event {
            WorkerEvent::Output(output) => {
                let answers = &self.inner.answers;
                self.handle.append(&output, rules.output_bytes_max, rules.output_to_stderr, answers);
            }
            WorkerEvent::Frame(frame) => {
                if self.told.is_some() && frame.header.kind == Kind::Ready {
                    self.handle.show();
                }
                self.tell(Ok(frame));
            }
            // Nobody asks for it here.
            WorkerEvent::Flushed(_) => {}
            // After its first word it has closed its pipe, as it should.
            WorkerEvent::Broken(error) => {
                if self.told.is_some() {
                    self.tell(Err(format!("it broke the protocol: {error}")));
                    self.handle.kill();
                }
            }
            WorkerEvent::Died(exit) => {
                self.handle.on_end(exit, rules.output_bytes_max);
                self.tell(Err(format!("it ended before it began: {exit}")));
            }
        }
    }

    fn tell(&mut self, word: Word) {
        if let Some(told) = self.told.take() {
            let _ = told.send(word);
        }
    }
}
