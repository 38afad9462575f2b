//! Everything from outside, a folder for each resource: real servers, real workers, the contract's words. One program,
//! so that it is linked once and its tests share the machine: `cargo test --test all objects::`.

mod command;
mod command_functions;
mod events;
mod faults;
mod http;
mod idempotency;
mod inside;
mod library;
mod logs;
mod objects;
mod objects_in_workers;
mod openapi;
mod options;
mod pool;
mod pools;
mod processes;
mod semantics;
mod support;
