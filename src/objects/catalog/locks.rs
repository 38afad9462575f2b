//! Locks, semaphores and conditions.

use super::{Answer, BLOCK, KindSpec, Method, PERMITS_MAX, Param, ParamType, TIMEOUT};
use crate::objects::address::Kind;
use crate::objects::error::ErrorCode;

pub(super) const OWNER: Param = Param::new(
    "owner",
    ParamType::Text,
    "Who acquires or releases: any string that tells this client from others.",
);
pub(super) const OWNER_NEEDED: Param = Param::new(
    "owner",
    ParamType::Text,
    "Who calls: any string that tells this client from others. Needed over HTTP.",
);
pub(super) const TOKEN: Param = Param::new(
    "token",
    ParamType::Integer,
    "The token of the hold; if that is over, nothing is done and told.",
);
pub(super) const LEASE: Param = Param::new(
    "lease",
    ParamType::Seconds,
    "Seconds after which it is released by itself unless `renew` comes; if left out it is held until released.",
);

const PERMITS: Param =
    Param::new("value", ParamType::Integer, "Permits at first; 1 if left out.").between(0, PERMITS_MAX);

const LOCKED: Method =
    Method::new("locked", "Whether an acquire would have to wait.", Answer::Bool).example("", "true");
const GET_VALUE: Method =
    Method::new("get_value", "How many acquires would be answered at once.", Answer::Integer)
        .example("", "1");
pub(super) const RENEW: Method = Method::new("renew", "Begins the lease of a hold anew.", Answer::Renewed)
    .params(&[
        Param::new("token", ParamType::Integer, "The token of the hold.").required(),
        Param::new("lease", ParamType::Seconds, "Seconds from now; if left out as many as at first."),
    ])
    .example(r#"{"token":1790000000000001,"lease":30}"#, r#"{"token":1790000000000001,"lease":30.0}"#)
    .errors(&[(ErrorCode::StaleToken, "the hold is over")]);

const fn acquire(params: &'static [Param]) -> Method {
    Method::new(
        "acquire",
        "Acquires it; `recovered` says that the one before lost it (death or lease) without a release.",
        Answer::Acquired,
    )
    .params(params)
    .example(
        r#"{"timeout":5,"owner":"client-1","lease":30}"#,
        r#"{"acquired":true,"token":1790000000000001,"recovered":false}"#,
    )
    .allocates()
}

const fn release(params: &'static [Param], errors: &'static [(ErrorCode, &'static str)]) -> Method {
    Method::new("release", "Releases it.", Answer::Null)
        .params(params)
        .example(r#"{"owner":"client-1"}"#, "null")
        .errors(errors)
}

const OVER: (ErrorCode, &str) = (ErrorCode::OverRelease, "it is not acquired so often (ValueError)");
const STALE: (ErrorCode, &str) = (ErrorCode::StaleToken, "the hold that the token names is over");
pub(super) const NOT_OWNER: (ErrorCode, &str) =
    (ErrorCode::NotOwner, "this owner does not hold it (AssertionError)");

pub(super) const ACQUIRE_OWNED: Method = acquire(&[BLOCK, TIMEOUT, OWNER_NEEDED, LEASE]);
pub(super) const RELEASE_OWNED: Method = release(&[OWNER_NEEDED, TOKEN], &[NOT_OWNER, STALE]);

pub(super) static LOCKS: KindSpec = KindSpec {
    kind: Kind::Locks,
    about: "`Lock`: one holder; anyone may release.",
    constructor: &[],
    made: "{}",
    shown: r#"{"name":"l","locked":true,"waiting":0}"#,
    methods: &[
        acquire(&[BLOCK, TIMEOUT, OWNER, LEASE]),
        release(&[OWNER, TOKEN], &[OVER, STALE]),
        LOCKED,
        GET_VALUE,
        RENEW,
    ],
};

pub(super) static RLOCKS: KindSpec = KindSpec {
    kind: Kind::RLocks,
    about: "`RLock`: one owner, who may acquire it again and releases it as often.",
    constructor: &[],
    made: "{}",
    shown: r#"{"name":"r","locked":true,"waiting":0,"owner":"client-1","depth":2}"#,
    methods: &[ACQUIRE_OWNED, RELEASE_OWNED, LOCKED, GET_VALUE, RENEW],
};

pub(super) static SEMAPHORES: KindSpec = KindSpec {
    kind: Kind::Semaphores,
    about: "`Semaphore`: permits; released as often as one likes.",
    constructor: &[PERMITS],
    made: r#"{"value":2}"#,
    shown: r#"{"name":"s","value":2,"free":2,"waiting":0}"#,
    methods: &[
        acquire(&[BLOCK, TIMEOUT, OWNER, LEASE]),
        release(&[OWNER, TOKEN], &[(ErrorCode::OverRelease, "2,147,483,647 permits are free"), STALE]),
        LOCKED,
        GET_VALUE,
        RENEW,
    ],
};

pub(super) static BOUNDED_SEMAPHORES: KindSpec = KindSpec {
    kind: Kind::BoundedSemaphores,
    about: "`BoundedSemaphore`: permits, never more than at first.",
    constructor: &[PERMITS],
    made: r#"{"value":2}"#,
    shown: r#"{"name":"b","value":2,"free":1,"waiting":0}"#,
    methods: &[
        acquire(&[BLOCK, TIMEOUT, OWNER, LEASE]),
        release(&[OWNER, TOKEN], &[OVER, STALE]),
        LOCKED,
        GET_VALUE,
        RENEW,
    ],
};

pub(super) static CONDITIONS: KindSpec = KindSpec {
    kind: Kind::Conditions,
    about: "`Condition`, with an RLock of its own.",
    constructor: &[],
    made: "{}",
    shown: r#"{"name":"c","locked":true,"waiting":0,"owner":"client-1","depth":1,"sleeping":3}"#,
    methods: &[
        ACQUIRE_OWNED,
        RELEASE_OWNED,
        Method::new(
            "wait",
            "Lets go of the lock, whatever its depth, waits for a notify, takes it again: whether it was notified.",
            Answer::Bool,
        )
        .params(&[TIMEOUT, OWNER_NEEDED])
        .example(r#"{"timeout":5,"owner":"client-1"}"#, "true")
        .errors(&[NOT_OWNER]),
        Method::new("notify", "Wakes those who have waited longest.", Answer::Null)
            .params(&[Param::new("n", ParamType::Integer, "How many; 1 if left out."), OWNER_NEEDED])
            .example(r#"{"n":1,"owner":"client-2"}"#, "null")
            .errors(&[NOT_OWNER]),
        Method::new("notify_all", "Wakes everybody who waits.", Answer::Null)
            .params(&[OWNER_NEEDED])
            .example(r#"{"owner":"client-2"}"#, "null")
            .errors(&[NOT_OWNER]),
        RENEW,
    ],
};
