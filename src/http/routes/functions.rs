//! `listFunctions`, `getFunction`.

use std::sync::Arc;

use axum::extract::State;

use crate::api::{FunctionInfo, FunctionList, JobProblems, ReadProblems};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::Plain;
use crate::http::edge::path::Segment;
use crate::service::Request;

/// The functions that are offered, by name.
///
/// Each with its signature, its documentation and the schemas of its types.
#[utoipa::path(get, path = "/v1/functions", operation_id = "listFunctions", tag = "functions",
    responses((status = 200, description = "All functions", body = FunctionList), ReadProblems))]
pub async fn list_functions(State(app): State<Arc<App>>, asker: Asker, _: Plain) -> Handled {
    app.answer(asker, Request::Functions).await
}

/// One function.
///
/// Its signature, its documentation and the schemas of its arguments and its value.
#[utoipa::path(get, path = "/v1/functions/{name}", operation_id = "getFunction", tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square")),
    responses((status = 200, description = "The function", body = FunctionInfo), ReadProblems, JobProblems))]
pub async fn get_function(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    _: Plain,
) -> Handled {
    app.answer(asker, Request::Function { name }).await
}
