//! Events and barriers.

use super::{Answer, KindSpec, Method, PARTIES_MAX, Param, ParamType, TIMEOUT};
use crate::objects::address::Kind;
use crate::objects::error::ErrorCode;

pub(super) static EVENTS: KindSpec = KindSpec {
    kind: Kind::Events,
    about: "`Event`: a flag that can be waited for.",
    constructor: &[],
    made: "{}",
    shown: r#"{"name":"e","is_set":false,"waiting":2}"#,
    methods: &[
        Method::new("set", "Sets the flag and wakes everybody who waits.", Answer::Null),
        Method::new("clear", "Clears the flag.", Answer::Null),
        Method::new("is_set", "Whether the flag is set.", Answer::Bool).example("", "true"),
        Method::new("wait", "Waits for the flag: whether it is set.", Answer::Bool)
            .params(&[TIMEOUT])
            .example(r#"{"timeout":5}"#, "true"),
    ],
};

pub(super) static BARRIERS: KindSpec = KindSpec {
    kind: Kind::Barriers,
    about: "`Barrier`: waits until so many wait. An action can't be given: nothing here runs it.",
    constructor: &[
        Param::new("parties", ParamType::Integer, "How many must wait, from 1 to 1,000,000.")
            .required()
            .between(1, PARTIES_MAX),
        Param::new("timeout", ParamType::Seconds, "Seconds of a wait that names none; none if left out."),
    ],
    made: r#"{"parties":3}"#,
    shown: r#"{"name":"b","parties":3,"n_waiting":1,"broken":false}"#,
    methods: &[
        Method::new("wait", "Waits for the others: which one this was, from 0.", Answer::Integer)
            .params(&[TIMEOUT])
            .example(r#"{"timeout":5}"#, "0")
            .errors(&[(
                ErrorCode::BrokenBarrier,
                "it was aborted or reset, a party left for good, or time was up for one, which breaks it for all",
            )]),
        Method::new("abort", "Breaks it: all who wait or come are told.", Answer::Null),
        Method::new("reset", "Makes it whole and empty; all who wait are told that it broke.", Answer::Null),
    ],
};
