//! Queues and pipes.

use super::{Answer, BLOCK, KindSpec, Method, Param, ParamType, TIMEOUT};
use crate::objects::address::Kind;
use crate::objects::error::ErrorCode;

const CLOSED: (ErrorCode, &str) = (ErrorCode::Closed, "it was closed (ValueError)");

pub(super) static QUEUES: KindSpec = KindSpec {
    kind: Kind::Queues,
    about: "`Queue`, `JoinableQueue` and `SimpleQueue`: items in, items out, in order, each delivered once.",
    constructor: &[
        Param::new("kind", ParamType::Text, "`queue` (if left out), `joinable` or `simple`."),
        Param::new("maxsize", ParamType::Integer, "Most items in it; 0, the default, or less: no bound."),
    ],
    made: r#"{"maxsize":10}"#,
    shown: r#"{"name":"q","kind":"queue","maxsize":10,"size":0,"getters":0,"putters":0,"closed":false}"#,
    methods: &[
        Method::new("put", "Puts an item; waits for a free slot.", Answer::Null)
            .params(&[Param::new("obj", ParamType::Any, "The item.").required(), BLOCK, TIMEOUT])
            .example(r#"{"obj":[42,null,"hello"]}"#, "null")
            .errors(&[(ErrorCode::Full, "no free slot in time (queue.Full)"), CLOSED])
            .allocates(),
        Method::new("get", "Takes the oldest item; waits for one.", Answer::Any)
            .params(&[BLOCK, TIMEOUT])
            .example(r#"{"timeout":5}"#, r#"[42,null,"hello"]"#)
            .errors(&[(ErrorCode::Empty, "no item in time (queue.Empty)"), CLOSED]),
        Method::new("qsize", "How many items are in it.", Answer::Integer).example("", "3"),
        Method::new("empty", "Whether no item is in it.", Answer::Bool).example("", "false"),
        Method::new("full", "Whether it has no free slot.", Answer::Bool).example("", "false"),
        Method::new(
            "task_done",
            "Says that an item that was got has been dealt with (joinable queues).",
            Answer::Null,
        )
        .errors(&[(ErrorCode::MethodRaised, "called more often than items were put (ValueError)")]),
        Method::new(
            "join",
            "Waits until every item that was put has been dealt with (joinable queues).",
            Answer::Null,
        )
        .params(&[TIMEOUT])
        .example(r#"{"timeout":5}"#, "null")
        .errors(&[(ErrorCode::JoinTimeout, "not in time (TimeoutError)")]),
        Method::new(
            "close",
            "Takes and gives no more items; those who wait are told `closed`.",
            Answer::Null,
        ),
    ],
};

const BAD_HANDLE: (ErrorCode, &str) =
    (ErrorCode::MethodRaised, "this end of a pipe that is not duplex only receives, or only sends (OSError)");

pub(super) static PIPES: KindSpec = KindSpec {
    kind: Kind::Pipes,
    about: "`Pipe`: two ends, 0 and 1; what is sent at one is received at the other, whole and in order.",
    constructor: &[Param::new(
        "duplex",
        ParamType::Bool,
        "`true` if left out; `false`: end 0 only receives and end 1 only sends.",
    )],
    made: r#"{"duplex":true}"#,
    shown: r#"{"name":"p","duplex":true,"ends":[
        {"end":0,"closed":false,"waiting":0},{"end":1,"closed":false,"waiting":1}]}"#,
    methods: &[
        Method::new("send", "Sends an object to the other end.", Answer::Null)
            .params(&[Param::new("obj", ParamType::Any, "The object.").required()])
            .example(r#"{"obj":[42,null,"hello"]}"#, "null")
            .errors(&[
                (ErrorCode::Closed, "the other end (BrokenPipeError) or this one (OSError) is closed"),
                BAD_HANDLE,
            ])
            .allocates(),
        Method::new("recv", "Takes the oldest object that the other end sent; waits for one.", Answer::Any)
            .params(&[TIMEOUT])
            .example(r#"{"timeout":5}"#, r#"[42,null,"hello"]"#)
            .errors(&[
                (ErrorCode::Empty, "nothing came in time"),
                (
                    ErrorCode::Closed,
                    "the other end is closed and nothing is left (EOFError), or this end is (OSError)",
                ),
                BAD_HANDLE,
            ]),
        Method::new("poll", "Whether there is something to receive.", Answer::Bool)
            .params(&[Param::new(
                "timeout",
                ParamType::Seconds,
                "Seconds to wait for it; 0 if left out, null: `--max-wait`.",
            )])
            .example(r#"{"timeout":1}"#, "true")
            .errors(&[(ErrorCode::Closed, "this end is closed (OSError)"), BAD_HANDLE]),
        Method::new("close", "Closes this end.", Answer::Null),
    ],
};
