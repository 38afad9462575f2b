//! The HTTP edge: the only room that knows statuses.
//!
//! [`router`] shows every route on one screen. Data flows down: [`server`] (connections and their timers),
//! [`layers`] (who may speak, idempotency), [`routes`] (handlers by resource), [`app`] (asks the service),
//! [`render`] (its answers as responses), [`edge`] (bodies, paths, headers, problems). [`document`] describes the
//! routes.
//!
//! A handler reads the request, asks the service and has the answer written: what a request means is not decided here.

mod app;
mod document;
mod edge;
mod layers;
mod render;
mod router;
mod routes;
mod server;

pub use app::App;
pub use document::{Described, Edition, Layout, Part, Version, contract, contract_text, write_document};
pub use layers::guard::AccessPolicy;
pub use router::{asks_after, guarded, router};
pub use server::{Listener, ServerOptions, ServerStage, serve};
