//! Checks a JSON text: the grammar of RFC 8259, UTF-8, depth, the range of numbers. One pass, no recursion,
//! no value built.
//!
//! A lone surrogate in an escape (`"\ud800"`) is grammar and passes; what it means is the decoder's
//! business. Members of nested objects may repeat a name.

use super::error::{Reason, ScanError, Step};
use super::words::{digits_end, plain_end, skip_integers};

/// A number with fewer digits before its point, and no exponent, is in the range of a double (which ends at
/// 309 digits).
const SAFE_DIGITS: usize = 300;

/// Bytes until integers are looked for in blocks again, where they were not found.
const RETRY_AFTER: usize = 512;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Where a value stands and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// The elements of an array or members of an object, 0 for everything else.
    pub elements: usize,
}

/// Checks one whole JSON text, with white space around it allowed and at most `depth_max` arrays and
/// objects in one another.
pub fn check(text: &[u8], depth_max: usize) -> Result<Shape, ScanError> {
    let shape = Scanner::new(text, depth_max).and_then(|scanner| scanner.whole());
    shape.map_err(|error| *error)
}

/// Checks the grammar alone: numbers may be as large and values as deep as they like.
pub fn check_grammar(text: &[u8]) -> Result<Shape, ScanError> {
    let scanner = Scanner::new(text, usize::MAX).map(|scanner| Scanner { any_number: true, ..scanner });
    scanner.and_then(|scanner| scanner.whole()).map_err(|error| *error)
}

/// The text and the rules. Every method takes the offset at which it begins, and gives the one at which it
/// ended.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    depth_max: usize,
    /// Also one beyond the range of a double.
    any_number: bool,
}

impl<'a> Scanner<'a> {
    /// Looks at what concerns the text as a whole: its encoding.
    pub(super) fn new(text: &'a [u8], depth_max: usize) -> Step<Self> {
        if text.starts_with(b"\xef\xbb\xbf") {
            return Err(Reason::ByteOrderMark.at(0));
        }
        match std::str::from_utf8(text) {
            Ok(_) => Ok(Self { text, depth_max, any_number: false }),
            Err(error) => Err(Reason::InvalidUtf8.at(error.valid_up_to())),
        }
    }

    /// The one value of the text.
    pub(super) fn whole(&self) -> Step<Shape> {
        let shape = self.value(self.start()?, 0)?;
        self.finish(shape.end)?;
        Ok(shape)
    }

    /// Where the value begins.
    pub(super) fn start(&self) -> Step<usize> {
        let start = self.skip_space(0);
        if start < self.text.len() { Ok(start) } else { Err(Reason::Empty.at(start)) }
    }

    /// Nothing but white space may follow.
    pub(super) fn finish(&self, at: usize) -> Step<()> {
        let end = self.skip_space(at);
        if end == self.text.len() { Ok(()) } else { Err(Reason::TrailingCharacters.at(end)) }
    }

    /// The byte at `at`, or 0, which begins and continues nothing, past the end.
    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn skip_space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
        }
        at
    }

    #[cold]
    pub(super) fn unexpected(&self, at: usize, expected: &'static str) -> Box<ScanError> {
        if at < self.text.len() {
            Reason::Unexpected { expected }.at(at)
        } else {
            Reason::UnexpectedEnd { expected }.at(self.text.len())
        }
    }

    /// The value that begins at `start`, inside of `depth` arrays and objects.
    pub(super) fn value(&self, start: usize, depth: usize) -> Step<Shape> {
        let kind = match self.byte(start) {
            b'[' => Kind::Array,
            b'{' => Kind::Object,
            b'"' => Kind::String,
            b't' | b'f' => Kind::Bool,
            b'n' => Kind::Null,
            _ => Kind::Number,
        };
        let (end, elements) = match kind {
            Kind::Array | Kind::Object => self.container(start, depth)?,
            Kind::Null | Kind::Bool | Kind::Number | Kind::String => (self.scalar(start)?, 0),
        };
        Ok(Shape { start, end, kind, elements })
    }

    /// The array or object that begins at `at`: its end and its elements.
    fn container(&self, mut at: usize, depth: usize) -> Step<(usize, usize)> {
        let depth_max = self.depth_max.saturating_sub(depth);
        let mut nest = Nest::default();
        let (mut elements, mut retry_at) = (0, 0);
        'value: loop {
            // A value begins at `at`.
            let object = self.byte(at) == b'{';
            if object || self.byte(at) == b'[' {
                if nest.depth >= depth_max {
                    return Err(Reason::TooDeep { depth_max: self.depth_max }.at(at));
                }
                nest.push(object);
                at = self.skip_space(at + 1);
                if self.byte(at) != nest.close() {
                    at = if object { self.name(at)? } else { at };
                    continue 'value;
                }
            } else {
                at = self.skip_space(self.scalar(at)?);
                elements += usize::from(nest.depth == 1);
            }
            // A value has ended, or an empty container is about to.
            loop {
                let next = self.byte(at);
                if next == b',' {
                    at = self.skip_space(at + 1);
                    if nest.object() {
                        at = self.name(at)?;
                    } else if at >= retry_at {
                        let (end, commas) = skip_integers(self.text, at);
                        elements += if nest.depth == 1 { commas } else { 0 };
                        at = self.skip_space(end);
                        retry_at = at + RETRY_AFTER;
                    }
                    continue 'value;
                }
                if next != nest.close() {
                    let expected = if nest.object() { "`,` or `}`" } else { "`,` or `]`" };
                    return Err(self.unexpected(at, expected));
                }
                nest.pop();
                if nest.depth == 0 {
                    return Ok((at + 1, elements));
                }
                elements += usize::from(nest.depth == 1);
                at = self.skip_space(at + 1);
            }
        }
    }

    /// A member's name with its colon: where its value begins.
    fn name(&self, at: usize) -> Step<usize> {
        let colon = self.skip_space(self.quoted(at)?);
        self.colon(colon)
    }

    /// A member's name: past its closing quote.
    pub(super) fn quoted(&self, at: usize) -> Step<usize> {
        if self.byte(at) == b'"' { self.string(at + 1) } else { Err(self.unexpected(at, "a name in quotes")) }
    }

    /// The colon at `at`: where the value begins.
    pub(super) fn colon(&self, at: usize) -> Step<usize> {
        if self.byte(at) == b':' { Ok(self.skip_space(at + 1)) } else { Err(self.unexpected(at, "`:`")) }
    }

    #[inline(always)]
    fn scalar(&self, at: usize) -> Step<usize> {
        match self.byte(at) {
            b'-' | b'0'..=b'9' => self.number(at),
            b'"' => self.string(at + 1),
            b't' => self.literal(at, b"true", "`true`"),
            b'f' => self.literal(at, b"false", "`false`"),
            b'n' => self.literal(at, b"null", "`null`"),
            _ => Err(self.unexpected(at, "a value")),
        }
    }

    fn literal(&self, at: usize, word: &[u8], expected: &'static str) -> Step<usize> {
        let rest = self.text.get(at..).unwrap_or_default();
        let same = rest.iter().zip(word).take_while(|(a, b)| a == b).count();
        if same == word.len() { Ok(at + same) } else { Err(self.unexpected(at + same, expected)) }
    }

    /// The string whose opening quote stands before `at`: past its closing quote.
    #[inline(always)]
    fn string(&self, at: usize) -> Step<usize> {
        let end = plain_end(self.text, at);
        if self.byte(end) == b'"' { Ok(end + 1) } else { self.string_rest(end) }
    }

    /// The rest of a string, from the first byte in it that does not stand for itself.
    fn string_rest(&self, mut at: usize) -> Step<usize> {
        loop {
            match self.text.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => at = self.escape(at)?,
                Some(_) => return Err(Reason::ControlCharacter.at(at)),
                None => return Err(self.unexpected(at, "a closing quote")),
            }
            at = plain_end(self.text, at);
        }
    }

    /// The escape that begins with the backslash at `at`.
    fn escape(&self, at: usize) -> Step<usize> {
        match self.byte(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'u' => {
                let hex = self.text[at + 2..].iter().take(4).take_while(|b| b.is_ascii_hexdigit()).count();
                match hex {
                    4 => Ok(at + 6),
                    _ if at + 2 + hex == self.text.len() => {
                        Err(self.unexpected(at + 2 + hex, "a hexadecimal digit"))
                    }
                    _ => Err(Reason::InvalidEscape.at(at)),
                }
            }
            _ if at + 1 == self.text.len() => Err(self.unexpected(at + 1, "an escape")),
            _ => Err(Reason::InvalidEscape.at(at)),
        }
    }

    #[inline(always)]
    fn number(&self, start: usize) -> Step<usize> {
        let whole = start + usize::from(self.byte(start) == b'-');
        let point = self.digits(whole)?;
        if self.byte(whole) == b'0' && point > whole + 1 {
            return Err(Reason::InvalidNumber.at(whole + 1));
        }
        let next = self.byte(point);
        if point - whole > SAFE_DIGITS || next == b'.' || next | 0x20 == b'e' {
            return self.number_rest(start, whole, point);
        }
        Ok(point)
    }

    /// The rest of a number that is no integer of usual size, from the end of its whole part.
    fn number_rest(&self, start: usize, whole: usize, point: usize) -> Step<usize> {
        let mut end = point;
        if self.byte(end) == b'.' {
            end = self.digits(end + 1)?;
        }
        let exponent = self.byte(end) | 0x20 == b'e';
        if exponent {
            end = self.digits(end + 1 + usize::from(matches!(self.byte(end + 1), b'+' | b'-')))?;
        }
        let suspect = !self.any_number && (exponent || point - whole > SAFE_DIGITS);
        if suspect && !self.is_finite(start, end) {
            return Err(Reason::NumberOutOfRange.at(start));
        }
        Ok(end)
    }

    /// At least one digit: the end of the run.
    #[inline(always)]
    fn digits(&self, at: usize) -> Step<usize> {
        let end = digits_end(self.text, at);
        if end > at {
            Ok(end)
        } else if at < self.text.len() {
            Err(Reason::InvalidNumber.at(at))
        } else {
            Err(self.unexpected(at, "a digit"))
        }
    }

    fn is_finite(&self, start: usize, end: usize) -> bool {
        let number = self.text.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        number.and_then(|number| number.parse::<f64>().ok()).is_some_and(f64::is_finite)
    }
}

/// The arrays and objects around the present place: a bit each, 1 for an object, the innermost lowest.
#[derive(Default)]
struct Nest {
    bits: u64,
    depth: usize,
    /// What no longer fits into `bits`: deep texts alone allocate.
    outer: Vec<u64>,
}

impl Nest {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        } else {
            self.bits >>= 1;
        }
    }

    #[inline(always)]
    fn object(&self) -> bool {
        self.bits & 1 == 1
    }

    #[inline(always)]
    fn close(&self) -> u8 {
        if self.object() { b'}' } else { b']' }
    }
}
