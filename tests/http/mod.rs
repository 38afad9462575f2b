//! The HTTP API from outside, route by route: a real server, real workers, the contract's words.

mod access;
mod apply;
mod bad_json;
mod bad_requests;
mod bad_timeouts;
mod cancel_many;
mod document;
mod every_operation;
mod functions;
mod jobs;
mod jobs_list;
mod map;
mod names;
mod negotiation;
mod operations;
mod outcomes;
mod overload;
mod pools;
mod public;
mod result;
mod settings;
mod tokens;
mod values;
