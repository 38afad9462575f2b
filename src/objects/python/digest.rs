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
pub(in crate::objects) enum Wanted {
    Scalar(Value),
    Composed(Digester, Digest),
}

impl Wanted {
    /// A checked text.
    pub fn read(text: &[u8]) -> Self {
        match Value::shallow(text) {
            Value::List(_) | Value::Dict(_) => {
                let digester = Digester::new();
                let digest = digester.of(text);
                Self::Composed(digester, digest)
            }
            scalar @ (Value::None | Value::Number { .. } | Value::Text(_)) => Self::Scalar(scalar),
        }
    }

    /// Whether a checked text is of an equal value.
    pub fn is(&self, text: &[u8]) -> bool {
        let is_composed = matches!(Reader::of(text).peek(), Some(b'[' | b'{'));
        match self {
            Self::Scalar(scalar) => !is_composed && Value::read(text) == *scalar,
            Self::Composed(digester, digest) => is_composed && digester.of(text) == *digest,
        }
    }
}

impl Digester {
    fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    /// Of a checked text.
    fn of(&self, text: &[u8]) -> Digest {
        let mut sink = self.sink();
        self.read(&mut Reader::of(text), &mut sink);
        sink.finish()
    }

    fn sink(&self) -> Sink {
        Sink { hashers: [0, 1].map(|at| self.0[at].build_hasher()), buffer: Vec::new() }
    }

    /// Writes a value so that equal ones are the same bytes, and none begins as another one does. Recursion ends with
    /// the depth that arguments may have.
    fn read(&self, reader: &mut Reader<'_>, sink: &mut Sink) {
        match reader.peek() {
            Some(b'[') => {
                sink.put(b"[");
                while reader.is_more(b']') {
                    self.read(reader, sink);
                }
                sink.put(b"]");
            }
            Some(b'{') => self.read_dict(reader, sink),
            _ => match reader.value() {
                // Lists and dicts begin otherwise.
                Value::None | Value::List(_) | Value::Dict(_) => sink.put(b"n"),
                Value::Text(text) => sink.put_counted(b"s", &text),
                Value::Number { number: Number::Small(number), .. } => {
                    sink.put(b"i");
                    sink.put(&number.to_le_bytes());
                }
                Value::Number { number: Number::Broken(bits), .. } => {
                    sink.put(b"f");
                    sink.put(&bits.to_le_bytes());
                }
                Value::Number { number: Number::Large(negative, digits), .. } => {
                    sink.put_counted(if negative { b"-" } else { b"+" }, digits.as_bytes());
                }
            },
        }
    }

    fn read_dict(&self, reader: &mut Reader<'_>, sink: &mut Sink) {
        let mut members = Vec::new();
        while reader.is_more(b'}') {
            let (mut name, mut value) = (self.sink(), self.sink());
            name.put(&reader.string());
            reader.colon();
            self.read(reader, &mut value);
            members.push((name.finish(), value.finish()));
        }
        // Of a name that stands twice the last value counts.
        members.reverse();
        members.sort_by_key(|member| member.0);
        members.dedup_by_key(|member| member.0);
        sink.put(b"{");
        sink.put(&(members.len() as u64).to_le_bytes());
        for (name, value) in members {
            for half in name.into_iter().chain(value) {
                sink.put(&half.to_le_bytes());
            }
        }
    }
}

/// Bytes on their way into two hashes.
#[derive(Debug)]
struct Sink {
    hashers: [DefaultHasher; 2],
    buffer: Vec<u8>,
}

impl Sink {
    fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush();
        }
        if bytes.len() > BUFFER_BYTES {
            self.hashers.iter_mut().for_each(|hasher| hasher.write(bytes));
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn put_counted(&mut self, kind: &[u8], bytes: &[u8]) {
        self.put(kind);
        self.put(&(bytes.len() as u64).to_le_bytes());
        self.put(bytes);
    }

    fn flush(&mut self) {
        self.hashers.iter_mut().for_each(|hasher| hasher.write(&self.buffer));
        self.buffer.clear();
    }

    fn finish(mut self) -> Digest {
        self.flush();
        self.hashers.map(|hasher| hasher.finish())
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
