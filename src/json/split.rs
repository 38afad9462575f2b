//! Cuts a checked array into elements and chunks, without copying. Trusts its text: brackets, strings and
//! commas are all that it looks at. A text that was not checked is cut at the wrong places, but nothing
//! worse happens.

use std::ops::Range;

use bytes::Bytes;

use super::words::{element_mark, nest_mark, plain_end, skip_commas};

/// From so many elements on, whole blocks are skipped by counting commas.
const MANY: usize = 32;

/// Hands out an array chunk by chunk.
#[derive(Debug, Clone)]
pub struct Splitter {
    /// What stands between the brackets.
    text: Bytes,
    at: usize,
}

impl Splitter {
    /// Of an array that [`check`](super::check) has accepted, with its brackets; white space may stand
    /// around it.
    pub fn new(mut array: Bytes) -> Self {
        let inside = inside(&array);
        array.truncate(inside.end);
        Self { text: array.split_off(inside.start), at: 0 }
    }

    /// Of elements without brackets around them, as [`Splitter::next_chunk`] gives them.
    pub fn of_list(list: Bytes) -> Self {
        Self { text: list, at: 0 }
    }

    /// The next `n` elements, or as many as are left, and how many they are; `None` at the end. The bytes
    /// are a slice of the array, from the first byte of the first to the last of the last, without
    /// brackets. An `n` of 0 counts as 1.
    pub fn next_chunk(&mut self, n: usize) -> Option<(Bytes, usize)> {
        let (range, count) = cut(&self.text, &mut self.at, n.max(1))?;
        Some((self.text.slice(range), count))
    }
}

/// The elements of an array that [`check`](super::check) has accepted, each as it stands in the text.
pub fn elements(array: &[u8]) -> Elements<'_> {
    Elements { text: array.get(inside(array)).unwrap_or_default(), at: 0 }
}

/// An iterator over the elements of an array.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // Short numbers one after another are what maps are made of: no search for anything but the comma.
        let rest = self.text.get(self.at..)?;
        if rest.first().is_some_and(|&first| first == b'-' || first.is_ascii_digit()) {
            let length = rest.iter().position(|&b| b == b',' || is_space(b)).unwrap_or(rest.len());
            if rest.get(length).is_none_or(|&b| b == b',') {
                self.at += length + 1;
                return rest.get(..length);
            }
        }
        let (range, _) = cut(self.text, &mut self.at, 1)?;
        self.text.get(range)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// What stands between the outermost brackets; empty when there are none.
fn inside(array: &[u8]) -> Range<usize> {
    let open = array.iter().position(|&b| !is_space(b)).filter(|&at| array[at] == b'[');
    let close = array.iter().rposition(|&b| !is_space(b)).filter(|&at| array[at] == b']');
    match (open, close) {
        (Some(open), Some(close)) => open + 1..close,
        _ => 0..0,
    }
}

/// Cuts `n` elements off the text at `at`, which it moves past them and their comma.
fn cut(text: &[u8], at: &mut usize, n: usize) -> Option<(Range<usize>, usize)> {
    let start = *at + text.get(*at..)?.iter().position(|&b| !is_space(b))?;
    let (comma, count) = nth_comma(text, start, n);
    *at = comma + 1;
    let chunk = text.get(start..comma)?;
    let end = chunk.iter().rposition(|&b| !is_space(b))? + 1;
    Some((start..start + end, count))
}

/// The comma that ends the `n`th element from `at`, or the end of the text, and the elements before it.
fn nth_comma(text: &[u8], mut at: usize, n: usize) -> (usize, usize) {
    let mut left = n;
    loop {
        if left >= MANY {
            let (skipped, commas) = skip_commas(text, at, left);
            at = skipped;
            left -= commas;
        }
        let block_end = at + 64;
        while at < block_end {
            at = element_mark(text, at);
            match text.get(at) {
                Some(b',') if left == 1 => return (at, n),
                Some(b',') => {
                    left -= 1;
                    at += 1;
                }
                Some(b'"') => at = string_end(text, at + 1),
                Some(_) => at = nested_end(text, at),
                None => return (text.len(), n - left + 1),
            }
        }
    }
}

/// Past the closing quote of the string that begins at `at`, after its opening quote.
fn string_end(text: &[u8], mut at: usize) -> usize {
    loop {
        at = plain_end(text, at);
        match text.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return text.len(),
        }
    }
}

/// Past the array or object that begins at `at`.
fn nested_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        at = nest_mark(text, at);
        match text.get(at) {
            Some(b'"') => {
                at = string_end(text, at + 1);
                continue;
            }
            Some(b'[' | b'{') => depth += 1,
            Some(_) => depth = depth.saturating_sub(1),
            None => return text.len(),
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
}
