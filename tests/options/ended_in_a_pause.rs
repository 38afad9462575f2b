//! A job that ends before its pause does leaves nothing behind: neither its arguments nor another run.

use std::time::Duration;

use serde_json::json;

use super::verbs::{Verbs, body};
use crate::support::{proc, wait_until};

const MIB: u64 = 1 << 20;

#[test]
fn the_arguments_of_jobs_cancelled_in_their_pause_are_freed() {
    let server = Verbs::start(1);
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
    let before = proc::memory(server.pid());
    let options = json!({"retries": 9, "retry_delay": 60});
    let large = "x".repeat(16 << 20);
    let ids: Vec<String> = (0..4)
        .map(|i| {
            let item = json!([[server.path(&format!("count{i}")), large]]);
            server.post("/v1/apply_async", &body("apply", "verbs.raise_once_on", &item, &options)).accepted()
        })
        .collect();
    wait_until(Duration::from_secs(30), "each has failed once", || {
        (0..4).all(|i| server.words(&format!("count{i}")).len() == 1)
            && server.workers().iter().all(|worker| worker.state == "idle")
    });
    for id in &ids {
        assert_eq!(server.cancel(id).value()["state"], "cancelled");
    }
    wait_until(Duration::from_secs(5), "the server holds nothing of them", || {
        proc::memory(server.pid()) < before + 40 * MIB
    });
}
