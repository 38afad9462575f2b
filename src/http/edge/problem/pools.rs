//! Problems of pools that may not be as large as they are asked to be.

use super::Problem;
use crate::pool::TooManyWorkers;

impl Problem {
    /// All pools would have too many workers.
    pub fn too_many_workers(error: TooManyWorkers) -> Self {
        let detail = format!("{error}; nothing was changed: DELETE a pool, or make one smaller");
        Self::at_limit("The pools have too many workers", detail, error.most, "--pool-workers")
    }
}
