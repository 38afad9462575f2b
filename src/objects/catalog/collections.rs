//! The Manager's dicts, lists and namespaces.

use super::{Answer, KindSpec, Method, Param, ParamType, TOO_LARGE};
use crate::objects::address::Kind;
use crate::objects::error::ErrorCode;

const KEY: Param = Param::new(
    "key",
    ParamType::Any,
    "A string, number, truth or null; 1, 1.0 and true are the same key, \"1\" is another.",
)
.required();
const DEFAULT: Param =
    Param::new("default", ParamType::Any, "The answer when the key is not there; null if left out.");
const NO_KEY: (ErrorCode, &str) =
    (ErrorCode::MethodRaised, "the key is not there (KeyError), or can't be one (TypeError)");
const BAD_KEY: (ErrorCode, &str) = (ErrorCode::MethodRaised, "an array or object can't be a key (TypeError)");

pub(super) static DICTS: KindSpec = KindSpec {
    kind: Kind::Dicts,
    about: "`Manager().dict`. Its content is a list of pairs, so that keys keep their types.",
    constructor: &[Param::new(
        "items",
        ParamType::Pairs,
        "Pairs of key and value at first; an object for string keys.",
    )],
    made: r#"{"items":[[1,"1"],["2",2]]}"#,
    shown: r#"{"name":"d","length":3,"items":[[1,"1"],["2",2],[0.25,null]]}"#,
    methods: &[
        Method::new("__contains__", "Whether the key is there.", Answer::Bool)
            .params(&[KEY])
            .example(r#"{"key":1}"#, "true")
            .errors(&[BAD_KEY]),
        Method::new("__delitem__", "Removes a key.", Answer::Null)
            .params(&[KEY])
            .example(r#"{"key":1}"#, "null")
            .errors(&[NO_KEY]),
        Method::new("__getitem__", "The value of a key.", Answer::Any)
            .params(&[KEY])
            .example(r#"{"key":1}"#, r#""1""#)
            .errors(&[NO_KEY]),
        Method::new("__iter__", "The keys, in order.", Answer::List)
            .example("", r#"[1,"2",0.25]"#)
            .errors(&[TOO_LARGE]),
        Method::new("__len__", "How many keys there are.", Answer::Integer).example("", "3"),
        Method::new("__setitem__", "Sets the value of a key.", Answer::Null)
            .params(&[KEY, Param::new("value", ParamType::Any, "Its value.").required()])
            .example(r#"{"key":0.25,"value":null}"#, "null")
            .errors(&[BAD_KEY])
            .allocates(),
        Method::new("clear", "Removes everything.", Answer::Null),
        Method::new("copy", "The content as pairs.", Answer::Pairs)
            .example("", r#"[[1,"1"],["2",2]]"#)
            .errors(&[TOO_LARGE]),
        Method::new("get", "The value of a key, or the default.", Answer::Any)
            .params(&[KEY, DEFAULT])
            .example(r#"{"key":9,"default":0}"#, "0")
            .errors(&[BAD_KEY]),
        Method::new("items", "The content as pairs.", Answer::Pairs)
            .example("", r#"[[1,"1"],["2",2]]"#)
            .errors(&[TOO_LARGE]),
        Method::new("keys", "The keys, in order.", Answer::List)
            .example("", r#"[1,"2",0.25]"#)
            .errors(&[TOO_LARGE]),
        Method::new("pop", "Removes a key: its value, or the default.", Answer::Any)
            .params(&[
                KEY,
                Param::new(
                    "default",
                    ParamType::Any,
                    "The answer when the key is not there; if left out, KeyError.",
                ),
            ])
            .example(r#"{"key":1}"#, r#""1""#)
            .errors(&[NO_KEY]),
        Method::new("popitem", "Removes the last pair, and answers it.", Answer::List)
            .example("", "[0.25,null]")
            .errors(&[(ErrorCode::MethodRaised, "it is empty (KeyError)")]),
        Method::new(
            "setdefault",
            "The value of a key, which is set to the default if it is not there.",
            Answer::Any,
        )
        .params(&[KEY, DEFAULT])
        .example(r#"{"key":9,"default":[]}"#, "[]")
        .errors(&[BAD_KEY])
        .allocates(),
        Method::new("update", "Sets many keys.", Answer::Null)
            .params(&[Param::new(
                "items",
                ParamType::Pairs,
                "Pairs of key and value, or an object for string keys.",
            )
            .or(&["other", "iterable"])])
            .example(r#"{"items":[[1,"one"],["k",2]]}"#, "null")
            .errors(&[BAD_KEY])
            .allocates(),
        Method::new("values", "The values, in order.", Answer::List)
            .example("", r#"["1",2,null]"#)
            .errors(&[TOO_LARGE]),
    ],
};

const INDEX: Param = Param::new("index", ParamType::Integer, "Which; a negative one counts from the end.");
const START: Param = Param::new("start", ParamType::Integer, "The first of a slice, instead of `index`.");
const STOP: Param = Param::new("stop", ParamType::Integer, "One past the last of a slice.");
const STEP: Param = Param::new("step", ParamType::Integer, "The step of a slice; 1 if left out.");
const VALUE: Param = Param::new("value", ParamType::Any, "The value.").required();
const TIMES: Param = Param::new("value", ParamType::Integer, "How often.").required();
const NO_INDEX: (ErrorCode, &str) =
    (ErrorCode::MethodRaised, "no such index (IndexError), or a slice that can't be (ValueError)");
const NO_VALUE: (ErrorCode, &str) = (ErrorCode::MethodRaised, "it is not in the list (ValueError)");

pub(super) static LISTS: KindSpec = KindSpec {
    kind: Kind::Lists,
    about: "`Manager().list`.",
    constructor: &[Param::new("values", ParamType::List, "What is in it at first.")],
    made: r#"{"values":[0,1,2]}"#,
    shown: r#"{"name":"l","length":3,"values":[2,1,0]}"#,
    methods: &[
        Method::new("__add__", "The list and another one after it; the list stays as it is.", Answer::List)
            .params(&[Param::new("value", ParamType::List, "The other.").required()])
            .example(r#"{"value":[3]}"#, "[0,1,2,3]")
            .errors(&[TOO_LARGE]),
        Method::new("__contains__", "Whether a value is in it.", Answer::Bool)
            .params(&[VALUE])
            .example(r#"{"value":1}"#, "true"),
        Method::new("__delitem__", "Removes one, or a slice.", Answer::Null)
            .params(&[INDEX, START, STOP, STEP])
            .example(r#"{"index":-1}"#, "null")
            .errors(&[NO_INDEX]),
        Method::new("__getitem__", "One of them, or a slice.", Answer::Any)
            .params(&[INDEX, START, STOP, STEP])
            .example(r#"{"index":-1}"#, "2")
            .errors(&[NO_INDEX, TOO_LARGE]),
        Method::new("__len__", "How many there are.", Answer::Integer).example("", "3"),
        Method::new(
            "__mul__",
            "The list so often, one after the other; the list stays as it is.",
            Answer::List,
        )
        .params(&[TIMES])
        .example(r#"{"value":2}"#, "[0,1,0,1]")
        .errors(&[TOO_LARGE]),
        Method::new("__reversed__", "The list backwards; the list stays as it is.", Answer::List)
            .example("", "[2,1,0]")
            .errors(&[TOO_LARGE]),
        Method::new("__rmul__", "As `__mul__`.", Answer::List)
            .params(&[TIMES])
            .example(r#"{"value":2}"#, "[0,1,0,1]")
            .errors(&[TOO_LARGE]),
        Method::new("__setitem__", "Sets one, or a slice.", Answer::Null)
            .params(&[
                INDEX,
                START,
                STOP,
                STEP,
                Param::new("value", ParamType::Any, "The value; of a slice, an array.").required(),
            ])
            .example(r#"{"index":0,"value":"a"}"#, "null")
            .errors(&[NO_INDEX])
            .allocates(),
        Method::new("__imul__", "Makes the list itself so often as long.", Answer::Null)
            .params(&[TIMES])
            .example(r#"{"value":2}"#, "null"),
        Method::new("append", "Adds one at the end.", Answer::Null)
            .params(&[Param::new("object", ParamType::Any, "The value.").required()])
            .example(r#"{"object":3}"#, "null")
            .allocates(),
        Method::new("clear", "Removes everything.", Answer::Null),
        Method::new("copy", "The whole list.", Answer::List).example("", "[0,1,2]").errors(&[TOO_LARGE]),
        Method::new("count", "How often a value is in it.", Answer::Integer)
            .params(&[VALUE])
            .example(r#"{"value":1}"#, "1"),
        Method::new("extend", "Adds many at the end.", Answer::Null)
            .params(&[Param::new("iterable", ParamType::List, "The values.").required()])
            .example(r#"{"iterable":[3,4]}"#, "null")
            .allocates(),
        Method::new("index", "Where a value is first.", Answer::Integer)
            .params(&[
                VALUE,
                Param::new("start", ParamType::Integer, "Looks from here."),
                Param::new("stop", ParamType::Integer, "Looks up to here."),
            ])
            .example(r#"{"value":1}"#, "1")
            .errors(&[NO_VALUE]),
        Method::new("insert", "Puts one before an index.", Answer::Null)
            .params(&[
                Param::new("index", ParamType::Integer, "Before which; beyond an end: at that end.")
                    .required(),
                Param::new("object", ParamType::Any, "The value.").required(),
            ])
            .example(r#"{"index":0,"object":"a"}"#, "null")
            .allocates(),
        Method::new("pop", "Removes one, and answers it.", Answer::Any)
            .params(&[Param::new("index", ParamType::Integer, "Which; the last if left out.")])
            .example("", "2")
            .errors(&[NO_INDEX]),
        Method::new("remove", "Removes the first that equals a value.", Answer::Null)
            .params(&[VALUE])
            .example(r#"{"value":1}"#, "null")
            .errors(&[NO_VALUE]),
        Method::new("reverse", "Turns the list around.", Answer::Null),
        Method::new("sort", "Sorts the list by Python's order.", Answer::Null)
            .params(&[Param::new("reverse", ParamType::Bool, "Largest first; `false` if left out.")])
            .example(r#"{"reverse":true}"#, "null")
            .errors(&[(ErrorCode::MethodRaised, "two of them can't be compared (TypeError)")]),
    ],
};

const NAME: Param = Param::new("name", ParamType::Text, "The attribute's name.").required();
const NO_NAME: (ErrorCode, &str) = (ErrorCode::MethodRaised, "there is no such attribute (AttributeError)");

pub(super) static NAMESPACES: KindSpec = KindSpec {
    kind: Kind::Namespaces,
    about: "`Manager().Namespace`: attributes.",
    constructor: &[Param::new("items", ParamType::Pairs, "Pairs of name and value at first, or an object.")],
    made: r#"{"items":[["x",10]]}"#,
    shown: r#"{"name":"n","length":2,"items":[["x",10],["y","hello"]]}"#,
    methods: &[
        Method::new("__getattribute__", "An attribute's value.", Answer::Any)
            .params(&[NAME])
            .example(r#"{"name":"x"}"#, "10")
            .errors(&[NO_NAME]),
        Method::new("__getattr__", "As `__getattribute__`.", Answer::Any)
            .params(&[NAME])
            .example(r#"{"name":"x"}"#, "10")
            .errors(&[NO_NAME]),
        Method::new("__setattr__", "Sets an attribute.", Answer::Null)
            .params(&[NAME, VALUE])
            .example(r#"{"name":"y","value":"hello"}"#, "null")
            .allocates(),
        Method::new("__delattr__", "Removes an attribute.", Answer::Null)
            .params(&[NAME])
            .example(r#"{"name":"y"}"#, "null")
            .errors(&[NO_NAME]),
    ],
};
