//! Pidfds: death as a readable descriptor, signals that can't hit another process.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A process that a number can't be mistaken for. Readable once the process has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens a pidfd of a child that has not been reaped.
    pub fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and returns a new descriptor, which becomes owned here.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: as above: the kernel just made it, nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes a received descriptor for a pidfd.
    pub fn from_owned(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends a signal; no error if the process has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: pidfd_send_signal reads nothing from memory when its info pointer is null.
        let done = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as libc::c_int,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match Errno::result(done) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether its number is still its own: it lives, or has ended and nobody has reaped it.
    pub fn is_unreaped(&self) -> bool {
        // SAFETY: as in `signal`; signal 0 is only asked about.
        let asked = unsafe {
            let none = std::ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), 0, none, 0)
        };
        asked == 0
    }

    /// Reaps the process if it has ended and is our child; `None` while it lives.
    pub fn reap(&self) -> io::Result<Option<Ended>> {
        let id = libc::id_t::try_from(self.0.as_raw_fd()).map_err(io::Error::other)?;
        let seen = wait(libc::P_PIDFD, id, libc::WEXITED | libc::WNOHANG)?;
        Ok(seen.map(|(_, ended)| ended))
    }
}

/// How a process ended, in the kernel's numbers: signals that have no name are among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It left with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// A child that has ended and has not been reaped; it stays so.
pub fn peek_ended_child() -> io::Result<Option<Pid>> {
    let seen = wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)?;
    Ok(seen.map(|(pid, _)| pid))
}

fn wait(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> io::Result<Option<(Pid, Ended)>> {
    // SAFETY: siginfo_t is plain numbers and pointers that nobody follows; all zero is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: waitid writes to `info` during the call and keeps nothing of it.
    let done = unsafe { libc::waitid(kind, id, &raw mut info, flags) };
    Errno::result(done)?;
    // SAFETY: waitid has filled in the members of a child's end, or left them zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let ended = if info.si_code == libc::CLD_EXITED { Ended::Code(status) } else { Ended::Signal(status) };
    Ok((pid != 0).then_some((Pid::from_raw(pid), ended)))
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
