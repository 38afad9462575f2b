//! What waits in a worker's pipe has not started: it can be cancelled, and then it never runs.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::{Gate, Server, never_within};

/// A server of one worker whose functions have been quick so often that others may wait behind them in the
/// pipe.
fn warm() -> (Server, tempfile::TempDir) {
    let server = Server::start(&["--workers", "1"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (client, warm) = (server.keeping(), folder.path().join("warm"));
    (0..1_000).for_each(|_| drop(client.apply("hold", &json!([""])).value()));
    (0..200).for_each(|_| drop(client.apply("mark", &json!([warm])).value()));
    (server, folder)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

#[test]
fn a_job_cancelled_while_it_waits_never_runs() {
    let (server, folder) = warm();
    let (kept, dropped) = (folder.path().join("kept"), folder.path().join("dropped"));
    let gate = Gate::shut();
    let head = server.submit("hold", &json!([gate.path()]));
    let jobs: Vec<_> = (0..20)
        .map(|i| (i % 2 == 0, server.submit("mark", &json!([if i % 2 == 0 { &kept } else { &dropped }]))))
        .collect();
    server.worker_of(&head);
    for (_, id) in jobs.iter().filter(|(keep, _)| !keep) {
        assert_eq!(server.cancel(id).value()["state"], "cancelled");
        server.result(id, 0.0).outcome("cancelled");
    }
    gate.open();
    assert_eq!(server.result(&head, 10.0).value(), gate.path(), "the head is untouched");
    for (_, id) in jobs.iter().filter(|(keep, _)| *keep) {
        server.result(id, 10.0).value();
    }
    assert_eq!((length(&kept), length(&dropped)), (10, 0));
    never_within(Duration::from_millis(200), "a cancelled job runs", || length(&dropped) > 0);
    assert_eq!(server.workers()[0].all["tasks_failed"], 0);
}

#[test]
fn what_waits_behind_a_cancelled_head_runs_once() {
    let (server, folder) = warm();
    let marks = folder.path().join("marks");
    let gate = Gate::shut();
    let head = server.submit("hold", &json!([gate.path()]));
    let jobs: Vec<_> = (0..20).map(|_| server.submit("mark", &json!([marks]))).collect();
    server.worker_of(&head);
    server.cancel(&head).value();
    server.result(&head, 5.0).outcome("cancelled");
    for id in &jobs {
        server.result(id, 10.0).value();
    }
    assert_eq!(length(&marks), 20, "each once");
}

#[test]
fn what_waits_is_told_as_queued() {
    let (server, folder) = warm();
    let gate = Gate::shut();
    let head = server.submit("hold", &json!([gate.path()]));
    let waiting: Vec<_> = (0..5).map(|_| server.submit("mark", &json!([folder.path().join("x")]))).collect();
    server.worker_of(&head);
    for id in &waiting {
        let job = server.job(id);
        assert_eq!(job["state"], "queued", "it has not started: {job}");
        assert!(job.get("started_at").is_none(), "{job}");
    }
    gate.open();
    server.result(&head, 10.0).value();
    waiting.iter().for_each(|id| drop(server.result(id, 10.0).value()));
}
