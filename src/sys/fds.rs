//! Descriptors placed at fixed numbers, closed in bulk, reopened.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::OFlag;
use nix::libc;

/// Duplicates `fd` onto the number `at`, replacing whatever was there. Only for children that have just been
/// forked, which own their descriptor table: nothing else in the process may own `at`.
pub fn place(fd: BorrowedFd<'_>, at: RawFd, close_on_exec: bool) -> io::Result<()> {
    if fd.as_raw_fd() == at {
        return Err(io::Error::other("descriptor is in its own place already; move it away first"));
    }
    let flags = if close_on_exec { OFlag::O_CLOEXEC } else { OFlag::empty() };
    // SAFETY: dup3 touches the descriptor table alone; the caller owns the number `at` (see above), and no
    // OwnedFd is made of it.
    let done = unsafe { libc::dup3(fd.as_raw_fd(), at, flags.bits()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes every descriptor from `first` on. Only for children that have just been forked and hold no OwnedFd
/// that will still be dropped.
pub fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: close_range touches the descriptor table alone; the caller has given up every owner of these
    // numbers (see above).
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Marks every descriptor from `first` on close-on-exec: what this process inherited is not for those that it
/// executes.
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: with this flag close_range only sets a mark on descriptors; none is closed here.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes descriptor 0 as an owned one elsewhere (close-on-exec) and leaves `/dev/null` on 0.
pub fn take_stdin() -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC returns a new descriptor that nobody else owns.
    let taken = unsafe {
        let fd = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 10);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let null = std::fs::File::open("/dev/null")?;
    place(std::os::fd::AsFd::as_fd(&null), 0, false)?;
    Ok(taken)
}

/// Opens the pipe behind `fd` once more for reading, as a description of its own: its non-blocking flag is
/// not shared.
pub fn reopen_for_reading(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open(path.as_str(), flags, nix::sys::stat::Mode::empty())?)
}

/// Takes over a descriptor by its number. Only for children that have just been forked and know what they
/// placed where, and for numbers that a system call has just made.
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only asks whether the number is open.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open (checked above), and the caller is its only owner (see above).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
