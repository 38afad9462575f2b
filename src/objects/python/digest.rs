//! Whether values are equal, as Python decides it, without building them: equal ones have the same digest.
//!
//! A value may have as many parts as a body has bytes, and a list as many such values. A digest is read off the text in
//! one pass and keeps nothing but the members of the objects that it is in.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use super::number::Number;
use super::value::{Reader, Value};

/// So much is hashed at once.
const BUFFER_BYTES: usize = 4 << 10;

/// Of 128 bits under a key of its own: nobody can look for two values that share one.
type Digest = [u64; 2];

/// What makes digests; those of one can be compared.
#[derive(Debug)]
pub(in crate::objects) struct Digester([RandomState; 2]);

/// What values are compared with.
#[derive(Debug)]
pub(in crate::objects) enum Wanted<'a> {
    Scalar(Value<'a>),
    /// A list or a dict, which one its bracket tells.
    Composed(u8, Digester, Digest),
}

impl<'a> Wanted<'a> {
    /// A checked text.
    pub fn read(text: &'a [u8]) -> Self {
        match Reader::of(text).peek() {
            Some(bracket @ (b'[' | b'{')) => {
                let digester = Digester::new();
                let digest = digester.of(text);
                Self::Composed(bracket, digester, digest)
            }
            _ => Self::Scalar(Value::read(text)),
        }
    }

    /// Whether a checked text is of an equal value.
    pub fn is(&self, text: &[u8]) -> bool {
        let first = Reader::of(text).peek();
        match self {
            Self::Scalar(scalar) => !matches!(first, Some(b'[' | b'{')) && Value::read(text) == *scalar,
            Self::Composed(bracket, digester, digest) => {
                first == Some(*bracket) && digester.of(text) == *digest
            }
        }
    }
}

impl Digester {
    fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    /// Of a checked text.
    fn of(&self, text: &[u8]) -> Digest {
        let mut writer = Writer { digester: self, buffer: Vec::new() };
        let mut sink = writer.sink();
        writer.read(&mut Reader::of(text), &mut sink);
        writer.finish(sink)
    }
}

/// Writes a value so that equal ones are the same bytes, and none begins as another one does.
struct Writer<'d> {
    digester: &'d Digester,
    /// What the sinks have not hashed yet: that of the innermost one stands last.
    buffer: Vec<u8>,
}

/// A digest in the making. Most are of a few bytes.
struct Sink {
    /// Where its bytes begin in the buffer.
    start: usize,
    /// Once there were too many of them.
    hashers: Option<[DefaultHasher; 2]>,
}

impl Writer<'_> {
    fn sink(&self) -> Sink {
        Sink { start: self.buffer.len(), hashers: None }
    }

    /// Recursion ends with the depth that arguments may have.
    fn read(&mut self, reader: &mut Reader<'_>, sink: &mut Sink) {
        match reader.peek() {
            Some(b'[') => {
                self.put(sink, b"[");
                while reader.is_more(b']') {
                    self.read(reader, sink);
                }
                self.put(sink, b"]");
            }
            Some(b'{') => self.read_dict(reader, sink),
            _ => match reader.value() {
                // Lists and dicts begin otherwise.
                Value::None | Value::List(_) | Value::Dict(_) => self.put(sink, b"n"),
                Value::Text(text) => self.put_counted(sink, b"s", &text),
                Value::Number { number: Number::Small(number), .. } => {
                    self.put(sink, b"i");
                    self.put(sink, &number.to_le_bytes());
                }
                Value::Number { number: Number::Broken(bits), .. } => {
                    self.put(sink, b"f");
                    self.put(sink, &bits.to_le_bytes());
                }
                Value::Number { number: Number::Large(negative, digits), .. } => {
                    self.put_counted(sink, if negative { b"-" } else { b"+" }, digits.as_bytes());
                }
            },
        }
    }

    fn read_dict(&mut self, reader: &mut Reader<'_>, sink: &mut Sink) {
        let mut members = Vec::new();
        while reader.is_more(b'}') {
            let mut name = self.sink();
            self.put(&mut name, &reader.string());
            let name = self.finish(name);
            reader.colon();
            let mut value = self.sink();
            self.read(reader, &mut value);
            members.push((name, self.finish(value)));
        }
        // Of a name that stands twice the last value counts.
        members.reverse();
        members.sort_by_key(|member| member.0);
        members.dedup_by_key(|member| member.0);
        self.put(sink, b"{");
        self.put(sink, &(members.len() as u64).to_le_bytes());
        for (name, value) in members {
            for half in name.into_iter().chain(value) {
                self.put(sink, &half.to_le_bytes());
            }
        }
    }

    fn put(&mut self, sink: &mut Sink, bytes: &[u8]) {
        if self.buffer.len() - sink.start + bytes.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
            return;
        }
        let [one, other] = &self.digester.0;
        let hashers = sink.hashers.get_or_insert_with(|| [one.build_hasher(), other.build_hasher()]);
        for hasher in hashers {
            hasher.write(&self.buffer[sink.start..]);
            hasher.write(bytes);
        }
        self.buffer.truncate(sink.start);
    }

    fn put_counted(&mut self, sink: &mut Sink, kind: &[u8], bytes: &[u8]) {
        self.put(sink, kind);
        self.put(sink, &(bytes.len() as u64).to_le_bytes());
        self.put(sink, bytes);
    }

    fn finish(&mut self, sink: Sink) -> Digest {
        let [one, other] = &self.digester.0;
        let hashers = sink.hashers.unwrap_or_else(|| [one.build_hasher(), other.build_hasher()]);
        let digest = hashers.map(|mut hasher| {
            hasher.write(&self.buffer[sink.start..]);
            hasher.finish()
        });
        self.buffer.truncate(sink.start);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_pythons() {
        let digester = Digester::new();
        let read = |text: &str| digester.of(text.as_bytes());
        for (one, other) in [
            (" [1, 2.0 ,true] ", "[1.0,2,1]"),
            (r#"{"a":1,"b":[{}, []]}"#, r#"{ "b" : [ {} , [ ] ], "a" : 1.0 }"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"x:y":"{,"}"#, r#"{"x\u003ay":"{,"}"#),
            (r#"["]","\\"]"#, r#"["\u005d","\\"]"#),
            ("null", " null "),
            ("-0.0", "0"),
            ("1e40", &format!("{:.0}", 1e40_f64)),
        ] {
            assert_eq!(read(one), read(other), "{one}");
        }
        for (one, other) in [
            ("[1]", "[1,1]"),
            ("[[]]", "[]"),
            ("[[1],2]", "[1,[2]]"),
            (r#"{"a":1}"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
            ("\"1\"", "1"),
            ("null", "0"),
            ("[]", "{}"),
            (r#"["a","b"]"#, r#"["ab"]"#),
            (r#"{"a":"b"}"#, r#"[["a","b"]]"#),
        ] {
            assert_ne!(read(one), read(other), "{one}");
        }
        // Deep and broad: each byte is looked at once.
        let deep = format!("{}{}{}", "[".repeat(120), "1,".repeat(200_000) + "1", "]".repeat(120));
        assert_eq!(read(&deep), read(&deep));
        // What was not checked ends, too.
        for text in ["", "[", "{", "[1", "{\"a\"", "{\"a\":", "\"", "[,]", "]", "[}"] {
            let _ = read(text);
        }
    }
}
