//! One run of a program: fed, read, waited for, all at once and by one thread.
//!
//! It ends when the program ends, with what is in its pipes then: what the program left running may hold them
//! open as long as it likes.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::sys::{self, PidFd};

/// What is kept of standard error: its end.
const STDERR_BYTES_MAX: usize = 8 << 10;
const READ_BYTES: usize = 64 << 10;

/// A program that ran.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// The end of what it complained about.
    pub stderr: String,
}

/// Why a program did not run to its end.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be started.
    Start(io::Error),
    /// It wrote too much, and was killed.
    TooMuch,
    /// The system failed while it ran; it was killed.
    Lost(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Runs a program to its end with this input. It may write `stdout_bytes_max` bytes.
pub fn run(command: &mut Command, input: &[u8], stdout_bytes_max: usize) -> Result<Ran, Trouble> {
    // A program that doesn't read its input must not end the worker. The program itself starts with the
    // default action, as the standard library gives it to all.
    sys::ignore_broken_pipes()?;
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    sys::end_with_parent(command);
    let mut running = Running(command.spawn().map_err(Trouble::Start)?);
    let ended = PidFd::open(Pid::from_raw(i32::try_from(running.0.id()).map_err(io::Error::other)?))?;
    let mut pipes = Pipes::of(&mut running.0, input, stdout_bytes_max)?;
    while !pipes.serve(&ended)? {}
    pipes.take_what_is_left()?;
    let status = running.0.wait()?;
    Ok(Ran { status, stderr: tail_text(&pipes.tail), stdout: pipes.written })
}

/// A program that runs: killed and reaped when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // No error if it was waited for: then it is not signalled either.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our ends of its pipes.
struct Pipes<'a> {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// What it has not yet been given.
    input: &'a [u8],
    written: Vec<u8>,
    written_max: usize,
    tail: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: &'a [u8], written_max: usize) -> io::Result<Self> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let pipes = Self {
            stdin,
            stdout,
            stderr,
            input,
            written: Vec::new(),
            written_max,
            tail: Vec::new(),
            buffer: vec![0; READ_BYTES],
        };
        for fd in pipes.descriptors().into_iter().flatten() {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(pipes)
    }

    /// Standard input, output and error, where they are open.
    fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 3] {
        [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ]
    }

    /// Waits until something can be done and does it; `true` once the program has ended.
    fn serve(&mut self, ended: &PidFd) -> Result<bool, Trouble> {
        let [stdin, stdout, stderr, over] = self.wait(ended)?;
        if stdin {
            self.feed()?;
        }
        if stdout {
            self.read_stdout()?;
        }
        if stderr {
            self.read_stderr()?;
        }
        Ok(over)
    }

    fn wait(&self, ended: &PidFd) -> io::Result<[bool; 4]> {
        // Where a pipe is closed the pidfd stands in its place, with nothing asked of it.
        let watch = |fd: Option<BorrowedFd<'_>>| fd.is_some().then_some(PollFlags::POLLIN);
        let [stdin, stdout, stderr] = self.descriptors();
        let asked =
            [stdin.map(|_| PollFlags::POLLOUT), watch(stdout), watch(stderr), Some(PollFlags::POLLIN)];
        let fds = [stdin, stdout, stderr, None].map(|fd| fd.unwrap_or(ended.as_fd()));
        let mut polled = [0, 1, 2, 3].map(|i| PollFd::new(fds[i], asked[i].unwrap_or(PollFlags::empty())));
        loop {
            match poll(&mut polled, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => break,
            }
        }
        Ok(polled.map(|fd| fd.any().unwrap_or(false)))
    }

    /// Gives it what its pipe takes; closes the pipe after the last byte, or when nobody reads it.
    fn feed(&mut self) -> io::Result<()> {
        let Some(stdin) = &self.stdin else { return Ok(()) };
        match nix::unistd::write(stdin, self.input) {
            Ok(written) => self.input = &self.input[written..],
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(Errno::EPIPE) => self.input = &[],
            Err(error) => return Err(error.into()),
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }

    /// How many bytes came; 0 when there are none now, or none any more.
    fn read_stdout(&mut self) -> Result<usize, Trouble> {
        let Some(stdout) = &self.stdout else { return Ok(0) };
        let Some(read) = read(stdout, &mut self.buffer)? else { return Ok(0) };
        if read == 0 {
            self.stdout = None;
        }
        if self.written.len() + read > self.written_max {
            return Err(Trouble::TooMuch);
        }
        self.written.extend_from_slice(&self.buffer[..read]);
        Ok(read)
    }

    /// The same; what came goes on to the job's log.
    fn read_stderr(&mut self) -> io::Result<usize> {
        let Some(stderr) = &self.stderr else { return Ok(0) };
        let Some(read) = read(stderr, &mut self.buffer)? else { return Ok(0) };
        if read == 0 {
            self.stderr = None;
        }
        let said = &self.buffer[..read];
        // A log that nobody takes is no reason to fail.
        let _ = io::stderr().write_all(said);
        self.tail.extend_from_slice(said);
        let surplus = self.tail.len().saturating_sub(STDERR_BYTES_MAX);
        self.tail.drain(..surplus);
        Ok(read)
    }

    /// What the program had written before it ended: a pipe's worth at most, so that what it left running
    /// can't hold this up by writing on.
    fn take_what_is_left(&mut self) -> Result<(), Trouble> {
        let [_, stdout, stderr] = self.descriptors().map(capacity);
        let mut left = stdout;
        while left > 0 {
            match self.read_stdout()? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        let mut left = stderr;
        while left > 0 {
            match self.read_stderr()? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok(())
    }
}

/// The bytes that a pipe holds.
fn capacity(pipe: Option<BorrowedFd<'_>>) -> usize {
    let size = pipe.and_then(|fd| fcntl(fd, FcntlArg::F_GETPIPE_SZ).ok());
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(READ_BYTES)
}

/// `None` when there is nothing to read now.
fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        return match nix::unistd::read(fd.as_fd(), buffer) {
            Ok(read) => Ok(Some(read)),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        };
    }
}

/// The tail as text; a character that the cut went through is left out.
fn tail_text(tail: &[u8]) -> String {
    let whole = tail.len() < STDERR_BYTES_MAX;
    let cut = tail.iter().take(3).take_while(|byte| !whole && **byte & 0xC0 == 0x80).count();
    let text = String::from_utf8_lossy(&tail[cut..]).into_owned();
    // Bytes that are no text grow when they are written as such.
    let start = text.ceil_char_boundary(text.len().saturating_sub(STDERR_BYTES_MAX));
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_text_of_its_size() {
        assert_eq!(tail_text(b"as it is\n"), "as it is\n");
        assert_eq!(tail_text(b"\xa9\n"), "\u{fffd}\n", "not cut by us: shown as it came");
        let long = "é".repeat(STDERR_BYTES_MAX);
        let cut = &long.as_bytes()[1..][..STDERR_BYTES_MAX];
        assert!(tail_text(cut).starts_with('é'));
        assert!(tail_text(&[0xFF; STDERR_BYTES_MAX]).len() <= STDERR_BYTES_MAX);
    }
}
