//! Whether values are equal, as Python decides it, without building them: equal ones have the same digest.
//!
//! A value may have as many parts as a body has bytes, and a list as many such values. A digest is read off the text in
//! one pass and keeps nothing but the members of the objects that it is in.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::value::{Reader, Value};

/// Of 128 bits under a key of its own: nobody can look for two values that share one.
pub(in crate::objects) type Digest = [u64; 2];

/// What makes digests; those of one can be compared.
#[derive(Debug)]
pub(in crate::objects) struct Digester([RandomState; 2]);

impl Digester {
    pub fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    /// Of a checked text.
    pub fn of(&self, text: &[u8]) -> Digest {
        self.read(&mut Reader::of(text))
    }

    /// Recursion ends with the depth that arguments may have.
    fn read(&self, reader: &mut Reader<'_>) -> Digest {
        match reader.peek() {
            Some(b'[') => {
                let mut hashers = [0, 1].map(|at| self.0[at].build_hasher());
                let mut count = 0_u64;
                while reader.is_more(b']') {
                    let item = self.read(reader);
                    hashers.iter_mut().for_each(|hasher| item.hash(hasher));
                    count += 1;
                }
                hashers.map(|mut hasher| {
                    ("list", count).hash(&mut hasher);
                    hasher.finish()
                })
            }
            Some(b'{') => self.dict(reader),
            _ => match reader.value() {
                Value::None => self.hash(&"None"),
                Value::Number { number, .. } => self.hash(&("number", number)),
                Value::Text(text) => self.hash(&("str", text)),
                // Those begin otherwise.
                Value::List(_) | Value::Dict(_) => self.hash(&""),
            },
        }
    }

    fn dict(&self, reader: &mut Reader<'_>) -> Digest {
        let mut members = Vec::new();
        while reader.is_more(b'}') {
            let name = reader.string();
            reader.colon();
            members.push((self.hash(&name), self.read(reader)));
        }
        // Of a name that stands twice the last value counts.
        members.reverse();
        members.sort_by_key(|member| member.0);
        members.dedup_by_key(|member| member.0);
        self.hash(&("dict", members))
    }

    fn hash(&self, value: &impl Hash) -> Digest {
        [0, 1].map(|at| self.0[at].hash_one(value))
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
