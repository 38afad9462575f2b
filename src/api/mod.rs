//! What travels in requests and answers: types with their schemas, and the reading of bodies and queries.
//!
//! Two tables: [`code`] has every code of a problem, [`options`] every option of a submission. [`body`], [`typed`],
//! [`new_pool`], [`process`] and [`query`] read requests; [`job`], [`list`], [`pool`], [`event`] and [`problem`]
//! are answers.
//!
//! Invariant: no handler logic; arguments are cut out of the body, never built into values.

mod body;
mod code;
mod event;
mod job;
mod list;
mod new_pool;
mod option_type;
mod options;
mod pool;
mod problem;
mod process;
mod query;
mod responses;
mod schemas;
mod typed;

pub use body::{
    ApplyBody, ApplyRequest, BodyProblem, CancelBody, CancelRequest, Cancelled, MapBody, MapRequest,
    no_arguments,
};
pub use code::{Code, CodeSpec, table_of_codes};
pub use event::{EventData, event_of};
pub use job::{Job, Links, Progress, timestamp};
pub use list::{FunctionList, JobList, PoolList, WorkerList};
pub use new_pool::{JoinBody, NewPoolBody, PoolChange, PoolChangeBody, join_timeout, pool_change};
pub use options::{CallOptions, OPTIONS, StreamOptions, TYPED_OPTIONS, table_of_options};
pub use pool::{FunctionInfo, PoolInfo, VersionInfo, WorkerInfo};
pub use problem::{ExceptionInfo, Problem};
pub use process::{ProcessBody, ProcessInfo, ProcessList, ProcessRequest};
pub use query::{Invalid, Query};
pub use responses::{
    AcceptedProblems, AlreadyExistsProblem, EmptyBodyProblems, ExpiredProblem, Group,
    IdempotencyMismatchProblem, InitializerFailedProblem, JobProblems, JoinTimeoutProblem,
    NotFinishedProblem, NotFoundProblem, ObjectProblems, OutcomeProblems, PoolClosedProblem,
    PoolPermanentProblem, PoolRunningProblem, ProbeProblems, ProcessProblems, ReadProblems,
    ResultTimeoutProblem, StartProblems, SubmitProblems, TokenProblems, UnknownFunctionProblem, responses,
};
pub use typed::{TypedMapBody, TypedMapOptions, named_arguments, named_items};
