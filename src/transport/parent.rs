//! The server's end of a worker's pipes: never blocks, and can take back what the worker hasn't read.

use std::io::{self, IoSlice};
use std::iter;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use tokio::net::unix::pipe;

use super::frame::{HEADER_BYTES, Header, PIPE_PACKET_BYTES};
use crate::sys::{self, PageReader};

/// Wanted size of a task or result pipe.
const PIPE_BYTES: i32 = 1 << 20;
/// Slices of one write (`IOV_MAX`).
const SLICES_MAX: usize = 1_024;
/// More than a pipe holds. Only a worker that writes into its own pipe could have more.
const UNREAD_PACKETS_MAX: usize = 1_024;

/// The descriptors that travel to a new worker, in the protocol's order.
#[derive(Debug)]
pub struct ChildDescriptors {
    /// Read end of the task pipe.
    pub task: OwnedFd,
    /// Write end of the result pipe.
    pub result: OwnedFd,
    /// The call socket.
    pub call: OwnedFd,
    /// The shared page.
    pub page: OwnedFd,
    /// Write end of the log pipe.
    pub log: OwnedFd,
}

/// What the server keeps of a worker's descriptors.
#[derive(Debug)]
pub struct ParentEnds {
    /// Where tasks go.
    pub link: Link,
    /// Where answers come from.
    pub results: pipe::Receiver,
    /// Where output comes from.
    pub log: pipe::Receiver,
    /// Where the calls of shared objects come from.
    pub calls: CallEnd,
}

/// Both ends of a call socket. The worker's is kept to know what it hasn't read.
#[derive(Debug)]
pub struct CallEnd {
    /// The server's.
    pub own: OwnedFd,
    /// The worker's.
    pub theirs: OwnedFd,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is in the pipe, whole.
    Sent,
    /// The pipe has no room; nothing was written.
    Full,
}

/// The way to a worker: its task pipe (both ends) and page.
#[derive(Debug)]
pub struct Link {
    tasks: pipe::Sender,
    unread: OwnedFd,
    page: PageReader,
    /// Bytes of streams written so far.
    streamed: AtomicU64,
}

impl ParentEnds {
    /// Makes all that one worker needs.
    pub fn open() -> io::Result<(Self, ChildDescriptors)> {
        let (task_read, task_write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_DIRECT)?;
        let (result_read, result_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (log_read, log_write) = pipe2(OFlag::O_CLOEXEC)?;
        widen(&task_write);
        widen(&result_write);
        let (call, call_child) = sys::stream_pair()?;
        let page = sys::create_page()?;
        let link = Link {
            unread: sys::reopen_for_reading(task_read.as_fd())?,
            tasks: pipe::Sender::from_owned_fd(task_write)?,
            page: PageReader::map(&page)?,
            streamed: AtomicU64::new(0),
        };
        let ends = Self {
            link,
            results: pipe::Receiver::from_owned_fd(result_read)?,
            log: pipe::Receiver::from_owned_fd(log_read)?,
            calls: CallEnd { own: call, theirs: call_child.try_clone()? },
        };
        let child = ChildDescriptors {
            task: task_read,
            result: result_write,
            call: call_child,
            page,
            log: log_write,
        };
        Ok((ends, child))
    }
}

/// Makes a pipe larger, so that a large task or value takes fewer turns. Beyond a user's allowance the kernel
/// refuses; nothing relies on a pipe's size.
fn widen(pipe: &OwnedFd) {
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
}

impl Link {
    /// Puts one frame of at most a packet into the task pipe.
    pub fn try_send(&self, packet: &[u8]) -> io::Result<WriteOutcome> {
        debug_assert!(packet.len() <= PIPE_PACKET_BYTES, "a packet must be atomic");
        loop {
            return match nix::unistd::write(&self.tasks, packet) {
                Ok(_) => Ok(WriteOutcome::Sent),
                Err(Errno::EAGAIN) => Ok(WriteOutcome::Full),
                Err(Errno::EINTR) => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Streams one frame larger than a packet. The worker must be idle; nothing else may be sent until this
    /// returns.
    pub async fn send_stream(&self, header: Header, pieces: &[Bytes]) -> io::Result<()> {
        self.packet_mode(false)?;
        let done = self.write_pieces(header, pieces).await;
        self.packet_mode(true)?;
        done
    }

    async fn write_pieces(&self, header: Header, pieces: &[Bytes]) -> io::Result<()> {
        let head = header.encode();
        let mut slices: Vec<IoSlice<'_>> =
            iter::once(&head[..]).chain(pieces.iter().map(|piece| &piece[..])).map(IoSlice::new).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            self.tasks.writable().await?;
            // As much as fits at once: a worker's first read must see a whole header, and each write wakes it.
            match self.tasks.try_write_vectored(&rest[..rest.len().min(SLICES_MAX)]) {
                Ok(written) => {
                    IoSlice::advance_slices(&mut rest, written);
                    self.streamed.fetch_add(written as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes of streams written so far: how to see whether one moves.
    pub fn streamed(&self) -> u64 {
        self.streamed.load(Ordering::Relaxed)
    }

    /// Reads back every packet that the worker hasn't read: their sequence numbers, oldest first. What is for a task
    /// that runs stays.
    pub fn take_back(&self) -> Vec<u64> {
        let (mut taken, mut kept) = (Vec::new(), Vec::new());
        let mut buffer = [0; PIPE_PACKET_BYTES];
        for _ in 0..UNREAD_PACKETS_MAX {
            let Some(length) = self.read_unread(&mut buffer) else { break };
            let head = buffer[..length].first_chunk::<HEADER_BYTES>();
            let Some(header) = head.and_then(|head| Header::decode(head).ok()) else { continue };
            if header.kind.is_for_running() {
                kept.push(header);
            } else {
                taken.push(header.sequence);
            }
        }
        for header in kept {
            // It has just come out of there.
            let _ = self.try_send(&header.encode());
        }
        taken
    }

    /// Reads back what is left of a stream; `true` if there was any, which means that its task has not
    /// started.
    pub fn discard_stream(&self) -> bool {
        let mut buffer = [0; PIPE_PACKET_BYTES];
        let mut any = false;
        for _ in 0..UNREAD_PACKETS_MAX {
            if self.read_unread(&mut buffer).is_none() {
                break;
            }
            any = true;
        }
        any
    }

    fn read_unread(&self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            return match nix::unistd::read(&self.unread, buffer) {
                Ok(0) => None,
                Ok(length) => Some(length),
                Err(Errno::EINTR) => continue,
                // EAGAIN: nothing left. No other error is possible on a pipe that this process holds open.
                Err(_) => None,
            };
        }
    }

    fn packet_mode(&self, on: bool) -> io::Result<()> {
        let mode = if on { OFlag::O_DIRECT } else { OFlag::empty() };
        fcntl(&self.tasks, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | mode))?;
        Ok(())
    }

    /// The worker's page, read only.
    pub fn page(&self) -> &PageReader {
        &self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Codec, Kind};

    fn packet(sequence: u64) -> Vec<u8> {
        let header = Header { kind: Kind::Call, codec: Codec::Json, detail: 0, sequence, length: 3 };
        [&header.encode()[..], b"[1]"].concat()
    }

    #[tokio::test]
    async fn what_is_not_read_can_be_taken_back() {
        let (ends, child) = ParentEnds::open().unwrap();
        for sequence in 1..=5 {
            assert_eq!(ends.link.try_send(&packet(sequence)).unwrap(), WriteOutcome::Sent);
        }
        let mut buffer = [0; PIPE_PACKET_BYTES];
        assert_eq!(nix::unistd::read(&child.task, &mut buffer).unwrap(), HEADER_BYTES + 3);
        assert_eq!(ends.link.take_back(), [2, 3, 4, 5]);
        assert_eq!(ends.link.take_back(), [0; 0]);
    }

    #[tokio::test]
    async fn what_is_for_a_running_task_is_not_taken_back() {
        let (ends, child) = ParentEnds::open().unwrap();
        let more = Header { kind: Kind::Taken, codec: Codec::None, detail: 7, sequence: 1, length: 0 };
        let stop = Header { kind: Kind::Stop, ..more };
        for packet in [packet(2), more.encode().to_vec(), packet(3), stop.encode().to_vec()] {
            ends.link.try_send(&packet).unwrap();
        }
        assert_eq!(ends.link.take_back(), [2, 3]);
        for header in [more, stop] {
            let mut buffer = [0; PIPE_PACKET_BYTES];
            assert_eq!(nix::unistd::read(&child.task, &mut buffer).unwrap(), HEADER_BYTES);
            assert_eq!(Header::decode(buffer.first_chunk().unwrap()), Ok(header));
        }
        assert_eq!(ends.link.take_back(), [0; 0]);
    }

    #[tokio::test]
    async fn a_full_pipe_takes_nothing() {
        let (ends, _child) = ParentEnds::open().unwrap();
        let mut sent = 0;
        while ends.link.try_send(&packet(sent)).unwrap() == WriteOutcome::Sent {
            sent += 1;
        }
        assert!(sent >= 2, "{sent}");
        assert_eq!(ends.link.take_back(), (0..sent).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_stream_arrives_whole_and_packets_follow() {
        let (ends, child) = ParentEnds::open().unwrap();
        let payload = Bytes::from(vec![b'7'; 1 << 20]);
        let header = Header {
            kind: Kind::Call,
            codec: Codec::Json,
            detail: 0,
            sequence: 9,
            length: u64::try_from(payload.len()).unwrap(),
        };
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            let mut buffer = vec![0; 65_536];
            while all.len() < HEADER_BYTES + (1 << 20) {
                let length = nix::unistd::read(&child.task, &mut buffer).unwrap();
                all.extend_from_slice(&buffer[..length]);
            }
            (all, child)
        });
        ends.link.send_stream(header, &[payload.slice(..10), payload.slice(10..)]).await.unwrap();
        let (all, _child) = reader.join().unwrap();
        assert_eq!(all[..HEADER_BYTES], header.encode());
        assert!(all[HEADER_BYTES..] == payload[..]);
        ends.link.try_send(&packet(10)).unwrap();
        ends.link.try_send(&packet(11)).unwrap();
        assert_eq!(ends.link.take_back(), [10, 11]);
    }
}
