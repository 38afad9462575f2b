//! Jobs as values, what keeps them, and the idempotency keys of requests.
//!
//! A job is what was asked for ([`spec`], [`terms`]), how far it is ([`state`], [`outcome`]) and, in this process, who
//! waits for it ([`handle`], [`follow`]); [`log`] tells the operator of it, with the request that it came in
//! ([`request_id`]). [`store`] says what keeps jobs, [`memory`] does; [`admission`] bounds what is accepted,
//! [`held_bytes`] what waits to be taken, [`retention`] what is kept.
//!
//! Invariant: nothing here runs anything or speaks HTTP; a job ends exactly once, and whoever waits for it is told
//! then, not before its end is kept.

mod admission;
#[cfg(test)]
mod conformance;
mod expired_ids;
mod follow;
mod handle;
mod held_bytes;
mod id;
mod idempotency_keys;
mod log;
mod memory;
mod outcome;
mod output;
mod request_id;
mod retention;
mod spec;
mod state;
mod store;
mod stored;
mod terms;

pub use admission::{Admission, Overloaded, Permit, Reservation};
pub use follow::{Following, Moment};
pub use handle::{Ending, JobHandle, Snapshot};
pub use held_bytes::{AnswerBytes, COUNTED_BYTES_MIN, HeldBytes, Room, Share, Writing};
pub use id::JobId;
pub use idempotency_keys::{
    Answer, Claim, ClaimGuard, Fingerprint, IdempotencyKey, JobClaim, KeyBounds, Keys, KeysFull, Pending,
    StoredAnswer,
};
pub use log::{LOG_TARGET, log_seconds};
pub use memory::{MemoryStore, Retention};
pub use outcome::{Exception, Failure, FailureCode, Outcome, Value};
pub use output::KeptOutput;
pub use request_id::{REQUEST_ID_CHARS_MAX, RequestId};
pub use retention::RetentionTable;
#[cfg(test)]
pub(crate) use spec::tests::example;
pub use spec::{JobInfo, JobKind, JobSpec, Work};
pub use state::{AttemptError, Change, JobEvent, JobState, Said, State};
pub use store::{Acceptance, Attempt, Filter, HandlePage, Lookup, Recalled, Store};
pub use stored::Stored;
pub use terms::{OnDisconnect, Terms};
