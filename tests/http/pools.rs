//! `GET /v1/pools`, `/v1/pools/{pool}`, `/v1/pools/{pool}/workers`.

use serde_json::json;

use crate::support::{Server, proc};

#[test]
fn each_runtime_has_a_pool_of_its_name() {
    let server = Server::start(&["--builtin", "--workers", "3"]);
    let page = server.get("/v1/pools").value();
    assert!(page.get("next_cursor").is_none(), "{page}");
    let mut pools: Vec<_> = page["items"].as_array().into_iter().flatten().collect();
    pools.sort_by_key(|pool| pool["name"].to_string());
    assert_eq!(pools.len(), 2, "{page}");
    for (pool, name) in pools.into_iter().zip(["native", "python"]) {
        assert_eq!(
            (&pool["name"], &pool["runtime"], &pool["processes"]),
            (&json!(name), &json!(name), &json!(3))
        );
        assert_eq!(&server.get(&format!("/v1/pools/{name}")).value(), pool);
    }
}

#[test]
fn an_unknown_pool_is_said() {
    let server = Server::start(&[]);
    for path in ["/v1/pools/nowhere", "/v1/pools/nowhere/workers", "/v1/pools/native", "/v1/pools/%2e%2e"] {
        server.get(path).problem(404, "unknown-pool");
    }
}

#[test]
fn workers_are_the_real_processes() {
    let server = Server::start(&["--workers", "3"]);
    let workers = server.workers();
    assert_eq!(workers.len(), 3);
    for worker in &workers {
        assert_eq!(worker.state, "idle", "{}", worker.all);
        let stat = proc::stat(worker.pid).expect("a worker is a process");
        assert_eq!(stat.parent, server.pid(), "the server is its parent");
        assert_eq!(stat.group, worker.pid, "it has a process group of its own");
        for member in ["generation", "tasks_started", "tasks_succeeded", "tasks_failed"] {
            assert!(worker.all[member].is_u64(), "{member} in {}", worker.all);
        }
        assert!(worker.all["busy_seconds"].is_number(), "{}", worker.all);
        for member in ["current_job", "current_function", "current_task_started_at"] {
            assert!(worker.all.get(member).is_none(), "{member} is left out at rest: {}", worker.all);
        }
    }
}

#[test]
fn lists_end_without_a_cursor() {
    let server = Server::start(&[]);
    for path in ["/v1/pools", "/v1/pools/python/workers", "/v1/functions", "/v1/jobs"] {
        let page = server.get(path).value();
        let members: Vec<_> = page.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(members, ["items"], "{path}");
    }
}
