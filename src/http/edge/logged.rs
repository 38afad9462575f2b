//! What the lines of the log about requests say besides what a request's and its answer's heads do. It is noted while
//! requests are logged, and costs nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

/// The part of the program that lines about requests name.
pub const REQUESTS_TARGET: &str = "forkpool::requests";

/// Whether requests are logged.
pub fn are_requests_logged() -> bool {
    tracing::enabled!(target: REQUESTS_TARGET, tracing::Level::DEBUG)
}

/// In a request's extensions: the address at the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// In an answer's extensions: the name of the token that was sent.
#[derive(Debug, Clone)]
pub struct CallerName(pub Arc<str>);
