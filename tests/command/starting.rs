//! A server whose module loads slowly answers from the first moment, and can be ended meanwhile.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Answer, Program, UnixClient, wait_until};

/// Loads until a file appears.
const SLOW: &str = "\
import os
import time

while not os.path.exists(os.path.join(os.path.dirname(__file__), 'go')):
    time.sleep(0.01)


def f(x):
    return x + 1
";

struct Loading {
    folder: TempDir,
    socket: PathBuf,
    program: Program,
    client: UnixClient,
}

/// A server that loads, and answers.
fn loading() -> Loading {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (socket, module) = (folder.path().join("s"), folder.path().join("slow.py"));
    fs::write(&module, SLOW).expect("written");
    let bind = format!("unix:{}", socket.display());
    let args = ["serve", &module.to_string_lossy(), "--workers", "1", "--bind", &bind];
    let program = Program::start(&args, |_| ());
    let client = UnixClient::new(&socket);
    wait_until(Duration::from_secs(10), "it answers while it loads", || {
        client.try_send("GET", "/livez", None).is_ok_and(|answer| answer.status == 200)
    });
    Loading { folder, socket, program, client }
}

#[track_caller]
fn is_starting(answer: &Answer) {
    answer.problem(503, "starting");
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1), "Retry-After: {seconds:?}");
}

#[test]
fn it_says_that_it_starts_and_then_serves() {
    let mut it = loading();
    let call = json!({"function": "slow.f", "args": [1]});
    assert_eq!(it.client.get("/livez").status, 200);
    assert_eq!(it.client.get("/version").status, 200);
    is_starting(&it.client.get("/readyz"));
    for path in ["/v1/apply", "/v1/apply_async"] {
        is_starting(&it.client.post(path, &call));
    }
    for path in ["/v1/map", "/v1/map_async"] {
        is_starting(&it.client.post(path, &json!({"function": "slow.f", "iterable": [1]})));
    }
    for path in ["/v1/functions", "/v1/pools", "/v1/pools/python/workers"] {
        is_starting(&it.client.get(path));
    }
    fs::write(it.folder.path().join("go"), "").expect("written");
    assert_eq!(it.program.line(), format!("forkpool listening on unix:{}", it.socket.display()));
    assert_eq!(it.client.get("/readyz").status, 200, "ready once the line is out");
    assert_eq!(it.client.post("/v1/apply", &call).value(), 2);
    it.program.stops_well();
}

#[test]
fn sigterm_while_it_loads_ends_it() {
    let mut it = loading();
    let ended = it.program.stops_well();
    assert_eq!(ended.out, "", "it was never ready");
    assert!(!it.socket.exists(), "the socket's file is gone");
}
