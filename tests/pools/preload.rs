//! `preload = false`: each worker loads the code itself.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Server, binary, fixture, output, proc};

/// A folder with the module and what it does while it loads, and a configuration that serves it.
struct Module(TempDir);

impl Module {
    fn new(does: &str, tables: &str) -> Self {
        let module = Self(tempfile::tempdir().expect("a folder"));
        fs::copy(fixture("loading.py"), module.path("loading.py")).expect("copied");
        module.does(does);
        let text = format!("targets = [\"loading.py\"]\nworkers = 2\n{tables}");
        fs::write(module.path("forkpool.toml"), text).expect("written");
        module
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn does(&self, does: &str) {
        fs::write(self.path("loading.txt"), does).expect("written");
    }

    fn serve(&self) -> Server {
        Server::bare(&["--config", &self.path("forkpool.toml").display().to_string()])
    }

    /// The start fails: what is said.
    fn refused(&self) -> String {
        let config = self.path("forkpool.toml").display().to_string();
        let args = ["serve", "--config", &config, "--bind", "127.0.0.1:0"];
        let ran = output(Command::new(binary()).args(args));
        assert!(!ran.status.success());
        String::from_utf8_lossy(&ran.stderr).into_owned()
    }
}

const IN_WORKERS: &str = "[pools.python]\npreload = false\n";

fn call(server: &Server, pool: &str, function: &str, args: &Value) -> Answer {
    server.post("/v1/apply", &json!({"function": format!("loading.{function}"), "pool": pool, "args": args}))
}

fn make(server: &Server, name: &str, preload: impl Into<Value>) -> Answer {
    let preload: Value = preload.into();
    server.post("/v1/pools", &json!({"name": name, "processes": 1, "preload": preload}))
}

#[test]
fn modules_may_start_threads_where_workers_load_them() {
    let module = Module::new("", IN_WORKERS);
    let server = module.serve();
    assert_eq!(server.get("/v1/pools/python").value()["preload"], "off", "false in the file");
    for _ in 0..4 {
        assert_eq!(
            call(&server, "python", "loaded_here", &json!([])).value(),
            json!([true, ["MainThread", "of-the-module"]])
        );
    }
    assert_eq!(call(&server, "python", "awaited", &json!([7])).value(), 7, "async def too");
    let names = server.get("/v1/functions").value();
    let names: Vec<_> = names["items"].as_array().into_iter().flatten().map(|item| &item["name"]).collect();
    assert_eq!(names, ["loading.awaited", "loading.loaded_here", "loading.remember", "loading.remembered"]);
    let worker = server.workers_of("python")[0].clone();
    proc::signal(worker.pid, Signal::SIGKILL);
    assert_eq!(call(&server, "python", "loaded_here", &json!([])).value()[0], true, "the next one as well");
    let body =
        json!({"name": "told", "preload": false, "initializer": "loading.remember", "initargs": ["x"]});
    assert_eq!(server.post("/v1/pools", &body).status, 201);
    assert_eq!(call(&server, "told", "remembered", &json!([])).value(), "x");
}

/// A zygote that has nothing to do for a while prepares the rest of its own code: that needs none of the modules'.
#[test]
fn a_zygote_that_loads_nothing_lives_on_idle_and_its_workers_have_shared_objects() {
    let module =
        Module::new("import forkpool\ndef told(path): return forkpool.connect(path).qsize()", IN_WORKERS);
    let server = module.serve();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(make(&server, "later", false).status, 201);
    server.send("PUT", "/v1/queues/q", &[("content-type", "application/json")], Some(b"{}")).value();
    for pool in ["python", "later"] {
        assert_eq!(call(&server, pool, "told", &json!(["/v1/queues/q"])).value(), 0);
    }
    assert!(!server.errors().contains("the zygote is lost"), "{}", server.errors());
}

#[test]
fn both_kinds_stand_side_by_side() {
    // Without its thread the module can be loaded before.
    let module = Module::new("", "[pools.late]\nruntime = \"python\"\npreload = false\n");
    let text = fs::read_to_string(module.path("loading.py")).expect("there");
    let quiet: Vec<_> = text.lines().filter(|line| !line.starts_with("threading.Thread")).collect();
    fs::write(module.path("loading.py"), quiet.join("\n")).expect("written");
    let server = module.serve();
    assert_eq!(call(&server, "python", "loaded_here", &json!([])).value()[0], false);
    assert_eq!(call(&server, "late", "loaded_here", &json!([])).value()[0], true);
    for (name, preload, said) in
        [("early", json!(true), "on"), ("later", json!(false), "off"), ("of-all", json!("auto"), "auto")]
    {
        let made = make(&server, name, preload);
        assert_eq!((made.status, &made.json()["preload"]), (201, &json!(said)));
        assert_eq!(call(&server, name, "loaded_here", &json!([])).value()[0], said == "off");
    }
}

#[test]
fn what_fails_while_a_worker_loads_is_told() {
    let module = Module::new("", IN_WORKERS);
    let server = module.serve();
    let before = server.fds();
    for (does, said) in [
        (
            "raise ValueError('out of order')",
            "loading could not be loaded in a worker: ValueError: out of order",
        ),
        ("def more(): pass", "the modules offer other functions than when the pool was made"),
        ("os._exit(9)", "exit status 9"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
    ] {
        module.does(does);
        let problem = make(&server, "a", false).problem(422, "initializer-failed");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(said), "{does}: {detail}");
        server.get("/v1/pools/a").problem(404, "unknown-pool");
    }
    module.does("");
    assert_eq!(make(&server, "a", false).status, 201, "the name is free");
    assert_eq!(server.delete("/v1/pools/a").status, 204);
    server.nothing_left(before);

    // Loaded before: refused by name, as at the server's start.
    let problem = make(&server, "b", true).problem(422, "initializer-failed");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("loading: thread-started") && detail.contains("of-the-module"), "{detail}");
}

#[test]
fn what_fails_at_the_start_ends_the_start() {
    for (does, said) in [
        ("raise ValueError('out of order')", "loading: import-failed: ValueError: out of order"),
        ("os._exit(9)", "python: import-failed: the process that loads the modules ended by itself"),
    ] {
        let text = Module::new(does, IN_WORKERS).refused();
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn only_python_has_something_to_load() {
    let module = Module::new("", &format!("builtin = true\n{IN_WORKERS}"));
    let server = module.serve();
    let body = json!({"name": "a", "runtime": "native", "preload": false});
    assert_eq!(server.post("/v1/pools", &body).problem(400, "invalid-request")["member"], "preload");
    let body = json!({"name": "a", "runtime": "native", "preload": true});
    assert_eq!(server.post("/v1/pools", &body).status, 201);
    for wrong in [json!("no"), json!("ON"), json!(""), json!(0), json!([])] {
        let body = json!({"name": "b", "runtime": "python", "preload": wrong});
        assert_eq!(server.post("/v1/pools", &body).problem(400, "invalid-request")["member"], "preload");
    }
    let text =
        Module::new("", "builtin = true\n[pools.native]\npreload = false\n[pools.python]\npreload = false\n")
            .refused();
    assert!(text.contains("[pools.native]: preload = \"off\" is for Python pools"), "{text}");
}
