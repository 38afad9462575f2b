//! `max_running` over several pools: who waits for a share is told of each that comes back.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::support::{Server, fixture, on_time, wait_until};

/// Far less than the second after which a pool looks at its workers anyway.
const SOON: Duration = Duration::from_millis(500);

#[test]
fn a_pool_with_two_jobs_that_wait_gets_both_shares() {
    on_time(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "targets = [{:?}]\n[pools.a]\nruntime = \"python\"\n[pools.b]\nruntime = \"python\"\n\
             [functions.\"verbs.write_nap\"]\nmax_running = 2\n",
            fixture("verbs.py")
        );
        let file = folder.path().join("forkpool.toml");
        fs::write(&file, text).expect("written");
        let server = Server::bare(&["--config", &file.display().to_string(), "--workers", "2"]);
        let path = folder.path().join("words");
        let words = || fs::read_to_string(&path).unwrap_or_default();
        let submit = |pool: &str, word: &str| {
            let args = json!([600, path.display().to_string(), word]);
            let body = json!({"function": "verbs.write_nap", "args": args, "pool": pool});
            server.post("/v1/apply_async", &body).accepted()
        };
        let holders = ["a1", "a2"].map(|word| submit("a", word));
        wait_until(Duration::from_secs(5), "both shares are taken", || words().matches('a').count() == 2);
        let waiting = ["b1", "b2"].map(|word| submit("b", word));
        // Nothing is asked of the second pool from here on: that alone would wake it.
        for (held, word) in holders.iter().zip(["b1", "b2"]) {
            server.cancel(held).value();
            wait_until(SOON, word, || words().contains(word));
        }
        for id in &waiting {
            server.cancel(id).value();
        }
    });
}

#[test]
fn a_closed_pool_ends_though_its_last_job_only_waited() {
    on_time(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "builtin = true\n[functions.\"builtin.sleep\"]\nmax_running = 1\n";
        let file = folder.path().join("forkpool.toml");
        fs::write(&file, text).expect("written");
        let server = Server::bare(&["--config", &file.display().to_string(), "--workers", "1"]);
        let submit = |pool: &str, options: serde_json::Value| {
            let mut body = json!({"function": "builtin.sleep", "args": [600], "pool": pool});
            body.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
            server.post("/v1/apply_async", &body).accepted()
        };
        let made = server.post("/v1/pools", &json!({"name": "b", "runtime": "native", "processes": 1}));
        assert_eq!(made.status, 201, "{made:?}");
        let holder = submit("native", json!({}));
        let state = || server.get(&format!("/v1/jobs/{holder}")).value()["state"].clone();
        wait_until(Duration::from_secs(5), "the share is taken", || state() == "running");
        submit("b", json!({"queue_timeout": 0.3}));
        server.post_empty("/v1/pools/b/close").value();
        // Its workers leave with the timer: nothing else happens to the pool.
        let joined = server.post("/v1/pools/b/join", &json!({"timeout": 20}));
        assert_eq!(joined.status, 200, "{joined:?}");
        server.cancel(&holder).value();
    });
}
