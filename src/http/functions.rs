//! `listFunctions`, `getFunction`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;
use serde_json::Value;

use super::negotiate::Plain;
use super::problem::Problem;
use super::segment::Segment;
use super::state::Shared;
use crate::api::{FunctionInfo, FunctionList, JobProblems, ReadProblems};
use crate::pool::Function;
use crate::schema::with_large_integers;

/// JSON text, with every digit of the numbers in its schemas.
type Written = ([(HeaderName, &'static str); 1], String);

fn written(shown: &impl Serialize) -> Written {
    // What derives its schema always has a JSON text.
    let text = serde_json::to_string(shown).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], with_large_integers(text))
}

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
pub async fn list_functions(State(app): State<Arc<Shared>>, _: Plain) -> Result<Written, Problem> {
    let items = app.service()?.functions.values().map(|function| shown(function)).collect();
    Ok(written(&FunctionList { items, next_cursor: None }))
}

/// One function.
#[utoipa::path(get, path = "/v1/functions/{name}", operation_id = "getFunction", tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square")),
    responses((status = 200, description = "The function", body = FunctionInfo), ReadProblems, JobProblems))]
pub async fn get_function(
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    _: Plain,
) -> Result<Written, Problem> {
    Ok(written(&shown(app.service()?.function(&name)?)))
}
