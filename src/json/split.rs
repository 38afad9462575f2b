//! Cuts a checked array into elements and chunks, without copying. Trusts its text: brackets, strings and
//! commas are all that it looks at. A text that was not checked is cut at the wrong places, but nothing
//! worse happens.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::words::{element_mark, nest_mark, plain_end, skip_commas};

/// From so many elements on, whole blocks are skipped by counting commas.
const MANY: usize = 32;

/// Hands out an array chunk by chunk.
///
/// One that is indexed looks at no more than [`INDEXED_BYTES_MAX`] bytes each time, whatever the size of the chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splitter {
    /// What stands between the brackets.
    text: Bytes,
    at: usize,
    /// Elements before `at`.
    passed: usize,
    index: Option<Arc<[Run]>>,
}

impl Splitter {
    /// Of an array that [`check`](super::check) has accepted, with its brackets; white space may stand
    /// around it.
    pub fn new(mut array: Bytes) -> Self {
        let inside = inside(&array);
        array.truncate(inside.end);
        Self::of_list(array.split_off(inside.start))
    }

    /// The same, indexed if it is large: a pass over the whole text.
    pub fn indexed(array: Bytes) -> Self {
        let mut own = Self::new(array);
        own.index = (own.text.len() > INDEXED_BYTES_MAX).then(|| runs(&own.text).into());
        own
    }

    /// Of elements without brackets around them, as [`Splitter::next_chunk`] gives them.
    pub fn of_list(list: Bytes) -> Self {
        Self { text: list, at: 0, passed: 0, index: None }
    }

    /// All elements, without brackets around them.
    pub fn list(&self) -> &Bytes {
        &self.text
    }

    /// Bytes between the brackets.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The same at the same place, in memory of its own.
    pub fn compact(&self) -> Self {
        Self { text: Bytes::copy_from_slice(&self.text), index: self.index.clone(), ..*self }
    }

    /// Whether it is indexed.
    pub fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// The next `n` elements, or as many as are left, and how many they are; `None` at the end. The bytes
    /// are a slice of the array, from the first byte of the first to the last of the last, without
    /// brackets. An `n` of 0 counts as 1.
    pub fn next_chunk(&mut self, n: usize) -> Option<(Bytes, usize)> {
        let n = n.max(1);
        let (range, count) = match &self.index {
            None => cut(&self.text, &mut self.at, n)?,
            Some(runs) => cut_indexed(&self.text, runs, (&mut self.at, self.passed), n)?,
        };
        self.passed += count;
        Some((self.text.slice(range), count))
    }

    /// The same; fewer elements where the index has them ready.
    pub fn next_list(&mut self, n: usize) -> Option<(Bytes, usize)> {
        let ready = self.index.as_ref().and_then(|runs| {
            let run = runs.get(runs.partition_point(|run| run.until <= self.passed))?;
            Some(run.until - self.passed)
        });
        self.next_chunk(ready.map_or(n, |ready| ready.min(n)))
    }
}

/// An array of more bytes is worth an index; between two of its entries there are fewer, or a single element.
pub const INDEXED_BYTES_MAX: usize = 256 << 10;
/// Elements between two of its entries, at most.
const RUN_ELEMENTS_MAX: usize = 4_096;

/// Elements that follow one another: an entry of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// The first byte of the first, and one past the last of the last.
    start: usize,
    end: usize,
    /// Elements up to here, those of the runs before it included.
    until: usize,
}

/// The index of a list.
fn runs(text: &[u8]) -> Vec<Run> {
    let (mut runs, mut at, mut until, mut n) = (Vec::new(), 0, 0, RUN_ELEMENTS_MAX);
    loop {
        let begin = at;
        let Some((Range { start, end }, count)) = cut(text, &mut at, n) else { return runs };
        let bytes = at - begin;
        if count > 1 && bytes > INDEXED_BYTES_MAX {
            // As many as would fit if all were alike.
            n = (count * INDEXED_BYTES_MAX / bytes).clamp(1, count - 1);
            at = begin;
            continue;
        }
        until += count;
        runs.push(Run { start, end, until });
        if bytes < INDEXED_BYTES_MAX / 2 {
            n = (n * 2).min(RUN_ELEMENTS_MAX);
        }
    }
}

/// Cuts `n` elements off the text at a place, which it moves: an offset, and the elements before it.
fn cut_indexed(
    text: &[u8],
    runs: &[Run],
    (at, passed): (&mut usize, usize),
    n: usize,
) -> Option<(Range<usize>, usize)> {
    let until = passed.saturating_add(n).min(runs.last()?.until);
    let before = |run: usize| run.checked_sub(1).map_or(0, |run| runs[run].until);
    let first = runs.partition_point(|run| run.until <= passed);
    let last = runs.partition_point(|run| run.until < until);
    let run = runs.get(first)?;
    let start = if before(first) == passed {
        run.start
    } else {
        *at + text.get(*at..run.end)?.iter().position(|&b| !is_space(b))?
    };
    let run = runs.get(last)?;
    let end = if run.until == until {
        *at = run.end;
        run.end
    } else {
        let from = if last == first { passed } else { before(last) };
        *at = if last == first { start } else { run.start };
        cut(text.get(..run.end)?, at, until - from)?.0.end
    };
    Some((start..end, until - passed))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrays of every kind that an index has to do with.
    fn arrays() -> Vec<String> {
        let numbers = (0..200_000).map(|n| n.to_string()).collect::<Vec<_>>();
        let large = format!("\"{}\"", "x".repeat(INDEXED_BYTES_MAX * 2));
        let mixed = |n: usize| if n.is_multiple_of(7) { large.clone() } else { format!("[{n},\"a,]\"]") };
        let far = format!(",{}", " ".repeat(INDEXED_BYTES_MAX * 2));
        vec![
            format!("[{}]", numbers.join(",")),
            format!(" [ {} ] ", numbers.join(" , ")),
            format!("[{}]", (0..20).map(mixed).collect::<Vec<_>>().join(",")),
            format!("[{}]", vec![format!("{{\"a\":\"{}\"}}", "y".repeat(300)); 3_000].join(",")),
            format!("[{}]", numbers[..9].join(&far)),
        ]
    }

    #[test]
    fn an_index_cuts_where_a_scan_does() {
        for array in arrays() {
            let array = Bytes::from(array);
            let (plain, indexed) = (Splitter::new(array.clone()), Splitter::indexed(array));
            assert!(indexed.is_indexed());
            let (mut plain, mut indexed) = (plain, indexed.compact());
            for n in [1, 2, 3, 10, 4_095, 4_096, 4_097, 70_000, 1].iter().cycle() {
                let cut = plain.next_chunk(*n);
                assert!(indexed.next_chunk(*n) == cut);
                if cut.is_none() {
                    break;
                }
            }
            assert!(indexed.next_chunk(usize::MAX).is_none());
        }
    }

    #[test]
    fn no_cut_looks_at_more_than_one_run() {
        for array in arrays() {
            let list = Splitter::new(Bytes::from(array)).text;
            let (mut until, mut end) = (0, 0);
            for run in runs(&list) {
                let count = run.until - std::mem::replace(&mut until, run.until);
                assert!(count == 1 || run.end - run.start <= INDEXED_BYTES_MAX, "{count} in {run:?}");
                assert!((1..=RUN_ELEMENTS_MAX).contains(&count) && run.start >= end);
                end = run.end;
            }
            assert_eq!(until, elements(&[b"[", &list[..], b"]"].concat()).count());
        }
    }

    #[test]
    fn lists_end_where_the_index_has_them_ready() {
        for array in arrays() {
            let mut splitter = Splitter::indexed(Bytes::from(array));
            let runs = splitter.index.clone().unwrap();
            let (mut until, mut lists) = (0, 0);
            while let Some((_, count)) = splitter.next_list(usize::MAX) {
                until += count;
                assert_eq!(runs[lists].until, until);
                lists += 1;
            }
            assert_eq!(lists, runs.len());
        }
    }
}
