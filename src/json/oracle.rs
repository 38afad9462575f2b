//! Random texts: the scanner must take, refuse and cut exactly as `serde_json` does. It is never used
//! outside of tests here.
//!
//! The two differ in two points, which the comparison knows: range (`serde_json` does not look at numbers
//! that it skips) and depth (unlimited there, so the limit here is set out of reach). Lone surrogates pass
//! both.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{EnvelopeError, Kind, Reason, Splitter, check, elements, envelope};

const DEPTH_MAX: usize = usize::MAX;
const CASES: u32 = 200;

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 3 => Just(" "), 1 => Just("\n\t  "), 1 => Just("\r\n")]
}

fn integer() -> impl Strategy<Value = String> {
    any::<i16>().prop_map(|n| n.to_string())
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => integer(),
        2 => any::<i128>().prop_map(|n| n.to_string()),
        2 => any::<f32>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| f.to_string()),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        1 => "-?[1-9][0-9]{290,320}",
    ]
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "\"[a-z ,:\\[\\]{}]{0,20}\"",
        "\"([a-z]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}|\\\\u[dD][89a-f][0-9]{2}|é|多|😀){0,30}\"",
        "\"[ -!#-\\[\\]-~]{0,300}\"",
    ]
}

/// A correct text (but for the range of numbers), with white space anywhere.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => number(),
        3 => string(),
        1 => prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned),
        1 => integers(),
    ];
    let spaced = |(before, text, after): (&str, String, &str)| format!("{before}{text}{after}");
    leaf.prop_recursive(5, 80, 10, move |inner| {
        let value = (space(), inner, space()).prop_map(spaced).boxed();
        let name = (space(), string(), space()).prop_map(spaced);
        let member = (name, value.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            (space(), vec(value, 0..10)).prop_map(|(space, all)| format!("[{space}{}]", all.join(","))),
            (space(), vec(member, 0..10)).prop_map(|(space, all)| format!("{{{space}{}}}", all.join(","))),
        ]
    })
}

/// An array of integers, long enough to be checked in blocks.
fn integers() -> impl Strategy<Value = String> {
    let comma = prop_oneof![4 => Just(","), 4 => Just(", "), 1 => Just(" ,"), 1 => Just(",\n  ")];
    let integer =
        prop_oneof![any::<i8>().prop_map(i64::from), any::<i32>().prop_map(i64::from), any::<i64>()];
    (comma, vec(integer, 0..200)).prop_map(|(comma, integers)| {
        let all: Vec<String> = integers.iter().map(i64::to_string).collect();
        format!("[{}]", all.join(comma))
    })
}

/// One change of one byte: replace, insert, remove, cut off.
fn mutation() -> impl Strategy<Value = (u8, prop::sample::Index, u8)> {
    let byte = prop_oneof![
        6 => prop::sample::select(b"[]{}\",:-+.eE0019 \\u\n".to_vec()),
        1 => any::<u8>(),
    ];
    (0..10_u8, any::<prop::sample::Index>(), byte)
}

fn mutated(text: String, mutations: &[(u8, prop::sample::Index, u8)]) -> Vec<u8> {
    let mut text = text.into_bytes();
    for (how, index, byte) in mutations {
        let at = index.index(text.len() + 1);
        match how {
            0..4 if at < text.len() => text[at] = *byte,
            4..7 if at < text.len() => drop(text.remove(at)),
            7 => text.truncate(at),
            _ => text.insert(at, *byte),
        }
    }
    text
}

/// The members of an object, as `serde_json` gives them to a visitor, repeated names too.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Panics unless both judge alike.
fn compare(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    let theirs = serde_json::from_slice::<&RawValue>(text);
    let shape = match check(text, DEPTH_MAX) {
        Ok(shape) => shape,
        Err(error) if error.reason == Reason::NumberOutOfRange => {
            let rest = &shown[error.offset..];
            let end = rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len());
            let number = (1..=end).rev().find_map(|end| rest[..end].parse::<f64>().ok());
            assert!(number.is_some_and(f64::is_infinite), "{shown}: {error}");
            return;
        }
        Err(error) => {
            assert!(error.offset <= text.len());
            assert!(theirs.is_err(), "{shown}: {error}, but serde_json takes it");
            assert_eq!(envelope(text, DEPTH_MAX), Err(EnvelopeError::Scan(error)));
            return;
        }
    };
    let theirs = theirs.unwrap_or_else(|error| panic!("{shown}: passed, but serde_json says {error}"));
    assert_eq!(theirs.get().as_bytes(), &text[shape.start..shape.end]);
    match shape.kind {
        Kind::Array => compare_elements(text, shape.elements),
        Kind::Object => compare_members(text, shape.elements),
        Kind::Null | Kind::Bool | Kind::Number | Kind::String => assert_eq!(shape.elements, 0),
    }
}

fn compare_elements(text: &[u8], count: usize) {
    let theirs: Vec<&RawValue> = serde_json::from_slice(text).expect("an array");
    assert_eq!(theirs.len(), count);
    assert!(elements(text).eq(theirs.iter().map(|raw| raw.get().as_bytes())));
    assert_eq!(envelope(text, DEPTH_MAX), Err(EnvelopeError::NotAnObject));
}

fn compare_members(text: &[u8], count: usize) {
    // Names with a lone surrogate are an error there: nothing to compare with.
    let Ok(Members(theirs)) = serde_json::from_slice(text) else {
        return;
    };
    assert_eq!(theirs.len(), count);
    let mut names: Vec<&String> = theirs.iter().map(|(name, _)| name).collect();
    names.sort();
    let repeated = names.windows(2).any(|pair| pair[0] == pair[1]);
    match envelope(text, DEPTH_MAX) {
        Ok(ours) => {
            assert!(!repeated);
            let ours = ours.iter().map(|m| (m.name.as_bytes(), &text[m.range.clone()]));
            assert!(ours.eq(theirs.iter().map(|(name, raw)| (name.as_bytes(), raw.get().as_bytes()))));
        }
        Err(EnvelopeError::Duplicate { .. }) => assert!(repeated),
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn judges_correct_texts_alike(text in json()) {
        compare(text.as_bytes());
    }

    #[test]
    fn judges_spoilt_texts_alike(text in json(), mutations in vec(mutation(), 1..4)) {
        compare(&mutated(text, &mutations));
    }

    #[test]
    fn judges_spoilt_integers_alike(text in integers(), mutations in vec(mutation(), 1..3)) {
        compare(&mutated(text, &mutations));
    }

    #[test]
    fn judges_random_bytes_alike(text in vec(any::<u8>(), 0..20)) {
        compare(&text);
    }

    #[test]
    fn chunks_hold_all_elements_in_order(
        values in vec(prop_oneof![80 => integer(), 4 => string(), 1 => json()], 0..100),
        comma in prop_oneof![Just(","), Just(" , ")],
        sizes in vec(prop_oneof![1..5_usize, 1..200_usize], 1..6),
    ) {
        let array = Bytes::from(format!("[{}]", values.join(comma)));
        let mut splitter = Splitter::new(array.clone());
        let mut sizes = sizes.iter().cycle();
        let mut seen = 0;
        while let Some((chunk, count)) = sizes.next().and_then(|&n| splitter.next_chunk(n)) {
            let expected = values[seen..seen + count].join(comma);
            prop_assert_eq!(chunk.as_ref(), expected.as_bytes());
            seen += count;
        }
        prop_assert_eq!(seen, values.len());
        prop_assert!(elements(&array).eq(values.iter().map(String::as_bytes)));
    }

    #[test]
    fn chunks_of_unchecked_bytes_end(
        text in vec(prop::sample::select(b"[]{}\"\\,1 ".to_vec()), 0..200),
        n in 0..9_usize,
    ) {
        let text = [b"[".as_slice(), &text, b"]"].concat();
        let mut splitter = Splitter::new(Bytes::from(text.clone()));
        let chunks = std::iter::from_fn(|| splitter.next_chunk(n)).take(text.len() + 1).count();
        prop_assert!(chunks <= text.len());
        prop_assert!(elements(&text).take(text.len() + 1).count() <= text.len());
    }
}
