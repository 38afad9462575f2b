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

/// What is known of a socket's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It may send more.
    Open,
    /// It sends no more; whether it still reads, TCP doesn't tell before something is sent to it.
    SendsNoMore,
    /// It is gone.
    Gone,
}

/// The other end, whatever is still to be read of it. The caller keeps the socket open meanwhile.
pub fn peer_of(socket: RawFd) -> Peer {
    let mut asked = libc::pollfd { fd: socket, events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: poll(2) writes to the one entry that it is given, keeps nothing of it, and does not wait.
    let told = unsafe { libc::poll(&raw mut asked, 1, 0) };
    if told <= 0 || asked.revents & libc::POLLNVAL != 0 {
        return Peer::Open;
    }
    if asked.revents & (libc::POLLHUP | libc::POLLERR) == 0 { Peer::SendsNoMore } else { Peer::Gone }
}
