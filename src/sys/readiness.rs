//! Descriptors registered with the server's runtime, and what can be asked without it. Never used in a child.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use nix::libc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::pidfd::PidFd;

/// A pidfd whose death can be awaited.
pub fn watch_pidfd(pidfd: PidFd) -> io::Result<AsyncFd<PidFd>> {
    // SAFETY: a PidFd owns one descriptor and answers that one until it is dropped.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.map_err(Into::into)
}

/// A non-blocking socket whose packets can be awaited.
pub fn watch_socket(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is one descriptor until it is dropped.
    unsafe { AsyncFd::register(socket) }.map_err(Into::into)
}

/// Whether a socket's other end sends no more or is gone, whatever is still to be read. The caller keeps the socket
/// open meanwhile.
pub fn has_left(socket: RawFd) -> bool {
    let mut asked = libc::pollfd { fd: socket, events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: poll(2) writes to the one entry that it is given, keeps nothing of it, and does not wait.
    let told = unsafe { libc::poll(&raw mut asked, 1, 0) };
    told > 0 && asked.revents & libc::POLLNVAL == 0
}
