//! Output cut into lines, for the server's log.

use bytes::{Buf, BytesMut};

/// A longer line is cut here.
const LINE_BYTES_MAX: usize = 8 << 10;

/// The unfinished line of one process.
#[derive(Debug, Default)]
pub struct Lines(BytesMut);

impl Lines {
    /// Takes output and tells each line that is whole.
    pub fn push(&mut self, output: &[u8], mut tell: impl FnMut(&str)) {
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
            tell(&String::from_utf8_lossy(&line));
        }
    }

    /// Tells what is left of a process that has ended.
    pub fn finish(&mut self, tell: impl FnOnce(&str)) {
        if !self.0.is_empty() {
            tell(&String::from_utf8_lossy(&self.0.split()));
        }
    }
}
