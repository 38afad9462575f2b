//! The HTTP edge: the only room that knows statuses.
//!
//! [`router`] shows every route on one screen; a file of handlers per resource; [`problem`] maps each error to
//! its status. A handler checks, makes one call into the engine, and answers. Work never lives in a handler: a
//! client that leaves drops nothing but its answer.

mod body;
mod call;
mod docs;
mod document;
mod events;
mod functions;
mod guard;
mod idempotency;
mod imap;
mod jobs;
mod lines;
mod negotiate;
mod objects;
mod operations;
mod pool_life;
mod pools;
pub mod problem;
mod processes;
mod router;
mod segment;
mod server;
mod small;
mod state;
mod submit;
mod value;

pub use document::{FunctionShown, document, document_30, text_of};
pub use guard::Doors;
pub use router::{asks_after, guarded, router};
pub use server::{Listener, ServerOptions, Stage as ConnectionStage, serve};
pub use state::{Service, Shared, Stage, StageValue};
