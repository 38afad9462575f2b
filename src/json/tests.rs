//! Corner cases by hand: what is taken, what is refused, where and why.

use bytes::Bytes;

use super::{
    EnvelopeError, Kind, MEMBERS_MAX, Reason, ScanError, Shape, Splitter, check, check_grammar, elements,
    envelope,
};

const DEPTH_MAX: usize = 128;

fn refused(text: &[u8]) -> (usize, Reason) {
    match check(text, DEPTH_MAX) {
        Ok(shape) => panic!("{:?} passed as {shape:?}", String::from_utf8_lossy(text)),
        Err(ScanError { offset, reason }) => (offset, reason),
    }
}

#[test]
fn takes_every_kind_and_says_where_it_stands() {
    let table: &[(&str, usize, usize, Kind, usize)] = &[
        ("null", 0, 4, Kind::Null, 0),
        (" true\n", 1, 5, Kind::Bool, 0),
        ("\r\tfalse", 2, 7, Kind::Bool, 0),
        ("0", 0, 1, Kind::Number, 0),
        ("-0.0e-0", 0, 7, Kind::Number, 0),
        (" \"[1,2]\" ", 1, 8, Kind::String, 0),
        ("[]", 0, 2, Kind::Array, 0),
        (" [ ] ", 1, 4, Kind::Array, 0),
        ("[[1,2],[3],4]", 0, 13, Kind::Array, 3),
        ("{}", 0, 2, Kind::Object, 0),
        ("{ \"a\" : [1,2] , \"b\" : { \"c\" : 1 } }", 0, 35, Kind::Object, 2),
    ];
    for &(text, start, end, kind, elements) in table {
        let shape = Shape { start, end, kind, elements };
        assert_eq!(check(text.as_bytes(), DEPTH_MAX), Ok(shape), "{text:?}");
    }
}

#[test]
fn the_grammar_alone_has_no_limits() {
    let deep = ["[".repeat(5_000), "]".repeat(5_000)].concat();
    for text in ["1e999", "[-1e309,{\"x\":2e400}]", &"9".repeat(400), &deep] {
        assert!(check(text.as_bytes(), DEPTH_MAX).is_err(), "{text}");
        assert!(check_grammar(text.as_bytes()).is_ok(), "{text}");
    }
    for text in ["", "[1e99", "01", "1e", "[1,]", "{1:2}", "\"\u{1}\"", "1 2"] {
        assert_eq!(check_grammar(text.as_bytes()), check(text.as_bytes(), usize::MAX), "{text}");
        assert!(check_grammar(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn takes_unusual_but_correct_texts() {
    let table = [
        r#""\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00""#,
        r#""\ud800""#,
        r#""\uDC00\uD800""#,
        "\"\u{7f}\u{2028}\u{feff}\u{10ffff}\"",
        r#"{"":0}"#,
        r#"{"a":1,"a":2}"#,
        "123456789012345678901234567890123456789012345678901234567890",
        "1.7976931348623157e308",
        "-1E+2",
        "0e999999999999999999999",
        "1e-999999999999999999999",
        "0.00000000000000000000000000000000000000001",
        "[0,-0,0.5,-1,10,100, 7,-7]",
    ];
    for text in table {
        let taken = check(text.as_bytes(), DEPTH_MAX);
        assert!(taken.is_ok(), "{text:?}: {taken:?}");
    }
}

#[test]
fn refuses_with_reason_and_offset() {
    let value = Reason::Unexpected { expected: "a value" };
    let name = Reason::Unexpected { expected: "a name in quotes" };
    let array = Reason::Unexpected { expected: "`,` or `]`" };
    let object = Reason::Unexpected { expected: "`,` or `}`" };
    let colon = Reason::Unexpected { expected: "`:`" };
    let table: &[(&[u8], usize, Reason)] = &[
        (b"", 0, Reason::Empty),
        (b" \n", 2, Reason::Empty),
        (b"\xef\xbb\xbf1", 0, Reason::ByteOrderMark),
        (b"[1,\"\xff\"]", 4, Reason::InvalidUtf8),
        (b"\"\xed\xa0\x80\"", 1, Reason::InvalidUtf8),
        (b"\"\xc0\x80\"", 1, Reason::InvalidUtf8),
        (b"]", 0, value),
        (b"NaN", 0, value),
        (b"+1", 0, value),
        (b".5", 0, value),
        (b"'a'", 0, value),
        (b"\0", 0, value),
        (b"nulL", 3, Reason::Unexpected { expected: "`null`" }),
        (b"tr e", 2, Reason::Unexpected { expected: "`true`" }),
        (b"False", 0, value),
        (b"[1,]", 3, value),
        (b"[,1]", 1, value),
        (b"[1 2]", 3, array),
        (b"[1}", 2, array),
        (b"[\x0c1]", 1, value),
        ("[1,\u{a0}2]".as_bytes(), 3, value),
        (b"{\"a\":1]", 6, object),
        (b"{\"a\":1,}", 7, name),
        (b"{a:1}", 1, name),
        (b"{1:1}", 1, name),
        (b"{\"a\" 1}", 5, colon),
        (b"{\"a\":}", 5, value),
        (b"1 2", 2, Reason::TrailingCharacters),
        (b"[]]", 2, Reason::TrailingCharacters),
        (b"1x", 1, Reason::TrailingCharacters),
        (b"\"a\nb\"", 2, Reason::ControlCharacter),
        (b"\"\x1f\"", 1, Reason::ControlCharacter),
        (b"\"a\\x\"", 2, Reason::InvalidEscape),
        (b"\"\\u00g0\"", 1, Reason::InvalidEscape),
        (b"\"\\u12\"", 1, Reason::InvalidEscape),
        (b"\"\\\n\"", 1, Reason::InvalidEscape),
        (b"01", 1, Reason::InvalidNumber),
        (b"-01", 2, Reason::InvalidNumber),
        (b"[-]", 2, Reason::InvalidNumber),
        (b"-Infinity", 1, Reason::InvalidNumber),
        (b"[1.]", 3, Reason::InvalidNumber),
        (b"[1.e1]", 3, Reason::InvalidNumber),
        (b"[1e]", 3, Reason::InvalidNumber),
        (b"[1e+]", 4, Reason::InvalidNumber),
        (b"[0x10]", 2, array),
        (b"[1.2.3]", 4, array),
        (b"[0,1e400]", 3, Reason::NumberOutOfRange),
        (b"-1.8e308", 0, Reason::NumberOutOfRange),
        (b"1e99999999999999999999", 0, Reason::NumberOutOfRange),
    ];
    for &(text, offset, reason) in table {
        assert_eq!(refused(text), (offset, reason), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn every_text_that_breaks_off_says_so_at_its_end() {
    let whole = r#"{"a":[1.5e+3,-2,"x\n\u00e9",true,false,null,{"b":[]}]}"#;
    assert!(check(whole.as_bytes(), DEPTH_MAX).is_ok());
    for end in 1..whole.len() {
        let (offset, reason) = refused(&whole.as_bytes()[..end]);
        assert_eq!(offset, end);
        assert!(matches!(reason, Reason::UnexpectedEnd { .. }), "{end}: {reason:?}");
    }
}

#[test]
fn errors_read_as_sentences() {
    let said = |text: &str| check(text.as_bytes(), 2).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(said("[1 2]"), Err("expected `,` or `]` at byte 3".to_owned()));
    assert_eq!(said("[1"), Err("expected `,` or `]`, but the text ends at byte 2".to_owned()));
    assert_eq!(said("[[[1]]]"), Err("more than 2 nested arrays and objects at byte 2".to_owned()));
}

#[test]
fn long_integers_pass_until_a_double_cannot_hold_them() {
    for digits in [40, 299, 300, 301, 308] {
        assert!(check("9".repeat(digits).as_bytes(), 0).is_ok(), "{digits} digits");
        assert!(check(format!("-{}.{}", "9".repeat(digits), "9".repeat(500)).as_bytes(), 0).is_ok());
    }
    assert!(check(format!("1{}", "0".repeat(308)).as_bytes(), 0).is_ok());
    for text in ["9".repeat(309), format!("1{}.5", "0".repeat(309)), format!("-{}", "1".repeat(400))] {
        assert_eq!(refused(text.as_bytes()), (0, Reason::NumberOutOfRange));
    }
    assert!(check(format!("{}e-200", "1".repeat(400)).as_bytes(), 0).is_ok());
}

#[test]
fn a_long_integer_among_many_short_ones_is_found() {
    let many = "1234567,".repeat(40);
    assert!(check(format!("[{many}{},{many}0]", "9".repeat(308)).as_bytes(), 1).is_ok());
    let text = format!("[{many}{},{many}0]", "9".repeat(400));
    assert_eq!(refused(text.as_bytes()), (1 + many.len(), Reason::NumberOutOfRange));
}

#[test]
fn depth_counts_arrays_and_objects_and_never_recurses() {
    let nested = |open: &str, close: &str, n: usize| open.repeat(n) + "1" + &close.repeat(n);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        assert!(check(nested(open, close, DEPTH_MAX).as_bytes(), DEPTH_MAX).is_ok());
        let offset = open.len() * DEPTH_MAX;
        let reason = Reason::TooDeep { depth_max: DEPTH_MAX };
        assert_eq!(refused(nested(open, close, DEPTH_MAX + 1).as_bytes()), (offset, reason));
        assert_eq!(refused(open.repeat(100_000).as_bytes()), (offset, reason));
    }
    let mixed = nested("[{\"a\":[0,{\"b\":", "}]}]", 1_000);
    assert!(check(mixed.as_bytes(), 4_000).is_ok());
    assert!(check(mixed.as_bytes(), 3_999).is_err());
    assert!(check(mixed.replacen("}]}]", "]}}]", 1).as_bytes(), 4_000).is_err());
    assert!(check(b"1", 0).is_ok());
    assert_eq!(check(b"[]", 0), Err(ScanError { offset: 0, reason: Reason::TooDeep { depth_max: 0 } }));
    assert!(envelope(b"{\"a\":[1]}", 2).is_ok());
    let too_deep = ScanError { offset: 5, reason: Reason::TooDeep { depth_max: 1 } };
    assert_eq!(envelope(b"{\"a\":[1]}", 1), Err(too_deep.into()));
}

#[test]
fn an_envelope_gives_its_members_in_order() {
    let text =
        br#" {"function" : "f","args":[1, [2,3]],"kw\u0061rgs":{"x":1},"\ud83d\ude00\n\"\ud800":null } "#;
    let members = envelope(text, DEPTH_MAX).expect("an envelope");
    let seen: Vec<_> =
        members.iter().map(|m| (&*m.name, &text[m.range.clone()], m.kind, m.elements)).collect();
    let expected: Vec<(&str, &[u8], Kind, usize)> = vec![
        ("function", b"\"f\"", Kind::String, 0),
        ("args", b"[1, [2,3]]", Kind::Array, 2),
        ("kwargs", b"{\"x\":1}", Kind::Object, 1),
        ("\u{1f600}\n\"\u{fffd}", b"null", Kind::Null, 0),
    ];
    assert_eq!(seen, expected);
    assert_eq!(envelope(b"{}", 1), Ok(vec![]));
}

#[test]
fn an_envelope_refuses_what_is_none() {
    let duplicate = |name: &str| EnvelopeError::Duplicate { name: name.to_owned() };
    let table: &[(&[u8], EnvelopeError)] = &[
        (b"[1]", EnvelopeError::NotAnObject),
        (b" 1 ", EnvelopeError::NotAnObject),
        (b"[1", ScanError { offset: 2, reason: Reason::UnexpectedEnd { expected: "`,` or `]`" } }.into()),
        (b"1 1", ScanError { offset: 2, reason: Reason::TrailingCharacters }.into()),
        (b"{} 1", ScanError { offset: 3, reason: Reason::TrailingCharacters }.into()),
        (
            b"{\"a\":1",
            ScanError { offset: 6, reason: Reason::UnexpectedEnd { expected: "`,` or `}`" } }.into(),
        ),
        (b"{\"a\":1,\"b\":2,\"a\":3}", duplicate("a")),
        (b"{\"a\":1,\"\\u0061\":2}", duplicate("a")),
        (b"{\"\\/\":1,\"/\":2}", duplicate("/")),
    ];
    for (text, error) in table {
        assert_eq!(envelope(text, DEPTH_MAX).as_ref(), Err(error), "{:?}", String::from_utf8_lossy(text));
    }
    let long = "x".repeat(1_000);
    let text = format!("{{\"{long}\":1,\"{long}\":2}}");
    assert_eq!(envelope(text.as_bytes(), 1), Err(duplicate(&long[..128])));
}

#[test]
fn an_envelope_of_many_members_is_checked_and_bounded() {
    let many = |n: usize| (0..n).map(|i| format!("\"m{i}\":{i}")).collect::<Vec<_>>().join(",");
    let count = |text: String| envelope(text.as_bytes(), 1).map(|members| members.len());
    assert_eq!(count(format!("{{{}}}", many(MEMBERS_MAX))), Ok(MEMBERS_MAX));
    let twice = EnvelopeError::Duplicate { name: "m7".to_owned() };
    assert_eq!(count(format!("{{{},\"m7\":1}}", many(100))), Err(twice));
    let reason = Reason::TooManyMembers { members_max: MEMBERS_MAX };
    let offset = 2 + many(MEMBERS_MAX).len();
    assert_eq!(count(format!("{{{}}}", many(MEMBERS_MAX + 1))), Err(ScanError { offset, reason }.into()));
}

#[test]
fn a_splitter_cuts_between_elements() {
    let array = Bytes::from_static(b" [ 1 , [2,\"]\"] ,{\"a\":[3,4]}, \"x,\\\"],\" ,5 ] ");
    let chunks = |n: usize| {
        let mut splitter = Splitter::new(array.clone());
        let mut chunks = Vec::new();
        while let Some((chunk, count)) = splitter.next_chunk(n) {
            assert!(array.as_ptr_range().contains(&chunk.as_ptr()), "a chunk is a slice, not a copy");
            chunks.push((String::from_utf8_lossy(&chunk).into_owned(), count));
        }
        assert_eq!(splitter.next_chunk(n), None);
        chunks
    };
    let owned = |chunks: &[(&str, usize)]| chunks.iter().map(|&(c, n)| (c.to_owned(), n)).collect::<Vec<_>>();
    let all = "1 , [2,\"]\"] ,{\"a\":[3,4]}, \"x,\\\"],\" ,5";
    assert_eq!(chunks(5), owned(&[(all, 5)]));
    assert_eq!(chunks(usize::MAX), owned(&[(all, 5)]));
    assert_eq!(chunks(2), owned(&[("1 , [2,\"]\"]", 2), ("{\"a\":[3,4]}, \"x,\\\"],\"", 2), ("5", 1)]));
    assert_eq!(chunks(0), chunks(1));
    assert_eq!(elements(&array).count(), 5);
    for empty in ["[]", " [ \n ] ", "", "1", "[", "]"] {
        assert_eq!(Splitter::new(Bytes::from(empty)).next_chunk(3), None, "{empty:?}");
        assert_eq!(elements(empty.as_bytes()).next(), None, "{empty:?}");
    }
}
