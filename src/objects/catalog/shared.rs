//! Values and arrays in shared memory.

use super::locks::{ACQUIRE_OWNED, OWNER, RELEASE_OWNED, RENEW};
use super::{Answer, KindSpec, LENGTH_MAX, Method, Param, ParamType, TIMEOUT, TOO_LARGE};
use crate::objects::address::Kind;
use crate::objects::error::ErrorCode;

const TYPECODE: Param = Param::new(
    "typecode",
    ParamType::Text,
    "`c` `u` `b` `B` `h` `H` `i` `I` `l` `L` `q` `Q` `f` or `d`, as the module array has them; whole numbers wrap.",
);
const WRONG: (ErrorCode, &str) = (ErrorCode::MethodRaised, "of the wrong type (TypeError)");
const BEYOND: (ErrorCode, &str) = (
    ErrorCode::MethodRaised,
    "no such index (IndexError), a slice of another length (ValueError) or the wrong type (TypeError)",
);
const NOT_JSON: (ErrorCode, &str) = (ErrorCode::ResultNotJson, "it is not a number, or infinite");
const INDEX: Param = Param::new("index", ParamType::Integer, "Which; a negative one counts from the end.");
const START: Param = Param::new("start", ParamType::Integer, "The first of a slice; 0 if left out.");
const STOP: Param =
    Param::new("stop", ParamType::Integer, "One past the last of a slice; the end if left out.");

pub(super) static VALUES: KindSpec = KindSpec {
    kind: Kind::Values,
    about: "`Value`: a number in shared memory that workers map.",
    constructor: &[
        TYPECODE.required(),
        Param::new("value", ParamType::Any, "What it is at first; 0 if left out."),
    ],
    made: r#"{"typecode":"d","value":0.0}"#,
    shown: r#"{"name":"v","typecode":"d","value":3.1415927}"#,
    methods: &[
        Method::new("get", "What it is.", Answer::Any).example("", "3.1415927").errors(&[NOT_JSON]),
        Method::new("set", "Sets it, whoever has its lock.", Answer::Null)
            .params(&[Param::new("value", ParamType::Any, "What it is to be.").required()])
            .example(r#"{"value":3.1415927}"#, "null")
            .errors(&[WRONG]),
        Method::new("add", "Adds to it under its lock, and answers what it is then.", Answer::Any)
            .params(&[Param::new("amount", ParamType::Any, "How much; 1 if left out."), TIMEOUT, OWNER])
            .example(r#"{"amount":2}"#, "5")
            .errors(&[
                WRONG,
                NOT_JSON,
                (ErrorCode::ResultTimeout, "its lock was not had in time (TimeoutError); nothing was added"),
            ]),
        ACQUIRE_OWNED,
        RELEASE_OWNED,
        RENEW,
    ],
};

pub(super) static ARRAYS: KindSpec = KindSpec {
    kind: Kind::Arrays,
    about: "`Array`: numbers in shared memory that workers map.",
    constructor: &[
        TYPECODE.required(),
        Param::new("values", ParamType::List, "What is in it at first."),
        Param::new("length", ParamType::Integer, "Or how many zeros.").between(0, LENGTH_MAX),
    ],
    made: r#"{"typecode":"i","values":[0,1,2,3]}"#,
    shown: r#"{"name":"a","typecode":"i","length":4,"values":[0,1,2,3]}"#,
    methods: &[
        Method::new("get", "One of them (`index`), some (`start`, `stop`), or all.", Answer::Any)
            .params(&[INDEX, START, STOP])
            .example(r#"{"start":0,"stop":2}"#, "[0,1]")
            .errors(&[BEYOND, NOT_JSON, TOO_LARGE]),
        Method::new("set", "Sets one of them (`index`), or some (`start`, `stop`) to as many.", Answer::Null)
            .params(&[
                INDEX,
                START,
                STOP,
                Param::new("value", ParamType::Any, "What it is to be; of a slice, an array.")
                    .required()
                    .or(&["values"]),
            ])
            .example(r#"{"index":0,"value":-7}"#, "null")
            .errors(&[BEYOND]),
        ACQUIRE_OWNED,
        RELEASE_OWNED,
        RENEW,
    ],
};
