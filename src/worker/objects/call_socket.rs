//! A worker's end of its call socket: blocking, for any number of threads. One of those that wait reads for all.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use nix::unistd::{Pid, gettid};
use parking_lot::{Condvar, Mutex};
use serde::Deserialize;

use super::error::ObjectError;
use crate::sys;
use crate::transport::{CallFrame, CallKind};

const READ_BYTES: usize = 64 << 10;

static CALL_SOCKET: OnceLock<CallSocket> = OnceLock::new();

/// The call socket of this process.
#[derive(Debug)]
struct CallSocket {
    owner: Pid,
    socket: OwnedFd,
    numbers: AtomicU64,
    sending: Mutex<()>,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By number; with the answer once it is there.
    waiting: HashMap<u64, Option<Answer>>,
    /// Whether some thread reads.
    reading: bool,
    broken: Option<String>,
    buffer: BytesMut,
    descriptors: VecDeque<OwnedFd>,
}

/// An answer: its kind, its payload, a descriptor.
type Answer = (CallKind, Bytes, Option<OwnedFd>);

/// What FAILED says.
#[derive(Debug, Deserialize)]
struct ErrorPayload {
    code: String,
    detail: String,
    exception: Option<Raised>,
}

#[derive(Debug, Deserialize)]
struct Raised {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

/// Takes over the call socket, once for a process.
pub fn take(socket: OwnedFd) {
    let call_socket = CallSocket {
        owner: Pid::this(),
        socket,
        numbers: AtomicU64::new(1),
        sending: Mutex::new(()),
        state: Mutex::default(),
        news: Condvar::new(),
    };
    // A second socket would be a second worker in this process.
    let _ = CALL_SOCKET.set(call_socket);
}

/// Calls a method; `arguments` is a JSON object or nothing.
pub fn call(path: &str, method: &str, arguments: &str) -> Result<Bytes, ObjectError> {
    let payload = format!("{path} {method}\n{arguments}");
    answer(call_socket()?.ask(CallKind::Call, payload.as_bytes())?).map(|(payload, _)| payload)
}

/// What the object is, and its memory.
pub fn open(path: &str) -> Result<(Bytes, Option<OwnedFd>), ObjectError> {
    answer(call_socket()?.ask(CallKind::Open, path.as_bytes())?)
}

fn call_socket() -> Result<&'static CallSocket, ObjectError> {
    let call_socket = CALL_SOCKET
        .get()
        .ok_or_else(|| ObjectError::local("shared objects can be used in a worker alone"))?;
    if Pid::this() != call_socket.owner {
        return Err(ObjectError::local("shared objects can't be used in a forked child of a worker"));
    }
    Ok(call_socket)
}

fn answer((kind, payload, descriptor): Answer) -> Result<(Bytes, Option<OwnedFd>), ObjectError> {
    if kind != CallKind::Failed {
        return Ok((payload, descriptor));
    }
    let payload: ErrorPayload =
        serde_json::from_slice(&payload).map_err(|error| ObjectError::local(error.to_string()))?;
    let exception = payload.exception.map(|raised| (raised.kind, raised.message));
    Err(ObjectError { code: payload.code, detail: payload.detail, exception })
}

impl CallSocket {
    fn ask(&self, kind: CallKind, payload: &[u8]) -> Result<Answer, ObjectError> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.state.lock().waiting.insert(number, None);
        let thread = u32::try_from(gettid().as_raw()).unwrap_or_default();
        let asked = self.send(&CallFrame::encode(kind, thread, number, payload));
        let answer = asked.and_then(|()| self.wait(number));
        if answer.is_err() {
            self.state.lock().waiting.remove(&number);
        }
        answer.map_err(|error| ObjectError::local(format!("the call socket is lost: {error}")))
    }

    fn send(&self, mut frame: &[u8]) -> io::Result<()> {
        let _turn = self.sending.lock();
        while !frame.is_empty() {
            match sys::send_some(self.socket.as_fd(), frame, &[]) {
                Ok(sent) => frame = &frame[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self, number: u64) -> io::Result<Answer> {
        let mut state = self.state.lock();
        loop {
            if let Some(Some(_)) = state.waiting.get(&number)
                && let Some(answer) = state.waiting.remove(&number).flatten()
            {
                return Ok(answer);
            }
            if let Some(why) = &state.broken {
                return Err(io::Error::other(why.clone()));
            }
            if state.reading {
                self.news.wait(&mut state);
                continue;
            }
            state.reading = true;
            drop(state);
            let mut part = vec![0; READ_BYTES];
            let read = sys::receive_packet(self.socket.as_fd(), &mut part);
            state = self.state.lock();
            state.reading = false;
            if let Err(error) = read.and_then(|(length, fds)| state.take(&part[..length], fds)) {
                state.broken = Some(error.to_string());
            }
            self.news.notify_all();
        }
    }
}

impl State {
    /// What has come, to those it is for.
    fn take(&mut self, part: &[u8], fds: Vec<OwnedFd>) -> io::Result<()> {
        if part.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(part);
        self.descriptors.extend(fds);
        while let Some(frame) = CallFrame::take_answer(&mut self.buffer).map_err(io::Error::other)? {
            let descriptor = if frame.detail > 0 { self.descriptors.pop_front() } else { None };
            if let Some(slot) = self.waiting.get_mut(&frame.number) {
                *slot = Some((frame.kind, frame.payload, descriptor));
            }
        }
        Ok(())
    }
}
