//! Job records: made, awaited, finished once, listed, expired; and the idempotency keys of requests.
//!
//! [`record`] is a job, [`outcome`] its end, [`terms`] what was asked for. [`store`] says what keeps records,
//! [`memory`] does; [`admission`] bounds what is accepted, [`retention`] what is kept.
//!
//! Invariant: nothing here runs anything or speaks HTTP; a record ends exactly once, and whoever waits for it is
//! told.

mod admission;
mod expired_ids;
mod follow;
mod id;
mod idempotency_keys;
mod memory;
mod outcome;
mod output;
mod record;
mod retention;
mod store;
mod terms;

pub use admission::{Admission, Overloaded, Permit, Reservation};
pub use follow::{Following, Moment};
pub use id::JobId;
pub use idempotency_keys::{Answer, Claim, ClaimGuard, Fingerprint, KeyBounds, Keys, Pending, StoredAnswer};
pub use memory::{MemoryStore, Retention};
pub use outcome::{Exception, Failure, FailureCode, Outcome, Value};
pub use output::KeptOutput;
pub use record::{JobKind, NewJob, Record, Snapshot, State};
pub use retention::RetentionTable;
pub use store::{Filter, Lookup, Page, Store};
pub use terms::Terms;
