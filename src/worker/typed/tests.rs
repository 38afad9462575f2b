//! What typed functions take and give, without processes.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::num::ParseIntError;

use serde::{Deserialize, Serialize};

use super::*;
use crate::worker::native::{Arguments, Raised};

fn call<M, F: Typed<M>>(
    function: F,
    names: Option<F::Names>,
    args: &[&str],
    keywords: Option<&str>,
) -> String {
    let positional: Vec<&[u8]> = args.iter().map(|argument| argument.as_bytes()).collect();
    let arguments = Arguments { positional: &positional, keywords: keywords.map(str::as_bytes), before: 0 };
    let mut output = Vec::new();
    match function.body(names)(arguments, &mut output) {
        Ok(()) => String::from_utf8(output).expect("JSON is UTF-8"),
        Err(Raised::Error { kind, message }) => format!("raised {kind}: {message}"),
        Err(Raised::InvalidArguments { message, path }) => format!("invalid {path}: {message}"),
        Err(Raised::NotJson { message, path }) => format!("not JSON {path}: {message}"),
        Err(other @ (Raised::TooLarge { .. } | Raised::CommandFailed { .. } | Raised::UnknownRef { .. })) => {
            format!("{other:?}")
        }
    }
}

fn apply<M, F: Typed<M>>(function: F, args: &[&str]) -> String {
    call(function, None, args, None)
}

#[derive(Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[test]
fn arguments_are_counted() {
    let add = |a: i64, b: i64| a + b;
    assert_eq!(apply(add, &["1", "2"]), "3");
    assert_eq!(apply(|| (), &[]), "null");
    assert_eq!(apply(add, &["1"]), "invalid $.args: argument 2 is missing");
    assert_eq!(
        apply(add, &["1", "2", "3"]),
        "invalid $.args: the function takes at most 2 arguments, 3 were given"
    );
    assert_eq!(call(add, None, &["1", "2"], Some("{}")), "3");
    let six = |a: u8, b: i128, c: f32, d: bool, e: char, f: Option<String>| (a, b, c, d, e, f);
    let max = i128::MAX.to_string();
    assert_eq!(
        apply(six, &["255", &max, "0.1", "true", "\"ä\"", "null"]),
        format!("[255,{max},0.1,true,\"ä\",null]")
    );
}

#[test]
fn names_are_places() {
    let pair = |a: i64, b: Option<i64>| [Some(a), b];
    let named = |args: &[&str], keywords: &str| call(pair, Some(["a", "b"]), args, Some(keywords));
    assert_eq!(named(&[], r#"{"b":2,"a":1}"#), "[1,2]");
    assert_eq!(named(&["1"], r#" {"b": 2} "#), "[1,2]");
    assert_eq!(named(&["1"], "{}"), "[1,null]");
    assert_eq!(named(&[], r#"{"b":2}"#), "invalid $.args: `a` is missing");
    assert_eq!(
        named(&["1"], r#"{"a":1}"#),
        "invalid $.kwargs.a: the argument is given twice: by position and by name"
    );
    assert_eq!(
        named(&["1"], r#"{"c d":1}"#),
        "invalid $.kwargs[\"c d\"]: the function has no parameter of this name"
    );
    assert!(named(&["1"], r#"{"b":"x"}"#).starts_with("invalid $.kwargs.b: invalid type: string \"x\""));
    assert!(named(&["true"], r#"{"b":2}"#).starts_with("invalid $.args[0]: invalid type: boolean `true`"));
    let unnamed = call(pair, None, &["1"], Some(r#"{"b":2}"#));
    assert_eq!(unnamed, "invalid $.kwargs.b: the function takes no keyword arguments");
}

#[test]
fn arguments_of_the_wrong_type_are_told_by_their_place() {
    let add = |a: i64, b: i64| a + b;
    assert_eq!(
        apply(add, &["1", "\"two\""]),
        "invalid $.args[1]: invalid type: string \"two\", expected i64"
    );
    assert_eq!(
        apply(add, &["1.5", "2"]),
        "invalid $.args[0]: invalid type: floating point `1.5`, expected i64"
    );
    assert!(apply(|n: u8| n, &["256"]).starts_with("invalid $.args[0]: invalid value: integer `256`"));
    assert_eq!(
        apply(|point: Point| point.x, &[r#"{"x":1,"z":2}"#]),
        "invalid $.args[0]: missing field `y` (the argument's line 1 column 13)"
    );
}

#[test]
fn errors_are_values() {
    let parse = |text: String| text.parse::<i64>();
    assert_eq!(apply(parse, &["\"12\""]), "12");
    assert_eq!(apply(parse, &["\"x\""]), "raised ParseIntError: invalid digit found in string");
    let texts = |ok: bool| if ok { Ok([1, 2]) } else { Err("no \"way\"".to_owned()) };
    assert_eq!(
        (apply(texts, &["true"]), apply(texts, &["false"])),
        ("[1,2]".into(), "raised String: no \"way\"".into())
    );
    let statics = || Err::<(), _>("static");
    assert_eq!(apply(statics, &[]), "raised str: static");
    let boxed = || -> Result<i64, Box<dyn Error + Send + Sync>> { Ok("x".parse::<i64>()?) };
    assert_eq!(apply(boxed, &[]), "raised Error: invalid digit found in string");
    let local = || -> Result<i64, Box<dyn Error>> { Err("local".into()) };
    assert_eq!(apply(local, &[]), "raised Error: local");
    let data = || Err::<i64, _>(Point { x: 1.0, y: 2.0 });
    assert_eq!(apply(data, &[]), r#"raised Point: {"x":1.0,"y":2.0}"#);
    let io = || std::fs::read_to_string("/nowhere/at/all").map(drop);
    assert!(apply(io, &[]).starts_with("raised Error: No such file or directory"));
}

#[test]
fn a_result_within_a_value_is_data() {
    let within = || vec![Ok(1), Err("x")];
    assert_eq!(apply(within, &[]), r#"[{"Ok":1},{"Err":"x"}]"#);
    let some = || Some(Err::<u8, _>("x"));
    assert_eq!(apply(some, &[]), r#"{"Err":"x"}"#);
    let twice = || Ok::<_, ParseIntError>(Err::<u8, _>("x"));
    assert_eq!(apply(twice, &[]), r#"{"Err":"x"}"#);
}

#[test]
fn numbers_that_json_has_not_are_told_by_their_place() {
    let nan = "the number NaN cannot be said in JSON";
    assert_eq!(apply(|| f64::NAN, &[]), format!("not JSON $: {nan}"));
    assert_eq!(apply(|| [1.0, f32::NAN], &[]), format!("not JSON $[1]: {nan}"));
    assert_eq!(apply(|| Ok::<_, String>((1, f64::NAN)), &[]), format!("not JSON $[1]: {nan}"));
    assert_eq!(apply(|| Ok::<_, ParseIntError>(Some(f64::NAN)), &[]), format!("not JSON $: {nan}"));
    let deep = || BTreeMap::from([("a b", vec![Point { x: 0.5, y: f64::INFINITY }])]);
    assert_eq!(apply(deep, &[]), "not JSON $[\"a b\"][0].y: the number inf cannot be said in JSON");
    let numbered = || HashMap::from([(7, f64::NAN)]);
    assert_eq!(apply(numbered, &[]), format!("not JSON $[\"7\"]: {nan}"));
    #[derive(Serialize)]
    enum Shape {
        Circle(f64),
        Box { width: f64 },
        Line(f64, f64),
        Unit,
    }
    assert_eq!(apply(|| [Shape::Unit, Shape::Circle(1.0)], &[]), r#"["Unit",{"Circle":1.0}]"#);
    assert_eq!(apply(|| Shape::Circle(f64::NAN), &[]), format!("not JSON $.Circle: {nan}"));
    assert_eq!(apply(|| Shape::Box { width: f64::NAN }, &[]), format!("not JSON $.width: {nan}"));
    assert_eq!(apply(|| Shape::Line(1.0, f64::NAN), &[]), format!("not JSON $[1]: {nan}"));
}

#[test]
fn keys_that_are_no_texts_are_told() {
    let keyed = || vec![BTreeMap::from([([1, 2], 3)])];
    assert_eq!(apply(keyed, &[]), "not JSON $[0]: key must be a string");
    assert_eq!(apply(|| BTreeMap::from([(1, true)]), &[]), r#"{"1":true}"#);
}

#[test]
fn what_serde_json_has_of_its_own_passes() {
    let raw = || serde_json::value::RawValue::from_string("[1, 2]".into()).expect("JSON");
    assert_eq!(apply(raw, &[]), "[1, 2]");
    let echo = |value: serde_json::Value| value;
    assert_eq!(apply(echo, &[r#"{"a":[1,null,"x",0.5]}"#]), r#"{"a":[1,null,"x",0.5]}"#);
    assert_eq!(apply(echo, &[]), "invalid $.args: argument 1 is missing");
}

#[test]
fn bytes_travel_wrapped() {
    let reverse = |bytes: Bytes| Bytes(bytes.0.into_iter().rev().collect());
    assert_eq!(apply(reverse, &[r#"{"$bytes":"AAEC"}"#]), r#"{"$bytes":"AgEA"}"#);
    for wrong in [r#""AAEC""#, "{}", r#"{"$bytes":"?"}"#, r#"{"$bytes":"AAEC","a":1}"#, r#"{"a":"AAEC"}"#] {
        assert!(apply(reverse, &[wrong]).starts_with("invalid $.args[0]: "), "{wrong}");
    }
    assert_eq!(apply(|all: Vec<Bytes>| all.len(), &[r#"[{"$bytes":""}]"#]), "1");
}

#[test]
fn signatures_say_types() {
    fn of<M, F: Typed<M>>(_: &F, names: Option<&[&str]>) -> String {
        signature::<M, F>(names)
    }
    let pair = |_: Vec<Point>, _: Option<u32>| Point { x: 0.0, y: 0.0 };
    assert_eq!(of(&pair, None), "(Vec<Point>, Option<u32>) -> Point");
    assert_eq!(of(&pair, Some(&["points", "size"])), "(points: Vec<Point>, size: Option<u32>) -> Point");
    assert_eq!(of(&|| (), None), "()");
    assert_eq!(of(&|text: String| text.parse::<f64>(), None), "(String) -> Result<f64, ParseFloatError>");
}

#[test]
fn what_is_yielded_is_a_list() {
    assert_eq!(apply(|n: u8| Yielded(0..n), &["3"]), "[0,1,2]");
    assert_eq!(apply(|n: u8| Yielded(vec!["a"; n.into()]), &["0"]), "[]");
    let parsed = |texts: Vec<String>| Yielded(texts.into_iter().map(|text| text.parse::<u8>()));
    assert_eq!(apply(parsed, &[r#"["1","2"]"#]), "[1,2]");
    assert_eq!(apply(parsed, &[r#"["1","x"]"#]), "raised ParseIntError: invalid digit found in string");
    let odd = || Yielded([Point { x: 1.0, y: 1.0 }, Point { x: 1.0, y: f64::NAN }]);
    assert!(apply(odd, &[]).starts_with("not JSON $[1].y: "), "{}", apply(odd, &[]));
    let may = |text: String| text.parse::<u8>().map(|n| Yielded(0..n));
    assert_eq!(apply(may, &["\"2\""]), "[0,1]");
    assert_eq!(apply(may, &["\"x\""]), "raised ParseIntError: invalid digit found in string");
    assert_eq!(signature(&may), "(String) -> Vec<u8>");
    let schema = schema_of(&may);
    assert_eq!((&schema["type"], &schema["items"]["maximum"]), (&"array".into(), &255.into()), "{schema}");

    fn signature<M, F: Typed<M>>(_: &F) -> String {
        super::signature::<M, F>(None)
    }
    fn schema_of<M, F: Described<M>>(_: &F) -> serde_json::Value {
        F::schemas().1.to_value()
    }
}
