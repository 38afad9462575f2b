//! The first line of the log once all is there: what is served, by what, where.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::service::Service;

/// Says what a service that was opened serves at this address.
pub(super) fn log(service: &Service, address: &str) {
    let mut functions = BTreeMap::<&str, usize>::new();
    let catalog = service.catalog();
    for function in catalog.iter().flat_map(|catalog| catalog.functions()) {
        *functions.entry(function.runtime.name()).or_default() += 1;
    }
    let pools = service.pools();
    let workers: usize = pools.iter().map(|pool| pool.processes()).sum();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        bind = address,
        functions = listed(functions),
        pools = listed(pools.iter().map(|pool| (&pool.name, pool.processes()))),
        workers,
        data = "memory",
        "serving"
    );
}

/// Names with their numbers, as in `native 5, python 2`.
fn listed(counts: impl IntoIterator<Item = (impl Display, usize)>) -> String {
    counts.into_iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
