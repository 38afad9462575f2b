//! Lists: `{items, next_cursor}`.

use serde::Serialize;
use utoipa::ToSchema;

use super::job::Job;
use super::pool::{FunctionInfo, PoolInfo, WorkerInfo};

/// Some jobs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub items: Vec<Job>,
    /// Give it as `cursor` to get the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// All functions.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunctionList {
    /// The functions.
    pub items: Vec<FunctionInfo>,
    /// Never there: all fit on one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// All pools.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolList {
    /// The pools.
    pub items: Vec<PoolInfo>,
    /// Never there: all fit on one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// All workers of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerList {
    /// The workers.
    pub items: Vec<WorkerInfo>,
    /// Never there: all fit on one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
