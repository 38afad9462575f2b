//! Descriptors registered with the server's runtime. Never used in a child.

use std::io;
use std::os::fd::OwnedFd;

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
