//! Problems of pools that may not be as large as they are asked to be.

use axum::http::StatusCode;

use super::Problem;
use crate::pool::TooManyWorkers;

impl Problem {
    /// All pools would have too many workers.
    pub fn too_many_workers(error: TooManyWorkers) -> Self {
        let detail = format!("{error}; nothing was changed: DELETE a pool, or make one smaller");
        let title = "The pools have too many workers";
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", title, detail);
        problem.0.limit = Some(error.most as u64);
        problem.0.knob = Some("--pool-workers".into());
        problem.retry_after(1)
    }
}
