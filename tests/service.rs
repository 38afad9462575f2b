//! The service without HTTP: requests in, answers and refusals out, with real Python workers.

#[path = "service/asking.rs"]
mod asking;
#[path = "service/catalog.rs"]
mod catalog;
#[path = "service/deferred.rs"]
mod deferred;
#[path = "service/jobs.rs"]
mod jobs;
#[path = "service/others.rs"]
mod others;
#[path = "service/repeated.rs"]
mod repeated;
#[path = "service/stored.rs"]
mod stored;
