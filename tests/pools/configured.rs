//! `[pools.NAME]` and `[functions."NAME"]` of the configuration file.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::{Server, binary, fixture, output};

struct File(tempfile::TempDir);

impl File {
    fn new(tables: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("targets = [{:?}]\nbuiltin = true\n{tables}", fixture("life.py"));
        fs::write(folder.path().join("forkpool.toml"), text).expect("written");
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("forkpool.toml").display().to_string()
    }

    /// Runs a subcommand that ends by itself; its status and what it said.
    fn run(&self, command: &str) -> (bool, String) {
        let args = [command, "--config", &self.path(), "--bind", "127.0.0.1:0"];
        let ran = output(Command::new(binary()).args(args));
        (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
    }
}

#[test]
fn pools_are_made_at_start_and_functions_routed() {
    let file = File::new(
        "[pools.slow]\nruntime = \"python\"\nprocesses = 1\ninitializer = \"life.remember\"\n\
         initargs = [\"a\", 2]\n[pools.python]\nmaxtasksperchild = 3\nmaxtasksperchild_jitter = 2\n\
         max_rss = \"1GiB\"\n[functions.\"life.told\"]\npool = \"slow\"\n",
    );
    let server = Server::bare(&["--config", &file.path()]);
    let slow = server.get("/v1/pools/slow").value();
    assert_eq!(
        (&slow["processes"], &slow["permanent"], &slow["ready"]),
        (&json!(1), &json!(true), &json!(1))
    );
    assert_eq!((&slow["initializer"], &slow["initargs"]), (&json!("life.remember"), &json!(["a", 2])));
    let own = server.get("/v1/pools/python").value();
    assert_eq!(
        (&own["maxtasksperchild"], &own["maxtasksperchild_jitter"], &own["max_rss"], &own["processes"]),
        (&json!(3), &json!(2), &json!(1 << 30), &json!(2))
    );
    assert_eq!(server.get("/v1/functions/life.told").value()["pool"], "slow");
    assert_eq!(server.get("/v1/functions/life.pid").value()["pool"], "python");
    let told = |more: serde_json::Value| {
        let mut body = json!({"function": "life.told"});
        more.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        server.post("/v1/apply", &body)
    };
    assert_eq!(told(json!({})).value(), json!(["a", 2]), "routed by the configuration");
    assert_eq!(told(json!({"pool": "python"})).value(), json!([]), "a request's pool overrides");
    told(json!({"pool": "native"})).problem(400, "wrong-pool");
    server.delete("/v1/pools/slow").problem(409, "pool-permanent");
    server.post_empty("/v1/pools/slow/close").problem(409, "pool-permanent");
    server.post("/v1/pools", &json!({"name": "slow", "runtime": "python"})).problem(409, "already-exists");
}

#[test]
fn what_does_not_fit_the_code_is_said() {
    for (tables, said) in [
        ("[pools.a]\nruntime = \"perl\"\n", "\"perl\""),
        ("[pools.a]\nprocesses = 2\n", "runtime must be given"),
        ("[pools.\"a b\"]\nruntime = \"python\"\n", "[pools.a b]"),
        ("[pools.a]\nruntime = \"python\"\ninitializer = \"life.nothing\"\n", "life.nothing"),
        ("[pools.a]\nruntime = \"python\"\ninitializer = \"builtin.echo\"\n", "builtin.echo"),
        ("[pools.a]\nruntime = \"python\"\ninitargs = [1]\n", "initializer"),
        ("[pools.a]\nruntime = \"python\"\nmaxtasksperchild_jitter = 1\n", "maxtasksperchild"),
        ("[pools.python]\nruntime = \"native\"\n", "[pools.python]"),
        ("[functions.\"life.nothing\"]\npool = \"python\"\n", "life.nothing"),
        ("[functions.\"life.pid\"]\npool = \"native\"\n", "is no python pool"),
        ("[functions.\"life.pid\"]\nmax_running = 0\n", "max_running"),
        ("[functions.\"life.pid\"]\nrun_timeout = -1\n", "run_timeout"),
        ("[functions.\"life.pid\"]\nretries = 1001\n", "retries"),
        ("[pools.a]\nprocesses = 0\n", "processes"),
        ("[pools.a]\nmax_rss = \"lots\"\n", "max_rss"),
        ("[pools.a]\ncolor = 1\n", "color"),
    ] {
        let (good, text) = File::new(tables).run("check-config");
        assert!(!good && text.contains(said), "{tables}: {text}");
    }
}

#[test]
fn an_initializer_that_fails_at_start_ends_the_start_with_its_traceback() {
    let file = File::new("[pools.a]\nruntime = \"python\"\ninitializer = \"life.refuse\"\n");
    let (good, text) = file.run("serve");
    assert!(!good, "{text}");
    for said in ["the pool a", "RuntimeError: no licence", "in refuse"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}
