//! A native worker's end of its pipes: blocking, one task at a time.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::frame::{Codec, HEADER_BYTES, Header, Kind, ORIGIN_BYTES, Origin, PIPE_PACKET_BYTES};

/// Where tasks come from. Reads into one buffer that it keeps.
#[derive(Debug)]
pub struct TaskReader {
    tasks: OwnedFd,
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
#[derive(Debug)]
pub struct AnswerWriter(OwnedFd);

impl TaskReader {
    /// Takes over the task pipe.
    pub fn new(tasks: OwnedFd) -> Self {
        Self { tasks, input: vec![0; PIPE_PACKET_BYTES] }
    }

    /// Gives the pipe back.
    pub fn into_fd(self) -> OwnedFd {
        self.tasks
    }

    /// Waits for a task; `None` at the end of the pipe.
    pub fn read_task(&mut self) -> io::Result<Option<ReadTask<'_>>> {
        if self.input.len() > 1 << 20 {
            self.input = vec![0; PIPE_PACKET_BYTES];
        }
        let mut have = read_some(&self.tasks, &mut self.input[..PIPE_PACKET_BYTES])?;
        if have == 0 {
            return Ok(None);
        }
        let head = self.input[..have].first_chunk::<HEADER_BYTES>();
        let header = Header::decode(head.ok_or(io::ErrorKind::UnexpectedEof)?).map_err(io::Error::other)?;
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
        Self(results)
    }

    /// Gives the pipe back.
    pub fn into_fd(self) -> OwnedFd {
        self.0
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

fn read_some(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        return match nix::unistd::read(fd, buffer) {
            Err(Errno::EINTR) => continue,
            done => Ok(done?),
        };
    }
}
