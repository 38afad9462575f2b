//! `listFunctions`, `getFunction`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::negotiate::Plain;
use super::problem::Problem;
use super::segment::Segment;
use super::state::Shared;
use crate::api::{FunctionInfo, FunctionList, JobProblems, ReadProblems};
use crate::pool::Function;

fn shown(function: &Function) -> FunctionInfo {
    FunctionInfo {
        name: function.name.to_string(),
        runtime: function.runtime.into(),
        pool: function.pool.to_string(),
        signature: function.signature.clone(),
        doc: function.doc.clone(),
        parameters: function.types.parameters().and_then(Value::as_object).cloned(),
        returns: function.types.returns().and_then(Value::as_object).cloned(),
    }
}

/// The functions that are offered, by name.
#[utoipa::path(get, path = "/v1/functions", operation_id = "listFunctions", tag = "functions",
    responses((status = 200, description = "All functions", body = FunctionList), ReadProblems))]
pub async fn list_functions(State(app): State<Arc<Shared>>, _: Plain) -> Result<Json<FunctionList>, Problem> {
    let items = app.service()?.functions.values().map(|function| shown(function)).collect();
    Ok(Json(FunctionList { items, next_cursor: None }))
}

/// One function.
#[utoipa::path(get, path = "/v1/functions/{name}", operation_id = "getFunction", tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square")),
    responses((status = 200, description = "The function", body = FunctionInfo), ReadProblems, JobProblems))]
pub async fn get_function(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    _: Plain,
) -> Result<Json<FunctionInfo>, Problem> {
    Ok(Json(shown(app.service()?.function(&name)?)))
}
