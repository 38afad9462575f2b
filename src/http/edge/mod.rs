//! What is read out of requests and written into responses: bodies, paths, headers, problems. Knows no route, and
//! nothing that handlers share.

pub mod body;
pub mod extract;
pub mod headers;
pub mod logged;
pub mod ndjson;
pub mod negotiate;
pub mod object_body;
pub mod path;
pub mod problem;
pub mod record_body;
pub mod sse;
pub mod value_body;
