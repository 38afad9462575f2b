//! Output cut into lines, for the server's log.

use bytes::{Buf, BytesMut};
use tracing::Level;

use super::marks::{MARK_BYTES, level_of};

/// A longer line is cut here.
const LINE_BYTES_MAX: usize = 8 << 10;
/// That of a line without a mark.
const PLAIN_LEVEL: Level = Level::INFO;

/// The unfinished line of one process.
#[derive(Debug, Default)]
pub struct Lines {
    text: BytesMut,
    /// The line's level, once that is known: its mark, if it has one, is gone from the text.
    level: Option<Level>,
}

impl Lines {
    /// Takes output and tells each line that is whole, with its level. Of a line that was written over and over, each
    /// time after a carriage return (a bar of progress), the last of its texts is told.
    pub fn push(&mut self, output: &[u8], mut tell: impl FnMut(Level, &str)) {
        self.text.extend_from_slice(output);
        loop {
            let end = memchr::memchr(b'\n', &self.text);
            if end.is_none() && self.text.len() < MARK_BYTES {
                return;
            }
            let level = self.begin();
            self.skip_overwritten();
            // Either may have taken bytes away.
            let end = end.and_then(|_| memchr::memchr(b'\n', &self.text));
            let length = end.unwrap_or(self.text.len());
            if length > LINE_BYTES_MAX {
                let piece = self.text.split_to(cut(&self.text));
                tell(level, &String::from_utf8_lossy(&piece));
                continue;
            }
            if end.is_none() {
                return;
            }
            let line = self.text.split_to(length);
            self.text.advance(1);
            self.level = None;
            tell(level, &String::from_utf8_lossy(without_returns(&line)));
        }
    }

    /// Tells what is left, as a line that has ended.
    pub fn finish(&mut self, tell: impl FnOnce(Level, &str)) {
        if !self.text.is_empty() {
            let level = self.begin();
            self.skip_overwritten();
            tell(level, &String::from_utf8_lossy(without_returns(&self.text)));
            self.text.clear();
        }
        self.level = None;
    }

    /// The level of the line that the text begins with, or goes on.
    fn begin(&mut self) -> Level {
        *self.level.get_or_insert_with(|| match level_of(&self.text) {
            Some(level) => {
                self.text.advance(MARK_BYTES);
                level
            }
            None => PLAIN_LEVEL,
        })
    }

    /// What of the line was written over is gone.
    fn skip_overwritten(&mut self) {
        let line = &self.text[..memchr::memchr(b'\n', &self.text).unwrap_or(self.text.len())];
        if let Some(last) = memchr::memrchr(b'\r', without_returns(line)) {
            self.text.advance(last + 1);
        }
    }
}

/// Where a long line is cut: between two characters, if it is text.
fn cut(text: &[u8]) -> usize {
    (LINE_BYTES_MAX - 3..=LINE_BYTES_MAX)
        .rev()
        .find(|at| text.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80))
        .unwrap_or(LINE_BYTES_MAX)
}

/// Less the carriage returns at its end: nothing was written over it.
fn without_returns(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &line[..end]
}

/// Logs a line that a task has printed, at its level.
macro_rules! log_output {
    ($level:expr, $($fields:tt)*) => {
        match $level {
            tracing::Level::ERROR => tracing::error!(target: "forkpool::output", $($fields)*),
            tracing::Level::WARN => tracing::warn!(target: "forkpool::output", $($fields)*),
            tracing::Level::INFO => tracing::info!(target: "forkpool::output", $($fields)*),
            tracing::Level::DEBUG | tracing::Level::TRACE => {
                tracing::debug!(target: "forkpool::output", $($fields)*);
            }
        }
    };
}
pub(crate) use log_output;

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of an output that comes in pieces of this size.
    fn lines(output: &str, piece: usize) -> Vec<(Level, String)> {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for bytes in output.as_bytes().chunks(piece) {
            lines.push(bytes, |level, line| told.push((level, line.to_owned())));
        }
        lines.finish(|level, line| told.push((level, line.to_owned())));
        told
    }

    #[test]
    fn f8_of_a_line_that_was_written_over_the_last_text_is_told() {
        for (output, last) in [
            (" 10%\r 50%\r100%\n", "100%"),
            ("\r 50%\r100%\r\n", "100%"),
            ("of another system\r\n", "of another system"),
            ("\x1e<6>x\rforged", "forged"),
            ("\r\r", ""),
        ] {
            for piece in 1..=output.len() {
                let want = [(Level::INFO, last.to_owned())];
                assert_eq!(lines(output, piece), want, "{output:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_bar_of_progress_that_never_ends_its_line_is_held_bounded() {
        let mut bar = Lines::default();
        for percent in 0..100_000 {
            bar.push(format!("\r{percent}%").as_bytes(), |_, line| panic!("told {line}"));
            assert!(bar.text.len() < 20);
        }
        bar.finish(|_, line| assert_eq!(line, "99999%"));
    }

    #[test]
    fn a_mark_tells_the_level_of_its_line_however_it_comes() {
        let output = "plain\n\x1e<3>bad\n\x1e<4>\nx\x1e<3>y\n\x1e<7>a\x1e<3>\n\x1e<9>\n\x1e<";
        let (info, debug) = (Level::INFO, Level::DEBUG);
        let want = [
            (info, "plain"),
            (Level::ERROR, "bad"),
            (Level::WARN, ""),
            (info, "x\x1e<3>y"),
            (debug, "a\x1e<3>"),
            (info, "\x1e<9>"),
            (info, "\x1e<"),
        ];
        for piece in 1..=output.len() {
            let told = lines(output, piece);
            let told: Vec<_> = told.iter().map(|(level, line)| (*level, line.as_str())).collect();
            assert_eq!(told, want, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_keeps_its_level() {
        for piece in [1_000, 1 << 20] {
            let text = "\u{e9}".repeat(LINE_BYTES_MAX);
            let told = lines(&format!("{text}\n"), piece);
            assert_eq!(told, [0, 1].map(|_| (Level::INFO, text[..LINE_BYTES_MAX].to_owned())));
            let text = format!("x{}", "\u{20ac}".repeat(LINE_BYTES_MAX));
            let told = lines(&format!("\x1e<4>{text}\nnext"), piece);
            let (next, pieces) = told.split_last().unwrap();
            assert_eq!(*next, (Level::INFO, "next".to_owned()));
            assert!(pieces.len() > 1 && pieces.iter().all(|(level, _)| *level == Level::WARN));
            assert_eq!(pieces.iter().map(|(_, piece)| piece.as_str()).collect::<String>(), text);
        }
    }
}
