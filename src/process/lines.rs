//! Output cut into lines, for the server's log.

use std::borrow::Cow;

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
                None if self.0.len() >= LINE_BYTES_MAX => {
                    // Between two characters, if it is text.
                    (LINE_BYTES_MAX - 3..=LINE_BYTES_MAX)
                        .rev()
                        .find(|at| self.0.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80))
                        .unwrap_or(LINE_BYTES_MAX)
                }
                None => return,
            };
            let line = self.0.split_to(length);
            self.0.advance(usize::from(end.is_some()));
            tell(&printable(&String::from_utf8_lossy(&line)));
        }
    }

    /// Tells what is left of a process that has ended.
    pub fn finish(&mut self, tell: impl FnOnce(&str)) {
        if !self.0.is_empty() {
            tell(&printable(&String::from_utf8_lossy(&self.0.split())));
        }
    }
}

/// A line that can't pass for another on a terminal: what isn't seen, breaks lines or turns them around is escaped.
fn printable(line: &str) -> Cow<'_, str> {
    let line = line.trim_end_matches('\r');
    if line.chars().all(is_plain) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for letter in line.chars() {
        if is_plain(letter) {
            escaped.push(letter);
        } else {
            escaped.extend(letter.escape_unicode());
        }
    }
    Cow::Owned(escaped)
}

/// Controls but the tab; Unicode's marks of direction, line separators, invisible characters and tags.
fn is_plain(letter: char) -> bool {
    let hidden = matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{061C}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
    letter == '\t' || !letter.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f8_a9_control_characters_never_reach_a_terminal() {
        for (line, shown) in [
            ("plain \u{e9}\ttext", "plain \u{e9}\ttext"),
            ("x\rforged", "x\\u{d}forged"),
            ("of another system\r", "of another system"),
            ("a\0b\x1b[31m\u{85}", "a\\u{0}b\\u{1b}[31m\\u{85}"),
            ("\u{202e}dnuora\u{2028}", "\\u{202e}dnuora\\u{2028}"),
            ("", ""),
        ] {
            assert_eq!(printable(line), shown, "{line:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut lines = Vec::new();
        Lines::default()
            .push(format!("{}\n", "\u{e9}".repeat(LINE_BYTES_MAX)).as_bytes(), |line| lines.push(line.len()));
        let text = format!("x{}\n", "\u{20ac}".repeat(LINE_BYTES_MAX));
        Lines::default().push(text.as_bytes(), |line| {
            assert!(!line.contains('\u{fffd}'));
            lines.push(line.len());
        });
        assert_eq!(lines[..2], [LINE_BYTES_MAX; 2]);
        assert_eq!(lines[2..].iter().sum::<usize>(), text.len() - 1);
    }
}
