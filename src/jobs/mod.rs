//! Job records: made, awaited, finished once, listed, expired.
//!
//! Invariant: nothing here runs anything or speaks HTTP; a record ends exactly once, and whoever waits for it is
//! told.

mod admission;
mod expired_ids;
mod follow;
mod id;
mod keys;
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
pub use keys::{Answer, Claim, ClaimGuard, Fingerprint, KeyBounds, Keys, Pending, StoredAnswer};
pub use memory::{MemoryStore, Retention};
pub use outcome::{Exception, Failure, FailureCode, Outcome, Value};
pub use output::KeptOutput;
pub use record::{JobKind, NewJob, Record, Snapshot, State};
pub use retention::RetentionTable;
pub use store::{Filter, Lookup, Page, Store};
pub use terms::Terms;
