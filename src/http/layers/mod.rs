//! What stands before every route: who may speak, and idempotency keys.

pub mod guard;
pub mod idempotency;
