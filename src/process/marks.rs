//! Marks of levels in what tasks print. A line of Python's `logging` begins with one: the byte 0x1E, then `<N>` with a
//! level from 0 to 7 as syslog has them, as services of systemd write them (sd-daemon(3)) but for the first byte, which
//! no text begins with. It is for the server's log; whoever reads what a task has printed never sees it.

use std::borrow::Cow;

use tracing::Level;

/// The first byte of a mark.
const FIRST: u8 = 0x1e;
/// Bytes of one.
pub(super) const MARK_BYTES: usize = 4;

/// The level that a line is marked with.
pub(super) fn level_of(line: &[u8]) -> Option<Level> {
    match line {
        [FIRST, b'<', digit @ b'0'..=b'7', b'>', ..] => Some(match digit {
            b'0'..=b'3' => Level::ERROR,
            b'4' => Level::WARN,
            b'5' | b'6' => Level::INFO,
            _ => Level::DEBUG,
        }),
        _ => None,
    }
}

/// Takes the marks out of an output, which comes in pieces that may end anywhere.
#[derive(Debug, Default)]
pub struct Marks {
    /// Bytes at the start of a line that may begin a mark: they are held back.
    held: Held,
    /// Whether a line has begun and was no mark so far.
    is_within: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    bytes: [u8; MARK_BYTES],
    length: usize,
}

impl Held {
    /// One byte more of a mark; `None` if it makes none.
    fn with(self, byte: u8) -> Option<Self> {
        let Self { mut bytes, length } = self;
        let fits = match length {
            0 => byte == FIRST,
            1 => byte == b'<',
            2 => matches!(byte, b'0'..=b'7'),
            _ => byte == b'>',
        };
        *bytes.get_mut(length)? = byte;
        fits.then_some(Self { bytes, length: length + 1 })
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Marks {
    /// A piece of an output less its marks, but for bytes at its end that may begin one.
    pub fn strip<'a>(&mut self, output: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(last) = output.last() else { return Cow::Borrowed(output) };
        if self.held.length == 0 && memchr::memchr(FIRST, output).is_none() {
            self.is_within = *last != b'\n';
            return Cow::Borrowed(output);
        }
        let mut kept = Vec::with_capacity(self.held.length + output.len());
        for byte in output {
            if !self.is_within {
                if let Some(held) = self.held.with(*byte) {
                    self.held = held;
                    if held.length == MARK_BYTES {
                        self.held.take();
                        self.is_within = true;
                    }
                    continue;
                }
                kept.extend_from_slice(self.held.take().bytes());
            }
            kept.push(*byte);
            self.is_within = *byte != b'\n';
        }
        Cow::Owned(kept)
    }

    /// Nothing more comes of what was printed so far, and what comes next begins with a line: the bytes that were held
    /// back, if any.
    pub fn finish(&mut self) -> impl AsRef<[u8]> + use<> {
        self.is_within = false;
        Rest(self.held.take())
    }

    /// Whether bytes are held back.
    pub fn has_held(&self) -> bool {
        self.held.length > 0
    }
}

struct Rest(Held);

impl AsRef<[u8]> for Rest {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(output: &str, piece: usize) -> String {
        let (mut marks, mut kept) = (Marks::default(), Vec::new());
        output.as_bytes().chunks(piece).for_each(|bytes| kept.extend_from_slice(&marks.strip(bytes)));
        kept.extend_from_slice(marks.finish().as_ref());
        String::from_utf8(kept).unwrap()
    }

    #[test]
    fn marks_are_taken_out_of_the_starts_of_lines_however_they_come() {
        for (output, kept) in [
            ("\x1e<6>one\n\x1e<3>two\nthree\n", "one\ntwo\nthree\n"),
            ("\n\x1e<0>\n\x1e<7>", "\n\n"),
            // Those four bytes once, and nowhere else.
            ("\x1e<6>\x1e<6>twice", "\x1e<6>twice"),
            ("a\x1e<6>b", "a\x1e<6>b"),
            (
                "\x1e<8>a\x1e<66>b\n\x1e<6 c\n\x1e\n\x1e<\n\x1e<6\n",
                "\x1e<8>a\x1e<66>b\n\x1e<6 c\n\x1e\n\x1e<\n\x1e<6\n",
            ),
            ("\x1e\x1e<6>a\n<6>b", "\x1e\x1e<6>a\n<6>b"),
            // The end of an output is none of a mark.
            ("a\n\x1e<6", "a\n\x1e<6"),
            ("", ""),
        ] {
            for piece in 1..=output.len().max(1) {
                assert_eq!(stripped(output, piece), kept, "{output:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_comes_after_an_end_begins_with_a_line() {
        let mut marks = Marks::default();
        assert_eq!(&*marks.strip(b"no end"), b"no end");
        assert!(marks.finish().as_ref().is_empty());
        assert_eq!(&*marks.strip(b"\x1e<4>next\n\x1e"), b"next\n");
        assert!(marks.has_held());
        assert_eq!(marks.finish().as_ref(), b"\x1e");
        assert!(!marks.has_held());
    }

    #[test]
    fn a_mark_tells_a_level() {
        let levels = "01234567".chars().map(|digit| level_of(format!("\x1e<{digit}>x").as_bytes()).unwrap());
        let [error, warn, info, debug] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG];
        assert_eq!(levels.collect::<Vec<_>>(), [error, error, error, error, warn, info, info, debug]);
        for none in ["", "\x1e<6", "<6>x", "\x1e<8>x", "\x1e<->x", "x\x1e<6>"] {
            assert_eq!(level_of(none.as_bytes()), None, "{none:?}");
        }
    }
}
