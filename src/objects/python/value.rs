//! A JSON value, read for one comparison.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::number::Number;
use super::string::{repr, unescaped};
use crate::json;

/// What a value takes for each byte of its text at most: every second one may begin a part of it, and lists double as
/// they grow.
pub(in crate::objects) const PART_BYTES: usize = size_of::<Value<'_>>();

/// A value. Recursion ends with the depth that arguments may have.
#[derive(Debug, Clone)]
pub(in crate::objects) enum Value<'a> {
    None,
    /// A number or a truth: those are the numbers 0 and 1.
    Number {
        number: Number,
        type_name: &'static str,
    },
    /// Its characters, a part of the text unless there are escapes in it.
    Text(Cow<'a, [u8]>),
    List(Vec<Self>),
    /// In the order of its keys, each once.
    Dict(Vec<(Cow<'a, [u8]>, Self)>),
}

/// Two values of these types have no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::objects) struct NoOrder(pub &'static str, pub &'static str);

impl<'a> Value<'a> {
    /// Of a checked text.
    pub fn read(text: &'a [u8]) -> Self {
        Reader::of(text).value()
    }

    /// Of a checked text, without what is in it.
    pub fn shallow(text: &'a [u8]) -> Self {
        match Reader::of(text).peek() {
            Some(b'[') => Self::List(Vec::new()),
            Some(b'{') => Self::Dict(Vec::new()),
            _ => Self::read(text),
        }
    }

    /// As `type(value).__name__`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Number { type_name, .. } => type_name,
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
        }
    }

    /// `self < other`, as Python decides it.
    pub fn is_less(&self, other: &Self) -> Result<bool, NoOrder> {
        match (self, other) {
            (Self::Number { number: one, .. }, Self::Number { number: other, .. }) => Ok(one < other),
            (Self::Text(one), Self::Text(other)) => Ok(one < other),
            (Self::List(one), Self::List(other)) => {
                match one.iter().zip(other).find(|(one, other)| one != other) {
                    Some((one, other)) => one.is_less(other),
                    None => Ok(one.len() < other.len()),
                }
            }
            _ => Err(NoOrder(self.type_name(), other.type_name())),
        }
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Number { number: one, .. }, Self::Number { number: other, .. }) => {
                one.cmp(other) == Ordering::Equal
            }
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Dict(one), Self::Dict(other)) => one == other,
            _ => false,
        }
    }
}

/// Reads a checked text in one pass. A text that was not checked gives some value or other.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// What comes next.
    pub fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Recursion ends with the depth that arguments may have.
    pub fn value(&mut self) -> Value<'a> {
        match self.peek() {
            Some(b'[') => {
                let mut items = Vec::new();
                while self.is_more(b']') {
                    items.push(self.value());
                }
                Value::List(items)
            }
            Some(b'{') => self.dict(),
            Some(b'"') => Value::Text(self.string()),
            Some(_) => self.scalar(),
            None => Value::None,
        }
    }

    /// Steps over the bracket or comma here; whether another element follows it. If not, the end is passed.
    pub fn is_more(&mut self, end: u8) -> bool {
        let here = self.peek();
        self.at += 1;
        if here.is_none() || here == Some(end) {
            return false;
        }
        let is_end = self.peek().is_none_or(|byte| byte == end);
        self.at += usize::from(is_end);
        !is_end
    }

    fn dict(&mut self) -> Value<'a> {
        let mut members = Vec::new();
        while self.is_more(b'}') {
            let name = self.string();
            self.colon();
            members.push((name, self.value()));
        }
        // Of a name that stands twice the last value counts.
        members.reverse();
        members.sort_by(|one: &(Cow<'_, [u8]>, Value<'_>), other| one.0.cmp(&other.0));
        members.dedup_by(|one, other| one.0 == other.0);
        Value::Dict(members)
    }

    /// Steps over the colon here.
    pub fn colon(&mut self) {
        self.peek();
        self.at += 1;
    }

    pub fn string(&mut self) -> Cow<'a, [u8]> {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = json_string_length(rest);
        self.at += length.max(1);
        unescaped(rest.get(..length).unwrap_or_default())
    }

    /// The base64 of `{"$bytes":"…"}`; `None` of any other object.
    pub fn bytes(&mut self) -> Option<Cow<'a, [u8]>> {
        if !self.is_more(b'}') || self.peek() != Some(b'"') || *self.string() != *b"$bytes" {
            return None;
        }
        self.colon();
        if self.peek() != Some(b'"') {
            return None;
        }
        let base64 = self.string();
        (!self.is_more(b'}')).then_some(base64)
    }

    fn scalar(&mut self) -> Value<'a> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_end = |byte: &u8| b",]} \t\r\n".contains(byte);
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        self.at += length.max(1);
        let text = rest.get(..length).unwrap_or_default();
        match text.first() {
            Some(b'n') | None => Value::None,
            Some(b't') => Value::Number { number: Number::Small(1), type_name: "bool" },
            Some(b'f') => Value::Number { number: Number::Small(0), type_name: "bool" },
            Some(_) => {
                let text = std::str::from_utf8(text).unwrap_or("0");
                let is_float = text.contains(['.', 'e', 'E']);
                Value::Number {
                    number: Number::read(text),
                    type_name: if is_float { "float" } else { "int" },
                }
            }
        }
    }
}

/// The base64 of a checked `{"$bytes":"…"}`; `None` of anything else.
pub(in crate::objects) fn bytes_of(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut reader = Reader::of(text);
    if reader.peek() == Some(b'{') { reader.bytes() } else { None }
}

/// The members of a checked object: names with their quotes, and values. Nothing is built but the list.
pub(in crate::objects) fn members(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    // With its colons outside of strings and inner brackets turned to commas, an object is a list of names and values.
    let mut list = text.trim_ascii().to_vec();
    let (mut depth, mut at) = (0_usize, 0);
    while at < list.len() {
        match list[at] {
            b'"' => at += json_string_length(&list[at..]).saturating_sub(1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => list[at] = b',',
            _ => {}
        }
        at += 1;
    }
    if let [first, .., last] = list.as_mut_slice() {
        (*first, *last) = (b'[', b']');
    }
    let base = text.trim_ascii();
    let mut parts = json::elements(&list).map(|part| {
        let start = part.as_ptr() as usize - list.as_ptr() as usize;
        base.get(start..start + part.len()).unwrap_or_default()
    });
    let mut members = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        members.push((name, value));
    }
    members
}

/// The length of a string with its quotes.
fn json_string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// What can be a key of a dict: equal ones are the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::objects) enum Key {
    None,
    Number(Number),
    Text(Box<[u8]>),
    /// The text of `{"$bytes":…}`.
    Bytes(Box<[u8]>),
}

impl Key {
    /// Of a checked text; the error is the name of a type that has no hash. Of those nothing is built.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::of(text);
        match reader.peek() {
            Some(b'[') => return Err("list"),
            Some(b'{') => {
                return reader.bytes().map(|base64| Self::Bytes(base64.into_owned().into())).ok_or("dict");
            }
            _ => {}
        }
        match reader.value() {
            Value::None => Ok(Self::None),
            Value::Number { number, .. } => Ok(Self::Number(number)),
            Value::Text(text) => Ok(Self::Text(text.into_owned().into())),
            Value::List(_) => Err("list"),
            Value::Dict(_) => Err("dict"),
        }
    }

    /// What it holds besides itself, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Number(number) => number.heap_bytes(),
            Self::Text(text) | Self::Bytes(text) => text.len(),
        }
    }
}

/// `repr` of a checked text, for messages.
pub(in crate::objects) fn shown(text: &[u8]) -> String {
    let all = match text.trim_ascii() {
        b"null" => "None".to_owned(),
        b"true" => "True".to_owned(),
        b"false" => "False".to_owned(),
        text if text.starts_with(b"\"") => repr(&unescaped(text)),
        text => String::from_utf8_lossy(text).into_owned(),
    };
    all.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::Value;

    fn read(text: &str) -> Value<'_> {
        Value::read(text.as_bytes())
    }

    #[test]
    fn values_are_read_in_one_pass_and_compared_as_python_does() {
        for (one, other) in [
            (" [1, 2.0 ,true] ", "[1.0,2,1]"),
            (r#"{"a":1,"b":[{}, []]}"#, r#"{ "b" : [ {} , [ ] ], "a" : 1.0 }"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"["]","\\"]"#, r#"["\u005d","\\"]"#),
            ("null", " null "),
        ] {
            assert_eq!(read(one), read(other), "{one}");
        }
        for (one, other) in [("[1]", "[1,1]"), ("[[]]", "[]"), (r#"{"a":1}"#, r#"{"a":2}"#), ("\"1\"", "1")] {
            assert_ne!(read(one), read(other), "{one}");
        }
        // What was not checked ends, too.
        for text in ["", "[", "{", "[1", "{\"a\"", "{\"a\":", "\"", "[,]", "]", "[}"] {
            let _ = read(text);
        }
    }
}
