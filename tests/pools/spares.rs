//! `spare_workers`: ready workers that get no tasks before one is missing.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Server, proc, promised, wait_until};

/// Loading takes so long that a test can tell whether a worker was there already.
const LOADING: Duration = Duration::from_secs(3);
/// A spare is there at once.
const AT_ONCE: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(30);

const SLOW: &str = "import os, time\nif 'fp-' in open('/proc/self/comm').read(): time.sleep(3)\n\
    def pid(): return os.getpid()\n\
    def nap(seconds): time.sleep(seconds)\n\
    def take(mebibytes): globals()['kept'] = b'x' * (mebibytes << 20)\n";

struct Slow {
    server: Server,
    _folder: TempDir,
}

impl Slow {
    fn serve(tables: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("slow.py"), SLOW).expect("written");
        let text = format!("targets = [\"slow.py\"]\npreload = \"off\"\n{tables}");
        let config = folder.path().join("forkpool.toml");
        fs::write(&config, text).expect("written");
        let server = Server::bare(&[&["--config", &config.display().to_string()], args].concat());
        let slow = Self { server, _folder: folder };
        slow.whole();
        slow
    }

    fn workers(&self) -> Vec<Value> {
        let list = self.server.get("/v1/pools/python/workers").value();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// The process ids of those that take tasks, and of those that wait.
    fn pids(&self) -> (Vec<i64>, Vec<i64>) {
        let idle = self.workers().into_iter().filter(|worker| worker["state"] != "starting");
        let live = idle.filter(|worker| worker["state"] != "stopping");
        let (spare, serving): (Vec<Value>, Vec<Value>) = live.partition(|worker| worker["spare"] == true);
        let pids = |workers: Vec<Value>| workers.iter().filter_map(|worker| worker["pid"].as_i64()).collect();
        (pids(serving), pids(spare))
    }

    /// Waits until there are as many of both as the pool says.
    fn whole(&self) {
        wait_until(PATIENCE, "the pool is whole, spares and all", || {
            let pool = self.server.get("/v1/pools/python").value();
            let (serving, spare) = self.pids();
            pool["processes"] == serving.len()
                && pool["spare_workers"] == spare.len()
                && self.workers().len() == serving.len() + spare.len()
        });
    }

    fn change(&self, change: &Value) -> Answer {
        let body = change.to_string();
        let json = [("content-type", "application/json")];
        self.server.send("PATCH", "/v1/pools/python", &json, Some(body.as_bytes()))
    }

    fn call(&self, function: &str, args: &Value) -> Answer {
        self.server.post("/v1/apply", &json!({"function": format!("slow.{function}"), "args": args}))
    }

    /// The next task runs at once, in the one that had waited.
    fn spare_runs(&self, spare: i64, since: Instant) {
        assert_eq!(self.call("pid", &json!([])).value(), spare);
        promised(since.elapsed(), AT_ONCE, "a spare has taken its place");
    }
}

fn kill(pid: i64) {
    proc::signal(i32::try_from(pid).expect("a process id"), Signal::SIGKILL);
}

#[test]
fn a_dead_worker_is_replaced_at_once_and_another_spare_comes() {
    let slow = Slow::serve("[pools.python]\nprocesses = 1\n", &[]);
    for _ in 0..2 {
        let (serving, spare) = slow.pids();
        assert_eq!((serving.len(), spare.len()), (1, 1));
        assert_eq!(slow.call("pid", &json!([])).value(), serving[0], "a spare gets no tasks");
        let since = Instant::now();
        kill(serving[0]);
        wait_until(PATIENCE, "its death is seen", || slow.pids().0 != serving);
        slow.spare_runs(spare[0], since);
        slow.whole();
        assert!(since.elapsed() >= LOADING, "the next one had to load");
    }
}

#[test]
fn what_is_killed_or_recycled_is_replaced_at_once() {
    let slow = Slow::serve("[pools.python]\nprocesses = 1\nspare_workers = 3\n", &[]);
    let since = Instant::now();
    let body = json!({"function": "slow.nap", "args": [600], "run_timeout": 0.2});
    slow.server.post("/v1/apply", &body).problem(422, "run-timeout");
    assert!(slow.pids().1.len() < 3, "one was taken");
    slow.call("pid", &json!([])).value();
    promised(since.elapsed(), AT_ONCE, "after a run timeout");

    let submitted = slow.server.post("/v1/apply_async", &json!({"function": "slow.nap", "args": [600]}));
    let id = submitted.accepted();
    wait_until(PATIENCE, "it runs", || slow.server.job(&id)["state"] == "running");
    let since = Instant::now();
    slow.server.cancel(&id);
    slow.call("pid", &json!([])).value();
    promised(since.elapsed(), AT_ONCE, "after a cancel");
    slow.whole();

    let slow = Slow::serve("[pools.python]\nprocesses = 1\nspare_workers = 3\nmaxtasksperchild = 1\n", &[]);
    let since = Instant::now();
    let mut pids: Vec<Value> = (0..3).map(|_| slow.call("pid", &json!([])).value()).collect();
    promised(since.elapsed(), AT_ONCE, "three recycled");
    pids.dedup();
    assert_eq!(pids.len(), 3);
    // More than there are spares: they wait for the loading, and none is lost.
    for _ in 0..4 {
        slow.call("pid", &json!([])).value();
    }
    slow.whole();
}

#[test]
fn a_dead_spare_is_replaced_and_no_task_suffers() {
    let slow = Slow::serve("[pools.python]\nprocesses = 1\n", &[]);
    let (serving, spare) = slow.pids();
    kill(spare[0]);
    wait_until(PATIENCE, "its death is seen", || slow.pids().1 != spare);
    assert_eq!(slow.call("pid", &json!([])).value(), serving[0]);
    slow.whole();
    assert!(slow.pids().0 == serving && slow.pids().1 != spare);
}

#[test]
fn sizes_change_at_once_and_count() {
    let slow = Slow::serve("[pools.python]\nprocesses = 2\n", &["--pool-workers", "6"]);
    // Larger: the spare works at once, and another comes behind.
    let (serving, spare) = slow.pids();
    assert_eq!(slow.change(&json!({"processes": 3})).value()["spare_workers"], 1);
    assert!(slow.pids().0.contains(&spare[0]), "it takes tasks");
    slow.whole();
    // Smaller: those leave that work, not the spare.
    assert_eq!(slow.change(&json!({"processes": 1})).status, 200);
    slow.whole();
    assert!(slow.pids().0.iter().all(|pid| serving.contains(pid) || spare.contains(pid)));
    // More and fewer spares alone; both at once.
    assert_eq!(slow.change(&json!({"spare_workers": 3})).value()["spare_workers"], 3);
    slow.whole();
    assert_eq!(slow.change(&json!({"processes": 3, "spare_workers": 0})).status, 200);
    slow.whole();
    assert_eq!(slow.change(&json!({"processes": 2, "spare_workers": 1})).status, 200);
    slow.whole();
    slow.change(&json!({"spare_workers": 5})).problem(503, "overloaded");
    let more = json!({"name": "more", "processes": 2, "spare_workers": 2});
    slow.server.post("/v1/pools", &more).problem(503, "overloaded");
    for wrong in
        [json!({}), json!({"spare_workers": 65}), json!({"spare_workers": -1}), json!({"spare_workers": 1.5})]
    {
        slow.change(&wrong).problem(400, "invalid-request");
    }
    slow.change(&json!({"spare_workers": 0})).value();
    slow.whole();
}

#[test]
fn pools_with_spares_close_and_end() {
    let slow = Slow::serve("[pools.python]\nprocesses = 1\nspare_workers = 0\n", &[]);
    let before = slow.server.fds();
    for ending in ["close", "delete"] {
        let made = slow.server.post("/v1/pools", &json!({"name": "a", "processes": 1, "spare_workers": 2}));
        assert_eq!((made.status, &made.json()["ready"]), (201, &json!(1)), "{}", made.text());
        wait_until(PATIENCE, "the spares are there", || {
            let list = slow.server.get("/v1/pools/a/workers").value();
            list["items"]
                .as_array()
                .is_some_and(|items| items.iter().filter(|item| item["spare"] == true).count() == 2)
        });
        if ending == "close" {
            assert_eq!(slow.server.post_empty("/v1/pools/a/close").status, 200);
            let joined = slow.server.post("/v1/pools/a/join", &json!({"timeout": 20}));
            assert_eq!(joined.status, 200, "{}", joined.text());
        }
        assert_eq!(slow.server.delete("/v1/pools/a").status, 204);
        slow.server.nothing_left(before);
    }
}

#[test]
fn a_pool_whose_code_is_preloaded_may_have_spares() {
    let slow = Slow::serve(
        "[pools.python]\nprocesses = 1\npreload = \"auto\"\nspare_workers = 1\nmax_rss = \"128MiB\"\n",
        &[],
    );
    let (serving, spare) = slow.pids();
    slow.call("take", &json!([256]));
    wait_until(PATIENCE, "it holds too much and leaves", || !slow.pids().0.contains(&serving[0]));
    assert!(slow.pids().0.contains(&spare[0]), "the spare takes its place");
    slow.whole();
    let native = Server::bare(&["--builtin", "--workers", "1"]);
    assert_eq!(native.get("/v1/pools/native").value()["spare_workers"], 0);
    let made = native.post("/v1/pools", &json!({"name": "a", "processes": 1, "spare_workers": 1}));
    assert_eq!((made.status, &made.json()["spare_workers"]), (201, &json!(1)));
}
