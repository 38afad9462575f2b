//! `GET /v1/jobs/{id}/events` from outside: what is told, in which order, where it goes on, and what followers
//! leave behind.

mod bad_input;
mod ends;
mod followers;
mod life;
mod progress;
pub mod reader;
mod resuming;
