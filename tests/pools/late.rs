//! Modules that start threads while they load (`--preload auto`): each worker loads them, the rest is preloaded.

use std::fs;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, binary, output, proc};

const THREAD: &str = "import os, threading, time\nLOADED_IN = os.getpid()\n\
    threading.Thread(target=time.sleep, args=(600,), daemon=True, name=__name__ + '-busy').start()\n";
const CLEAN: &str = "import os\nLOADED_IN = os.getpid()\n";
/// Whether the process that runs it is the one that loaded its module.
const HERE: &str = "def here(): return LOADED_IN == os.getpid()\n";

/// A folder of Python files.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn with<'a>(&self, files: &[&str], more: &[&'a str]) -> Vec<String> {
        let more = more.iter().map(|each: &&'a str| (*each).to_owned());
        files.iter().map(|name| self.path(name)).chain(more).collect()
    }

    fn serve(&self, files: &[&str], more: &[&str]) -> Server {
        let args = self.with(files, more);
        Server::bare(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn run(&self, command: &str, files: &[&str], more: &[&str]) -> Output {
        let args = self.with(files, more);
        output(Command::new(binary()).arg(command).args(args))
    }
}

fn call(server: &Server, function: &str, args: &Value) -> Value {
    server.post("/v1/apply", &json!({"function": function, "args": args})).value()
}

fn here(server: &Server, module: &str) -> Value {
    call(server, &format!("{module}.here"), &json!([]))
}

fn offered(server: &Server) -> Vec<String> {
    let functions = server.get("/v1/functions").value();
    let items = functions["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_starts_a_thread_is_loaded_by_each_worker_and_the_rest_before_the_fork() {
    let files = Files::new(&[
        ("busy.py", &format!("{THREAD}{HERE}async def awaited(x): return x\n")),
        ("calm.py", &format!("{CLEAN}{HERE}")),
        ("other.py", &format!("{THREAD}{HERE}")),
    ]);
    let server = files.serve(&["busy.py", "calm.py", "other.py"], &["--workers", "2"]);
    let pool = server.get("/v1/pools/python").value();
    assert_eq!((&pool["preload"], &pool["spare_workers"]), (&json!("auto"), &json!(1)), "{pool}");
    for _ in 0..4 {
        assert_eq!([here(&server, "busy"), here(&server, "other")], [true, true]);
        assert_eq!(here(&server, "calm"), false, "preloaded as ever");
    }
    assert_eq!(call(&server, "busy.awaited", &json!([7])), 7);
    assert_eq!(offered(&server), ["busy.awaited", "busy.here", "calm.here", "other.here"]);
    for name in ["busy", "other"] {
        let line = format!("{name} starts threads while it loads ({name}-busy): each worker loads it itself");
        assert_eq!(server.errors().matches(&line).count(), 1, "{}", server.errors());
    }
    assert!(!server.errors().contains("calm starts"), "{}", server.errors());
    for worker in server.workers_of("python") {
        proc::signal(worker.pid, Signal::SIGKILL);
    }
    assert_eq!([here(&server, "busy"), here(&server, "calm")], [true, false], "after their deaths too");
    proc::signal(server.zygote(), Signal::SIGKILL);
    for worker in server.workers_of("python") {
        proc::signal(worker.pid, Signal::SIGKILL);
    }
    assert_eq!([here(&server, "busy"), here(&server, "calm")], [true, false], "and after their zygote's");
    let process = server.post("/v1/processes", &json!({"target": "busy.here"}));
    assert_eq!(process.status, 201, "a Process loads it, too: {}", process.text());
}

#[test]
fn what_imports_a_module_that_starts_a_thread_is_late_as_well() {
    let files = Files::new(&[
        ("first.py", &format!("import busy\n{CLEAN}{HERE}")),
        ("busy.py", &format!("{THREAD}{HERE}")),
        ("calm.py", &format!("{CLEAN}{HERE}")),
    ]);
    let server = files.serve(&["first.py", "calm.py", "busy.py"], &["--workers", "2"]);
    assert_eq!(["first", "busy", "calm"].map(|name| here(&server, name)), [true, true, false]);
    assert!(
        server.errors().contains("first starts threads while it loads (busy-busy)"),
        "{}",
        server.errors()
    );
}

#[test]
fn functions_by_name_of_such_a_module_are_offered() {
    let files = Files::new(&[
        ("pkg/__init__.py", ""),
        ("pkg/mod.py", &format!("{THREAD}{HERE}def twice(x): return 2 * x\n")),
    ]);
    let folder = files.0.path().display().to_string();
    let named = ["--python-path", &folder, "--function", "pkg.mod.twice", "--function", "os.getpid"];
    let server = files.serve(&[], &[&named[..], &["--function", "pkg.mod.here", "--workers", "2"]].concat());
    assert_eq!(call(&server, "pkg.mod.twice", &json!([4])), 8);
    assert_eq!(call(&server, "pkg.mod.here", &json!([])), true);
    assert_eq!(offered(&server), ["os.getpid", "pkg.mod.here", "pkg.mod.twice"]);
    let server = files.serve(&["pkg/mod.py"], &["--function", "mod.twice", "--workers", "1"]);
    assert_eq!(call(&server, "mod.twice", &json!([5])), 10, "a function of a late file named twice");
}

#[test]
fn check_config_and_openapi_do_with_such_modules() {
    let files =
        Files::new(&[("busy.py", &format!("{THREAD}{HERE}")), ("calm.py", &format!("{CLEAN}{HERE}"))]);
    let said = files.run("check-config", &["busy.py", "calm.py"], &[]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success() && text.contains("  late    busy starts threads while it loads"), "{text}");
    assert!(!text.contains("late    calm") && text.contains("busy.here"), "{text}");
    let document = files.run("openapi", &["busy.py"], &[]);
    assert!(document.status.success() && String::from_utf8_lossy(&document.stdout).contains("busy.here"));
    let refused = files.run("check-config", &["calm.py", "busy.py"], &["--preload", "on"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("busy: thread-started") && text.contains("--preload auto"), "{text}");
    assert!(!refused.status.success());
    let all = files.run("check-config", &["calm.py", "busy.py"], &["--preload", "off"]);
    assert!(all.status.success(), "{}", String::from_utf8_lossy(&all.stderr));
    let wrong = files.run("check-config", &["calm.py"], &["--preload", "late"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("give auto, on or off"));
}

#[test]
fn pools_say_how_they_are_loaded_and_else_are_as_the_server() {
    let files =
        Files::new(&[("busy.py", &format!("{THREAD}{HERE}")), ("calm.py", &format!("{CLEAN}{HERE}"))]);
    let server = files.serve(&["busy.py", "calm.py"], &["--workers", "1"]);
    for (name, preload, calm, spares) in [("a", json!("auto"), false, 1), ("b", json!("off"), true, 1)] {
        let made = server.post("/v1/pools", &json!({"name": name, "preload": preload, "processes": 1}));
        assert_eq!((made.status, &made.json()["preload"]), (201, &preload), "{}", made.text());
        assert_eq!(made.json()["spare_workers"], spares);
        let told = server.post("/v1/apply", &json!({"function": "calm.here", "pool": name})).value();
        assert_eq!(told, calm);
    }
    let made = server.post("/v1/pools", &json!({"name": "c", "processes": 1}));
    assert_eq!(made.json()["preload"], "auto");
    let problem =
        server.post("/v1/pools", &json!({"name": "d", "preload": "on"})).problem(422, "initializer-failed");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("busy: thread-started")),
        "{problem}"
    );

    let server = files.serve(&["calm.py"], &["--preload", "off", "--workers", "1"]);
    assert_eq!(server.get("/v1/pools/python").value()["preload"], "off");
    assert_eq!(here(&server, "calm"), true);
}

#[test]
fn what_a_late_module_does_wrong_in_a_worker_is_told() {
    let flag = "if os.path.exists(__file__ + '.flag'): exec(open(__file__ + '.flag').read())\n";
    let files = Files::new(&[("busy.py", &format!("{THREAD}{flag}{HERE}"))]);
    let server = files.serve(&["busy.py"], &["--workers", "1", "--start-timeout", "3s"]);
    for (does, said) in [
        ("1/0", "busy could not be loaded in a worker: ZeroDivisionError"),
        ("os._exit(3)", "while it loaded the code"),
        ("time.sleep(600)", "was not ready in time"),
    ] {
        fs::write(files.path("busy.py.flag"), does).expect("written");
        let made = server.post("/v1/pools", &json!({"name": "a", "processes": 1}));
        let problem = made.problem(422, "initializer-failed");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{does}: {problem}");
        assert_eq!(here(&server, "busy"), true, "others work");
    }
    fs::remove_file(files.path("busy.py.flag")).expect("removed");
    assert_eq!(server.post("/v1/pools", &json!({"name": "a", "processes": 1})).status, 201);

    // At the start nothing is served, and the reason is said.
    fs::write(files.path("busy.py.flag"), "if 'fp-' in open('/proc/self/comm').read(): 1/0")
        .expect("written");
    let refused = files.run("serve", &["busy.py"], &["--bind", "127.0.0.1:0", "--workers", "1"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("busy could not be loaded in a worker"), "{text}");
}
