//! What a task yields, told one by one while it goes on.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::current;
use super::native::Raised;
use super::sanitize;
use crate::transport::{HEADER_BYTES, YieldWriter};

/// The way of the records of a task that yields.
pub(super) struct Yielding {
    stream: YieldWriter,
    bytes_max: usize,
    /// The last record: its memory is used for the next.
    frame: Vec<u8>,
}

impl Yielding {
    /// The value that ends the task: all that counts has been told.
    pub const END: &[u8] = b"null";

    pub fn to(stream: YieldWriter) -> Self {
        Self { stream, bytes_max: current::result_bytes_max(), frame: Vec::new() }
    }

    /// Tells what `write` appends; waits while the reader is too far behind. [`ControlFlow::Break`]: nobody reads any
    /// more.
    pub fn push(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Raised>,
    ) -> Result<ControlFlow<()>, Raised> {
        let Self { stream, bytes_max, frame } = self;
        frame.clear();
        frame.resize(HEADER_BYTES, 0);
        frame.extend_from_slice(b"[{\"value\":");
        let start = frame.len();
        write(frame)?;
        let bytes = frame.len() - start;
        if bytes > *bytes_max {
            return Err(Raised::TooLarge { bytes: Some(bytes as u64) });
        }
        frame.extend_from_slice(b"}]");
        if current::is_copy() {
            // A function forked and its child came back here: it is no worker.
            sanitize::leave(0);
        }
        // What it printed is in the log pipe before what it yields.
        let _ = io::stdout().flush();
        match stream.write(frame) {
            Ok(true) => Ok(ControlFlow::Continue(())),
            Ok(false) => Ok(ControlFlow::Break(())),
            // The server is gone, or what came is no protocol: nothing can be answered.
            Err(_) => sanitize::leave(70),
        }
    }
}
