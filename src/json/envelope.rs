//! The members of a request's outermost object, as slices of its text. Does not look into them beyond
//! checking.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Reason, ScanError, Step};
use super::scan::{Kind, Scanner};

/// Members that an envelope may have: no operation takes as many, and their list must not outgrow the body
/// by far.
pub const MEMBERS_MAX: usize = 4_096;
/// Up to so many names are compared each with each, which needs no memory.
const FEW: usize = 16;
/// Characters of a name that an error repeats.
const NAME_SHOWN: usize = 128;

/// A member of the outermost object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name, escapes resolved; a lone surrogate is U+FFFD.
    pub name: Cow<'a, str>,
    /// Where its value stands in the text.
    pub range: Range<usize>,
    /// What its value is.
    pub kind: Kind,
    /// The elements of an array or members of an object, 0 for everything else.
    pub elements: usize,
}

/// Why a text is no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the JSON that is taken here.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// JSON, but no object.
    #[error("expected an object")]
    NotAnObject,
    /// Two members of one name.
    #[error("member `{name}` stands twice")]
    Duplicate {
        /// That name, cut after 128 characters.
        name: String,
    },
}

impl From<Box<ScanError>> for EnvelopeError {
    fn from(error: Box<ScanError>) -> Self {
        Self::Scan(*error)
    }
}

/// The members of the object that `text` is, in order. The whole text is checked as by
/// [`check`](super::check).
pub fn envelope(text: &[u8], depth_max: usize) -> Result<Vec<Member<'_>>, EnvelopeError> {
    let scanner = Scanner::new(text, depth_max)?;
    let start = scanner.start()?;
    if scanner.byte(start) != b'{' {
        scanner.whole()?;
        return Err(EnvelopeError::NotAnObject);
    }
    if depth_max == 0 {
        return Err(Reason::TooDeep { depth_max }.at(start).into());
    }
    let (end, members) = members(&scanner, text, start + 1)?;
    scanner.finish(end)?;
    match duplicate(&members) {
        Some(name) => Err(EnvelopeError::Duplicate { name: name.chars().take(NAME_SHOWN).collect() }),
        None => Ok(members),
    }
}

/// What follows the opening brace before `at`: the end of the object, and its members.
fn members<'a>(scanner: &Scanner<'_>, text: &'a [u8], at: usize) -> Step<(usize, Vec<Member<'a>>)> {
    let mut members = Vec::with_capacity(8);
    let mut at = scanner.skip_space(at);
    if scanner.byte(at) == b'}' {
        return Ok((at + 1, members));
    }
    loop {
        if members.len() == MEMBERS_MAX {
            return Err(Reason::TooManyMembers { members_max: MEMBERS_MAX }.at(at));
        }
        let name_end = scanner.quoted(at)?;
        let name = unescaped(text.get(at + 1..name_end - 1).unwrap_or_default());
        let value = scanner.value(scanner.colon(scanner.skip_space(name_end))?, 1)?;
        members.push(Member {
            name,
            range: value.start..value.end,
            kind: value.kind,
            elements: value.elements,
        });
        at = scanner.skip_space(value.end);
        match scanner.byte(at) {
            b',' => at = scanner.skip_space(at + 1),
            b'}' => return Ok((at + 1, members)),
            _ => return Err(scanner.unexpected(at, "`,` or `}`")),
        }
    }
}

fn duplicate<'m>(members: &'m [Member<'_>]) -> Option<&'m str> {
    if members.len() <= FEW {
        let repeats =
            |(i, m): &(usize, &Member<'_>)| members[..*i].iter().any(|before| before.name == m.name);
        return members.iter().enumerate().find(repeats).map(|(_, m)| &*m.name);
    }
    let mut names: Vec<&str> = members.iter().map(|m| &*m.name).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The characters that the inside of a checked string stands for.
fn unescaped(raw: &[u8]) -> Cow<'_, str> {
    let raw = String::from_utf8_lossy(raw);
    if !raw.contains('\\') {
        return raw;
    }
    let mut name = String::with_capacity(raw.len());
    let mut rest = &*raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        name.push_str(plain);
        let (character, length) = unescaped_one(escape);
        name.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    name.push_str(rest);
    Cow::Owned(name)
}

/// The character that `escape`, a text that follows a backslash, begins with, and the bytes that it takes.
fn unescaped_one(escape: &str) -> (char, usize) {
    let Some(high) = escape.strip_prefix('u').map(code_unit) else {
        let character = match escape.as_bytes().first() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(&other) => char::from(other),
            None => char::REPLACEMENT_CHARACTER,
        };
        return (character, 1);
    };
    let low = escape.get(5..).and_then(|rest| rest.strip_prefix("\\u")).map(code_unit);
    let pair = char::decode_utf16([high, low.unwrap_or(0)]).next();
    let character = pair.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
    (character, if character.len_utf16() == 2 { 11 } else { 5 })
}

/// Four hexadecimal digits.
fn code_unit(hex: &str) -> u16 {
    hex.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok()).unwrap_or(0xfffd)
}
