//! What stands before every route: who may speak, and idempotency keys; the ids of requests, and their
//! lines in the log.

pub mod guard;
pub mod idempotency;
pub mod requests;
