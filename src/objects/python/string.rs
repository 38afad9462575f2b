//! Strings: what a JSON text of one stands for, and how Python would print it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The characters of a checked JSON string (with its quotes), as UTF-8 in which a lone surrogate is written like any
/// other code point: the order of the bytes is that of the code points.
pub(in crate::objects) fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else { break };
        rest = after;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let high = unit(rest);
                rest = rest.get(4..).unwrap_or_default();
                let low = rest.strip_prefix(b"\\u").map(unit).filter(|low| (0xdc00..0xe000).contains(low));
                match (high, low) {
                    (0xd800..0xdc00, Some(low)) => {
                        rest = rest.get(6..).unwrap_or_default();
                        push(&mut out, 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                    }
                    _ => push(&mut out, high),
                }
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn unit(hex: &[u8]) -> u32 {
    let digits = hex.get(..4).and_then(|hex| std::str::from_utf8(hex).ok());
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xfffd)
}

/// A code point, surrogates too.
fn push(out: &mut Vec<u8>, point: u32) {
    if let Some(character) = char::from_u32(point) {
        let mut buffer = [0; 4];
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        return;
    }
    let six = |shift: u32| u8::try_from((point >> shift) & 0x3f).unwrap_or(0) | 0x80;
    out.extend_from_slice(&[0xed, six(6), six(0)]);
}

/// `repr` of a string.
pub(in crate::objects) fn repr(characters: &[u8]) -> String {
    let text = String::from_utf8_lossy(characters);
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}
