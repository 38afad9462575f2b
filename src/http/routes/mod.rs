//! The handlers, a file per resource: each reads its request, asks the service and has the answer written.

pub mod docs;
pub mod events;
pub mod functions;
pub mod imap;
pub mod jobs;
pub mod objects;
pub mod operations;
pub mod pools;
pub mod processes;
pub mod submit;
pub mod typed_call;
mod work_body;
