//! What tasks print, cut into lines for the server's log.

use bytes::{Buf, BytesMut};

use crate::jobs::Record;

/// A longer line is cut here.
const LINE_BYTES_MAX: usize = 8 << 10;

/// The unfinished line of one worker.
#[derive(Debug, Default)]
pub(super) struct Lines(BytesMut);

impl Lines {
    /// Takes output and logs each line that is whole.
    pub fn push(&mut self, output: &[u8], record: Option<&Record>, pid: i32) {
        self.0.extend_from_slice(output);
        loop {
            let end = memchr::memchr(b'\n', &self.0[..self.0.len().min(LINE_BYTES_MAX)]);
            let length = match end {
                Some(end) => end,
                None if self.0.len() >= LINE_BYTES_MAX => LINE_BYTES_MAX,
                None => return,
            };
            let line = self.0.split_to(length);
            self.0.advance(usize::from(end.is_some()));
            Self::log(&line, record, pid);
        }
    }

    /// Logs what is left of a worker that has ended.
    pub fn finish(&mut self, record: Option<&Record>, pid: i32) {
        if !self.0.is_empty() {
            Self::log(&self.0.split(), record, pid);
        }
    }

    fn log(line: &[u8], record: Option<&Record>, pid: i32) {
        let line = String::from_utf8_lossy(line);
        match record {
            Some(record) => {
                let (job, function) = (&record.id, &record.new.function);
                tracing::info!(target: "forkpool::output", %job, %function, pid, "{line}");
            }
            None => tracing::info!(target: "forkpool::output", pid, "{line}"),
        }
    }
}
