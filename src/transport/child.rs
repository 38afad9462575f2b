//! A native worker's end of its pipes: blocking, one task at a time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::frame::{
    Codec, HEADER_BYTES, Header, Kind, ORIGIN_BYTES, Origin, PIPE_PACKET_BYTES, YIELD_RECORD_BYTES,
    YIELD_WINDOW_BYTES,
};

/// Where tasks come from. Reads into one buffer that it keeps.
#[derive(Debug)]
pub struct TaskReader {
    tasks: Arc<OwnedFd>,
    input: Vec<u8>,
}

/// One task, as it was read.
#[derive(Debug)]
pub struct ReadTask<'a> {
    /// The header.
    pub header: Header,
    /// Whose it is; of a PING no one's.
    pub origin: Origin,
    /// The job's tags, a JSON array; empty: none.
    pub tags: &'a [u8],
    /// The arguments.
    pub payload: &'a [u8],
}

/// Where answers go.
#[derive(Debug, Clone)]
pub struct AnswerWriter(Arc<OwnedFd>);

/// Where what a task yields goes, one by one, as fast as its reader takes it.
#[derive(Debug, Clone)]
pub struct YieldWriter {
    tasks: Arc<OwnedFd>,
    answers: AnswerWriter,
    sequence: u64,
    /// Bytes that its reader has not taken yet.
    ahead: usize,
    is_stopped: bool,
}

impl TaskReader {
    /// Takes over the task pipe.
    pub fn new(tasks: OwnedFd) -> Self {
        Self { tasks: Arc::new(tasks), input: vec![0; PIPE_PACKET_BYTES] }
    }

    /// Gives the pipe back, if nothing else has it.
    pub fn into_fd(self) -> Option<OwnedFd> {
        Arc::into_inner(self.tasks)
    }

    /// What tasks yield goes to these answers: [`YieldWriter::of`] one of them.
    pub fn stream(&self, answers: &AnswerWriter) -> YieldWriter {
        let (tasks, answers) = (Arc::clone(&self.tasks), answers.clone());
        YieldWriter { tasks, answers, sequence: 0, ahead: 0, is_stopped: false }
    }

    /// Waits for a task; `None` at the end of the pipe.
    pub fn read_task(&mut self) -> io::Result<Option<ReadTask<'_>>> {
        if self.input.len() > 1 << 20 {
            self.input = vec![0; PIPE_PACKET_BYTES];
        }
        let (header, mut have) = loop {
            let have = read_some(&self.tasks, &mut self.input[..PIPE_PACKET_BYTES])?;
            if have == 0 {
                return Ok(None);
            }
            let head = self.input[..have].first_chunk::<HEADER_BYTES>();
            let header =
                Header::decode(head.ok_or(io::ErrorKind::UnexpectedEof)?).map_err(io::Error::other)?;
            // What was for the task before came after its end.
            if !header.kind.is_for_running() {
                break (header, have);
            }
        };
        let whole = HEADER_BYTES + usize::try_from(header.length).map_err(io::Error::other)?;
        if self.input.len() < whole {
            self.input.resize(whole, 0);
        }
        while have < whole {
            let read = read_some(&self.tasks, &mut self.input[have..whole])?;
            if read == 0 {
                return Ok(None);
            }
            have += read;
        }
        Ok(Some(ReadTask::of(header, &self.input[HEADER_BYTES..whole])?))
    }
}

impl<'a> ReadTask<'a> {
    fn of(header: Header, payload: &'a [u8]) -> io::Result<Self> {
        if header.kind == Kind::Ping {
            return Ok(Self { header, origin: Origin::default(), tags: &[], payload });
        }
        let (origin, rest) =
            payload.split_first_chunk::<ORIGIN_BYTES>().ok_or(io::ErrorKind::UnexpectedEof)?;
        let origin = Origin::decode(origin);
        let tags_bytes = usize::try_from(origin.tags_bytes).map_err(io::Error::other)?;
        let (tags, payload) = rest.split_at_checked(tags_bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Self { header, origin, tags, payload })
    }
}

impl AnswerWriter {
    /// Takes over the result pipe.
    pub fn new(results: OwnedFd) -> Self {
        Self(Arc::new(results))
    }

    /// Gives the pipe back, if nothing else has it.
    pub fn into_fd(self) -> Option<OwnedFd> {
        Arc::into_inner(self.0)
    }

    /// Writes a whole answer. `frame` begins with room for a header, which is filled in here.
    pub fn write_answer(
        &self,
        kind: Kind,
        sequence: u64,
        nanoseconds: u64,
        frame: &mut [u8],
    ) -> io::Result<()> {
        let length = frame.len() - HEADER_BYTES;
        let codec = if length == 0 { Codec::None } else { Codec::Json };
        let detail = u32::try_from(nanoseconds).unwrap_or(u32::MAX);
        let header = Header { kind, codec, detail, sequence, length: length as u64 };
        frame[..HEADER_BYTES].copy_from_slice(&header.encode());
        let mut rest = &*frame;
        while !rest.is_empty() {
            match nix::unistd::write(&self.0, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl YieldWriter {
    /// That of the task of this number.
    #[must_use]
    pub fn of(&self, sequence: u64) -> Self {
        Self { sequence, ..self.clone() }
    }

    /// Writes a record, and waits while too much is ahead of the reader. `frame` has room for a header, and then the
    /// array of the record. `false`: nobody reads any more.
    pub fn write(&mut self, frame: &mut [u8]) -> io::Result<bool> {
        if self.is_stopped {
            return Ok(false);
        }
        let record_bytes = frame.len() - HEADER_BYTES - "[]".len();
        self.answers.write_answer(Kind::Part, self.sequence, 0, frame)?;
        self.ahead += record_bytes + YIELD_RECORD_BYTES;
        while !self.is_stopped && (self.ahead > YIELD_WINDOW_BYTES || self.is_told()?) {
            self.listen()?;
        }
        Ok(!self.is_stopped)
    }

    fn is_told(&self) -> io::Result<bool> {
        let mut asked = [PollFd::new(self.tasks.as_fd(), PollFlags::POLLIN)];
        match poll(&mut asked, PollTimeout::ZERO) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn listen(&mut self) -> io::Result<()> {
        let mut packet = [0; HEADER_BYTES];
        if read_some(&self.tasks, &mut packet)? < HEADER_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header = Header::decode(&packet).map_err(io::Error::other)?;
        if !header.kind.is_for_running() {
            return Err(io::Error::other(format!("{:?} in the middle of a task", header.kind)));
        }
        // What was for the task before may come this late.
        if header.sequence == self.sequence {
            self.is_stopped |= header.kind == Kind::Stop;
            self.ahead = self.ahead.saturating_sub(header.detail.try_into().unwrap_or(0));
        }
        Ok(())
    }
}

fn read_some(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        return match nix::unistd::read(fd, buffer) {
            Err(Errno::EINTR) => continue,
            done => Ok(done?),
        };
    }
}
