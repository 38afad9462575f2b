//! One life of a worker process: its requests read, answered, withdrawn.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outbox::Outbox;
use crate::objects::{
    Address, Call, Calling, Delivery, ErrorCode, HolderId, Kind, ObjectCaller, ObjectError, Objects,
};
use crate::transport::{CallEnd, CallFrame, CallKind, ProtocolError};

const READ_BYTES: usize = 16 << 10;
/// Calls that one process may have open at once: its threads.
const OPEN_CALLS_MAX: usize = 256;
/// Of them, those that run elsewhere: each keeps its answer, which may be large, until there is room for it.
const DELAYED_CALLS_MAX: usize = 4;
/// How often is looked whether the answers that handed something over have been read.
const FORGET_PERIOD: Duration = Duration::from_secs(1);

/// From so many on it is looked at once.
const HANDED_MAX: usize = 64;

/// A request that has no answer yet.
struct Open {
    number: u64,
    asked: Asked,
}

enum Asked {
    /// To call a method.
    Call(Calling),
    /// To open an object: what it is, and its memory if it has some.
    Open(Pin<Box<dyn Future<Output = Opened> + Send>>),
}

/// What is told of an object that was opened.
type Opened = Result<(Bytes, Option<OwnedFd>), ObjectError>;

enum Answer {
    Returned(Delivery),
    Opened(Bytes, Option<OwnedFd>),
    Failed(ObjectError),
}

impl Asked {
    fn is_delayed(&self) -> bool {
        match self {
            Self::Call(calling) => calling.is_delayed(),
            Self::Open(_) => true,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        match self {
            Self::Call(calling) => {
                Pin::new(calling).poll(cx).map(|result| result.map_or_else(Answer::Failed, Answer::Returned))
            }
            Self::Open(opening) => opening.as_mut().poll(cx).map(|result| match result {
                Ok((told, memory)) => Answer::Opened(told, memory),
                Err(error) => Answer::Failed(error),
            }),
        }
    }
}

/// What is served of one process.
pub(super) struct Session {
    objects: Objects,
    holder: HolderId,
    pid: i32,
    request_bytes_max: usize,
    socket: UnixStream,
    theirs: OwnedFd,
    input: BytesMut,
    /// Whether its requests are still read: not after one that is none.
    reads: bool,
    open: Vec<Open>,
    outbox: Outbox,
    /// The thread that asked last, as owner.
    owner: (u32, Arc<str>),
}

impl Session {
    pub fn new(
        objects: Objects,
        holder: HolderId,
        pid: i32,
        end: CallEnd,
        request_bytes_max: usize,
    ) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(end.own);
        socket.set_nonblocking(true)?;
        Ok(Self {
            objects,
            holder,
            pid,
            request_bytes_max,
            socket: UnixStream::from_std(socket)?,
            theirs: end.theirs,
            input: BytesMut::new(),
            reads: true,
            open: Vec::new(),
            outbox: Outbox::default(),
            owner: (0, format!("{pid}:0").into()),
        })
    }

    /// Serves until `reaped` ends; with a word if the process returned.
    pub async fn run(mut self, mut reaped: oneshot::Receiver<()>) {
        let forget = tokio::time::sleep(FORGET_PERIOD);
        tokio::pin!(forget);
        let mut forgets = false;
        let returned = loop {
            self.take_requests().await;
            if self.outbox.handed_count() > 0 && !forgets {
                forget.as_mut().reset(Instant::now() + FORGET_PERIOD);
                forgets = true;
            }
            let room = self.outbox.has_room();
            tokio::select! {
                biased;
                ended = &mut reaped => break ended.is_ok(),
                done = poll_fn(|cx| poll_any(&mut self.open, cx)), if room && !self.open.is_empty() => {
                    done.into_iter().for_each(|done| self.on_done(done));
                }
                _ = self.socket.writable(), if !self.outbox.is_sent() => {}
                _ = self.socket.readable(), if self.takes_requests() => self.on_readable(),
                () = &mut forget, if forgets => {
                    forgets = false;
                    self.outbox.forget_read(self.theirs.as_fd());
                }
            }
            self.flush();
            if !self.outbox.is_sent() {
                tokio::task::yield_now().await;
            }
        };
        self.end(returned);
    }

    /// The process is no more: what it held comes back unless it returned, its waits end, what it didn't read
    /// goes back.
    fn end(self, returned: bool) {
        self.outbox.end(self.theirs.as_fd());
        if returned {
            self.objects.returned(self.holder);
        } else {
            // Before its waits are dropped: who waits in a barrier breaks it.
            self.objects.died(self.holder);
        }
        drop(self.open);
    }

    /// Whether there is room for what one more request may bring.
    fn takes_requests(&self) -> bool {
        let delayed = self.open.iter().filter(|open| open.asked.is_delayed());
        self.reads && self.outbox.has_room() && delayed.count() < DELAYED_CALLS_MAX
    }

    fn on_readable(&mut self) {
        if self.outbox.handed_count() > HANDED_MAX {
            self.outbox.forget_read(self.theirs.as_fd());
        }
        self.input.reserve(READ_BYTES);
        match self.socket.try_read_buf(&mut self.input) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.reads = false,
            Ok(_) => {}
        }
    }

    /// Serves the whole requests that have come, while there is room for their answers.
    async fn take_requests(&mut self) {
        while self.takes_requests() {
            match CallFrame::take_request(&mut self.input, self.request_bytes_max) {
                Ok(Some(request)) => self.on_request(request).await,
                Ok(None) => break,
                Err(error) => return self.refuse(error),
            }
            self.flush();
        }
        if self.input.is_empty() && self.input.capacity() > 2 * READ_BYTES {
            self.input = BytesMut::new();
        }
    }

    /// What a worker wrote is no request: nothing more is read from it, and its next call ends it.
    fn refuse(&mut self, error: ProtocolError) {
        tracing::warn!(pid = self.pid, %error, "a worker broke the protocol of its call socket");
        let _ = nix::sys::socket::shutdown(
            std::os::fd::AsRawFd::as_raw_fd(&self.socket),
            nix::sys::socket::Shutdown::Both,
        );
        self.break_off();
    }

    /// The socket is no use any more: nothing is read or written, what waits is withdrawn, and what was handed over
    /// and not read goes back. What the process holds stays until it is reaped.
    fn break_off(&mut self) {
        self.reads = false;
        self.input = BytesMut::new();
        self.open.clear();
        std::mem::take(&mut self.outbox).end(self.theirs.as_fd());
    }

    async fn on_request(&mut self, request: CallFrame) {
        let number = request.number;
        match request.kind {
            CallKind::Call => self.on_call(&request).await,
            CallKind::Open => match address_to_open(&request) {
                Some(at) => {
                    let opening = opened(self.objects.clone(), at);
                    self.begin(number, Asked::Open(Box::pin(opening))).await;
                }
                None => self.fail(number, &no_object(&request)),
            },
            CallKind::Cancel => {
                let which = std::str::from_utf8(&request.payload).ok().and_then(|text| text.parse().ok());
                let before = self.open.len();
                self.open.retain(|open| Some(open.number) != which);
                let open = self.open.len() < before;
                let withdrawn = open || which.is_some_and(|which| self.outbox.take_back(which));
                let withdrawn = if withdrawn { "true" } else { "false" };
                self.outbox.push(CallKind::Returned, number, &Bytes::from_static(withdrawn.as_bytes()), None);
            }
            CallKind::Returned | CallKind::Failed | CallKind::Opened => {}
        }
    }

    async fn on_call(&mut self, request: &CallFrame) {
        let number = request.number;
        let asked = request.asked();
        let Some((asked, at)) =
            asked.and_then(|asked| Some((address(asked.address)?, asked))).map(|(at, asked)| (asked, at))
        else {
            return self.fail(number, &no_object(request));
        };
        if self.owner.0 != request.detail {
            self.owner = (request.detail, format!("{}:{}", self.pid, request.detail).into());
        }
        let caller = ObjectCaller { holder: Some(self.holder), owner: Some(Arc::clone(&self.owner.1)) };
        let (method, arguments) = (asked.method.to_owned(), asked.rest);
        let call = Call { at, method, arguments, caller, max_wait: None };
        let calling = self.objects.hand_over(call);
        self.begin(number, Asked::Call(calling)).await;
    }

    /// Answers at once what can be.
    async fn begin(&mut self, number: u64, mut asked: Asked) {
        if self.open.len() >= OPEN_CALLS_MAX {
            let detail = format!("this worker has {OPEN_CALLS_MAX} calls open already");
            return self.fail(number, &ObjectError::new(ErrorCode::Overloaded, detail));
        }
        match poll_fn(|cx| Poll::Ready(asked.poll(cx))).await {
            Poll::Ready(answer) => self.on_done((number, answer)),
            Poll::Pending => self.open.push(Open { number, asked }),
        }
    }

    fn on_done(&mut self, (number, answer): Done) {
        match answer {
            Answer::Returned(handed) => {
                self.outbox.push(CallKind::Returned, number, handed.text(), None);
                if handed.goes_back() {
                    self.outbox.hands_over(number, handed);
                }
            }
            Answer::Opened(told, memory) => self.outbox.push(CallKind::Opened, number, &told, memory),
            Answer::Failed(error) => self.fail(number, &error),
        }
    }

    fn fail(&mut self, number: u64, error: &ObjectError) {
        let exception = error.exception.as_ref().map(|exception| ExceptionPayload {
            kind: &exception.kind,
            message: &exception.message,
            args: &exception.args,
        });
        let flag = error.limit.map_or(String::new(), |(limit, _)| format!(" ({})", limit.flag()));
        let payload = ErrorPayload {
            code: error.code.as_str(),
            detail: &format!("{}{flag}", error.detail),
            exception,
            member: error.member.as_deref(),
        };
        self.outbox.push(CallKind::Failed, number, &json(&payload), None);
    }

    fn flush(&mut self) {
        let Self { socket, outbox, .. } = self;
        let flushed = socket.try_io(tokio::io::Interest::WRITABLE, || outbox.flush(socket.as_fd()));
        // A full socket is waited for. A broken one would be ready for ever.
        if flushed.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            self.break_off();
        }
    }
}

/// A call that was answered, by its number.
type Done = (u64, Answer);

/// The first of the open calls that is done leaves them; `None`: one is delayed no longer.
fn poll_any(open: &mut Vec<Open>, cx: &mut Context<'_>) -> Poll<Option<Done>> {
    for at in 0..open.len() {
        let asked = &mut open[at].asked;
        let was_delayed = asked.is_delayed();
        if let Poll::Ready(answer) = asked.poll(cx) {
            return Poll::Ready(Some((open.swap_remove(at).number, answer)));
        }
        if was_delayed && !asked.is_delayed() {
            return Poll::Ready(None);
        }
    }
    Poll::Pending
}

/// As references have it: the path over HTTP.
fn address(path: &str) -> Option<Address> {
    Address::parse(path.strip_prefix("/v1/")?)
}

/// A pipe as a whole is nothing that one could send or receive through.
fn address_to_open(request: &CallFrame) -> Option<Address> {
    let address = address(request.asked()?.address)?;
    ((address.kind == Kind::Pipes) == address.end.is_some()).then_some(address)
}

async fn opened(objects: Objects, at: Address) -> Opened {
    if !matches!(at.kind, Kind::Values | Kind::Arrays) {
        return Ok((objects.summary(&at).await?, None));
    }
    let memory = objects.memory(&at).await?;
    let length = (at.kind == Kind::Arrays).then_some(memory.length);
    Ok((json(&MemoryPayload { typecode: memory.typecode, length }), Some(memory.fd)))
}

fn no_object(request: &CallFrame) -> ObjectError {
    let address = request.asked().map_or("", |asked| asked.address).to_owned();
    let detail =
        format!("{address:?} is no object: an object is /v1/KIND/NAME, a pipe's end /v1/pipes/NAME/0 or 1");
    ObjectError::new(ErrorCode::UnknownObject, detail)
}

#[derive(Serialize)]
struct MemoryPayload {
    typecode: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
}

#[derive(Serialize)]
struct ErrorPayload<'a> {
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<ExceptionPayload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a str>,
}

#[derive(Serialize)]
struct ExceptionPayload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    args: &'a RawValue,
}

fn json(told: &impl Serialize) -> Bytes {
    // Writing JSON into memory can't fail for these types.
    serde_json::to_vec(told).unwrap_or_default().into()
}
