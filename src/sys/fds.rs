//! Descriptors placed at fixed numbers, closed in bulk, reopened.

use std::array;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::fork::FreshChild;

/// The first number after the standard ones.
const KEPT_FROM: RawFd = 3;
/// Descriptors are moved here before their numbers are given away.
const LIFTED_FROM: RawFd = 64;

impl FreshChild {
    /// Leaves this process with `/dev/null` as standard input, `log` as standard output and error, and `kept` at the
    /// numbers from 3 on (close-on-exec); closes all others. Whoever else owned a descriptor in the parent must not
    /// drop or use its copy here: the child ends by [`super::exit_now`].
    pub fn keep_only<const N: usize>(self, log: OwnedFd, kept: [OwnedFd; N]) -> io::Result<[OwnedFd; N]> {
        let log = lifted(log)?;
        let mut sources = Vec::with_capacity(N);
        for fd in kept {
            sources.push(lifted(fd)?);
        }
        dup2_stdin(File::open("/dev/null")?)?;
        dup2_stdout(&log)?;
        dup2_stderr(&log)?;
        let mut next = KEPT_FROM;
        let numbers: [RawFd; N] = array::from_fn(|_| {
            next += 1;
            next - 1
        });
        for (source, number) in sources.iter().zip(numbers) {
            // SAFETY: dup3 touches the descriptor table alone. This process is a copy (`self`), whose table has no
            // other user: what the parent owned at this number is not used here any more.
            let done = unsafe { libc::dup3(source.as_raw_fd(), number, libc::O_CLOEXEC) };
            if done < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // They are among those that are closed now.
        for lifted in sources.into_iter().chain([log]) {
            let _ = lifted.into_raw_fd();
        }
        // SAFETY: close_range touches the descriptor table alone; as above, the descriptors that it closes have no
        // user in this process.
        let done = unsafe { libc::syscall(libc::SYS_close_range, next, u32::MAX, 0) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: open (placed above), and nobody else in this process owns the number.
        Ok(numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) }))
    }
}

/// Moves a descriptor above the numbers that are given away.
fn lifted(fd: OwnedFd) -> io::Result<OwnedFd> {
    let lifted = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(LIFTED_FROM))?;
    drop(fd);
    // SAFETY: the kernel just made it, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(lifted) })
}

/// Marks every descriptor from `first` on close-on-exec: what this process inherited is not for those that it
/// executes.
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: with this flag close_range only sets a mark on descriptors; none is closed here.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes standard input as an owned descriptor of another number (close-on-exec) and leaves `/dev/null` in its place.
pub fn take_stdin() -> io::Result<OwnedFd> {
    let taken = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(taken)
}

/// Opens the pipe behind `fd` once more for reading, as a description of its own: its non-blocking flag is
/// not shared.
pub fn reopen_for_reading(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path.as_str(), flags, nix::sys::stat::Mode::empty())?)
}
