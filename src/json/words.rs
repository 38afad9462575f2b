//! Looking at bytes eight, or a block, at a time, in safe code. Knows single bytes of JSON, nothing of its
//! grammar.
//!
//! A mask has the top bit set in each byte of a word that was looked for. Only its lowest byte is exact (a
//! hit may show again in the bytes above it), so a mask is good for one thing: the first hit.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const BLOCK: usize = 64;
/// A run this long is worth going on in blocks.
const LONG: usize = 32;

const fn every(byte: u8) -> u64 {
    LOW * byte as u64
}

/// The eight bytes at `at`; the first is the lowest.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

/// Borrows from the top bit of the first byte that is less than `limit`.
#[inline(always)]
fn less(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(every(limit))
}

#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    less(word ^ every(byte), 1)
}

/// The mask of what was borrowed: only ASCII bytes are ever looked for.
#[inline(always)]
fn mask(borrowed: u64, word: u64) -> u64 {
    borrowed & !word & HIGH
}

#[inline(always)]
fn first(mask: u64) -> usize {
    (mask.trailing_zeros() / 8) as usize
}

/// The first byte at or after `at` that `mask` (words) and `byte` (the rest) find, else the length.
#[inline(always)]
fn find(text: &[u8], mut at: usize, mask: impl Fn(u64) -> u64, byte: impl Fn(u8) -> bool) -> usize {
    while let Some(word) = word(text, at) {
        let mask = mask(word);
        if mask != 0 {
            return at + first(mask);
        }
        at += 8;
    }
    while text.get(at).is_some_and(|&b| !byte(b)) {
        at += 1;
    }
    at
}

/// The end of the run of digits that begins at `at`.
#[inline(always)]
pub fn digits_end(text: &[u8], at: usize) -> usize {
    let others = |word: u64| {
        let value = word ^ every(b'0');
        (((value & !HIGH) + every(0x80 - 10)) | value) & HIGH
    };
    find(text, at, others, |b| !b.is_ascii_digit())
}

/// The end of the run of string bytes that stand for themselves: the first quote, backslash or control
/// character.
#[inline(always)]
pub fn plain_end(text: &[u8], at: usize) -> usize {
    let Some((low, high)) = word(text, at).zip(word(text, at + 8)) else {
        return plain_end_far(text, at);
    };
    let (low, high) = (string_marks(low), string_marks(high));
    if low != 0 {
        at + first(low)
    } else if high != 0 {
        at + 8 + first(high)
    } else {
        plain_end_far(text, at + 16)
    }
}

#[inline(never)]
fn plain_end_far(text: &[u8], mut at: usize) -> usize {
    let long = at + LONG;
    while at < long
        && let Some(word) = word(text, at)
    {
        let mask = string_marks(word);
        if mask != 0 {
            return at + first(mask);
        }
        at += 8;
    }
    at = skip_blocks(text, at, |b| (b == b'"') | (b == b'\\') | (b < 0x20));
    find(text, at, string_marks, |b| b == b'"' || b == b'\\' || b < 0x20)
}

#[inline(always)]
fn string_marks(word: u64) -> u64 {
    // With 0x02 flipped, the control characters stay below 0x20 and the quote alone moves there: to 0x20
    // itself.
    mask(less(word ^ every(0x02), 0x21) | equal(word, b'\\'), word)
}

/// Past the whole blocks from `at` that hold no marked byte. The fold has no branch, so that it becomes
/// vector code.
fn skip_blocks(text: &[u8], at: usize, marked: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let clean = |block: &&[u8]| !block.iter().fold(false, |any, &b| any | marked(b));
    at + BLOCK * rest.chunks_exact(BLOCK).take_while(clean).count()
}

/// The first comma, quote or opening bracket at or after `at`, else the length.
#[inline(always)]
pub fn element_mark(text: &[u8], at: usize) -> usize {
    let marks = |word: u64| {
        let borrowed = equal(word, b',') | equal(word, b'"') | equal(word | every(0x20), b'{');
        mask(borrowed, word)
    };
    find(text, at, marks, |b| matches!(b, b',' | b'"' | b'[' | b'{'))
}

/// The first quote or bracket of any kind at or after `at`, else the length.
#[inline(always)]
pub fn nest_mark(text: &[u8], at: usize) -> usize {
    let marks = |word: u64| {
        // Setting 0x20 makes the square brackets curly; nothing else becomes one.
        let curly = word | every(0x20);
        mask(equal(word, b'"') | equal(curly, b'{') | equal(curly, b'}'), word)
    };
    find(text, at, marks, |b| matches!(b, b'"' | b'[' | b']' | b'{' | b'}'))
}

/// Past the whole blocks from `at` that hold neither quotes nor opening brackets and, together, fewer than
/// `commas` commas; says how many those were.
pub fn skip_commas(text: &[u8], at: usize, commas: usize) -> (usize, usize) {
    let (blocks, _) = text.get(at..).unwrap_or_default().as_chunks::<BLOCK>();
    let mut skipped = 0;
    for (i, block) in blocks.iter().enumerate() {
        let (mut count, mut nested) = (0_u8, 0_u8);
        for &b in block {
            count += u8::from(b == b',');
            nested |= u8::from(b == b'"') | u8::from(b | 0x20 == b'{');
        }
        if nested != 0 || skipped + usize::from(count) >= commas {
            return (at + i * BLOCK, skipped);
        }
        skipped += usize::from(count);
    }
    (at + blocks.len() * BLOCK, skipped)
}

/// Past the integers of an array that can be checked by whole blocks, from `at`, where an element begins:
/// to the byte after the last of their commas, and how many commas those were (0: not one block is that
/// simple).
///
/// In such a block every byte follows from the two before it: integers, each but a comma and at most one
/// space from the next. Each block holds a comma, so no number is long.
pub fn skip_integers(text: &[u8], at: usize) -> (usize, usize) {
    let Some(window) = at.checked_sub(2).and_then(|from| text.get(from..)) else {
        return (at, 0);
    };
    let (mut end, mut commas) = (0, 0);
    while let Some(window) = window.get(end..).and_then(<[u8]>::first_chunk::<{ BLOCK + 2 }>) {
        match integers(window) {
            0 => break,
            count => commas += count,
        }
        end += BLOCK;
    }
    let last = window[2..2 + end].iter().rposition(|&b| b == b',');
    (last.map_or(at, |comma| at + comma + 1), commas)
}

/// The commas of a block of integers that begins after two bytes of `window`, 0 if anything else is in it.
#[inline(always)]
fn integers(window: &[u8; BLOCK + 2]) -> usize {
    let (mut bad, mut commas) = (0_u8, 0_u8);
    for i in 0..BLOCK {
        let [before, last, b] = [window[i], window[i + 1], window[i + 2]];
        let digit = u8::from(b.wrapping_sub(b'0') < 10);
        let last_digit = u8::from(last.wrapping_sub(b'0') < 10);
        let before_digit = u8::from(before.wrapping_sub(b'0') < 10);
        let comma = u8::from(b == b',');
        let space = u8::from(b == b' ') & u8::from(last == b',');
        let minus = u8::from(b == b'-') & (u8::from(last == b',') | u8::from(last == b' '));
        let leading_zero = digit & u8::from(last == b'0') & (before_digit ^ 1);
        bad |= leading_zero | ((digit | (comma & last_digit) | space | minus) ^ 1);
        commas += comma;
    }
    if bad == 0 { usize::from(commas) } else { 0 }
}
