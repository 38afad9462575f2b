//! The HTTP edge: the only room that knows statuses.
//!
//! [`router`] shows every route on one screen; a file of handlers per resource; [`problem`] maps each error to
//! its status, [`render`] each answer of the service to a response. A handler reads the request, asks the service, and
//! has the answer written: what a request means is not decided here.

mod app;
mod body;
mod call;
mod docs;
mod document;
mod events;
mod extract;
mod functions;
mod guard;
mod headers;
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
mod render;
mod router;
mod segment;
mod server;
mod submit;
mod value;

pub use app::App;
pub use document::{FunctionShown, document, document_30, text_of};
pub use guard::Doors;
pub use router::{asks_after, guarded, router};
pub use server::{Listener, ServerOptions, Stage as ConnectionStage, serve};
