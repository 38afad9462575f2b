//! Tests of the layers and of what is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;

use super::*;
use crate::config::WorkerOutput;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    flags: ServeFlags,
}

fn resolve(args: &[&str]) -> Result<Config, String> {
    let cli = Cli::try_parse_from(["serve"].iter().chain(args)).map_err(|error| error.to_string())?;
    cli.flags.resolve().map_err(|error| error.to_string())
}

fn refused(args: &[&str]) -> String {
    resolve(args).expect_err("refused")
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn defaults_hold_when_nothing_is_said() {
    let config = resolve(&["--builtin"]).expect("good");
    assert_eq!(config.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(config.workers, default_workers());
    assert_eq!(config.worker_output, WorkerOutput::Stderr);
    assert!(config.builtin && config.tracebacks && config.python.is_none());
    assert_eq!(config.limits.body_bytes_max, 64 << 20);
}

#[test]
fn flags_win_over_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(
        folder.path(),
        "forkpool.toml",
        "builtin = true\nworkers = 3\nmax_wait = 7\nbody_limit = \"2MiB\"\ntracebacks = false\n\
         function = [\"os.getpid\"]\n",
    );
    let config = resolve(&["--config", &file, "--workers", "5", "--function", "time.sleep"]).expect("good");
    assert_eq!(config.workers, 5);
    assert_eq!(config.limits.max_wait.as_secs(), 7);
    assert_eq!(config.limits.body_bytes_max, 2 << 20);
    assert_eq!(config.limits.drain_limit.as_secs(), 20);
    assert_eq!(config.python.expect("python").functions, ["time.sleep"]);
    assert!(config.builtin && !config.tracebacks);
    assert!(!resolve(&["--config", &file, "--builtin=off"]).expect("good").builtin);
}

/// Says to the test below that it runs in an environment made for it.
const IN_AN_ENVIRONMENT: &str = "TEST_IN_AN_ENVIRONMENT";

/// Tests something only where the next test runs it: in a process of its own, whose environment is set.
#[test]
fn in_an_environment() {
    if std::env::var_os(IN_AN_ENVIRONMENT).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "forkpool.toml", "workers = 3\nmax_wait = 7\nqueue_jobs = 9\n");
    let config = resolve(&["--config", &file, "--workers", "5"]).expect("good");
    assert_eq!((config.workers, config.limits.max_wait.as_millis()), (5, 2_500));
    assert_eq!((config.limits.queue_jobs_max, config.limits.depth_max), (9, 64));
    let python = config.python.expect("python");
    assert_eq!((python.modules, python.functions.len()), (vec!["json".to_owned(), "csv".to_owned()], 2));
    assert!(config.builtin);
}

#[test]
fn the_environment_stands_between_flags_and_file() {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "config::flags::tests::in_an_environment"])
        .env(IN_AN_ENVIRONMENT, "1")
        .env("FORKPOOL_WORKERS", "4")
        .env("FORKPOOL_MAX_WAIT", "2500ms")
        .env("FORKPOOL_DEPTH", "64")
        .env("FORKPOOL_BUILTIN", "on")
        .env("FORKPOOL_TARGETS", "json:csv")
        .env("FORKPOOL_FUNCTION", "os.getpid,time.sleep")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn serving_nothing_names_what_to_give() {
    for args in [&[][..], &["--python-path", "/"], &["--builtin=off"]] {
        let reason = refused(args);
        assert!(reason.contains("nothing to serve") && reason.contains("tasks.py"), "{reason}");
    }
}

#[test]
fn values_out_of_range_name_their_knob() {
    for (args, knob) in [
        (["--workers", "0"], "--workers"),
        (["--workers", "1025"], "--workers"),
        (["--max-wait", "0"], "--max-wait"),
        (["--drain-limit", "25h"], "--drain-limit"),
        (["--body-limit", "1"], "--body-limit"),
        (["--depth", "100000"], "--depth"),
        (["--bind", "0.0.0.0:80"], "--bind"),
        (["--allow-host", "pool.example:80"], "--allow-host"),
        (["--public-url", "pool.example"], "--public-url"),
        (["--token-file", "/no/such/file"], "--token-file"),
        (["--tracebacks", "maybe"], "--tracebacks"),
        (["--worker-output", "none"], "--worker-output"),
    ] {
        let reason = refused(&["--builtin", args[0], args[1]]);
        assert!(reason.contains(knob), "{reason}");
    }
    assert!(refused(&["--builtin", "--bind", "0.0.0.0:80"]).contains("--token-file"));
    assert!(refused(&["--workers", "0"]).contains("at least 1, at most 1024"));
}

#[test]
fn a_reachable_address_needs_tokens_or_the_word_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = write(folder.path(), "tokens", "0123456789abcdef\n");
    let file = write(folder.path(), "forkpool.toml", "builtin = true\ntoken_file = \"tokens\"\n");
    let reachable = ["--builtin", "--bind", "0.0.0.0:80"];
    for more in [&["--token-file", &*tokens][..], &["--config", &file]] {
        let config = resolve(&[&reachable[..], more].concat()).expect("good");
        let known = config.tokens.expect("tokens");
        assert_eq!(known.path, Path::new(&tokens));
        assert!(known.tokens.identify(b"0123456789abcdef").is_some() && !config.insecure_no_auth);
    }
    let config = resolve(&[&reachable[..], &["--insecure-no-auth"]].concat()).expect("good");
    assert!(config.tokens.is_none() && config.warnings[0].contains("may run its functions"));
    let local = resolve(&["--builtin", "--insecure-no-auth"]).expect("good");
    assert!(local.warnings.is_empty(), "it changes nothing there");
    assert!(refused(&[&reachable[..], &["--insecure-no-auth=off"]].concat()).contains("other machines"));
    let both = refused(&["--builtin", "--token-file", &tokens, "--insecure-no-auth"]);
    assert!(both.contains("exclude each other"), "{both}");
}

#[test]
fn a_file_brings_its_folder_and_its_stem() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tasks, more) = (write(folder.path(), "a/tasks.py", ""), write(folder.path(), "b/more.py", ""));
    let library = folder.path().join("b").display().to_string();
    let args = [&tasks, "json.tool", &more, &tasks, "--python-path", &library, "--python-path", "/"];
    let python = resolve(&args).expect("good").python.expect("python");
    let modules: Vec<&str> = python.files.iter().map(|file| file.module.as_str()).collect();
    assert_eq!(modules, ["tasks", "more"]);
    assert_eq!(python.files[0].path, Path::new(&tasks));
    assert_eq!(python.modules, ["json.tool"]);
    assert_eq!(python.paths, [folder.path().join("a"), folder.path().join("b"), "/".into()]);
}

#[test]
fn a_relative_file_is_made_absolute() {
    let config = resolve(&["src/../examples/tasks.py"]).expect("good");
    let python = config.python.expect("python");
    assert!(python.files[0].path.is_absolute() && python.paths[0].is_absolute());
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| write(folder.path(), name, "");
    let twin = [at("a/tasks.py"), at("b/tasks.py")];
    assert!(refused(&[&twin[0], &twin[1]]).contains("would both be the module tasks"));
    for (target, reason) in [
        (at("a-b.py"), "no Python identifier"),
        (at("1st.py"), "no Python identifier"),
        (at(".py"), "no Python identifier"),
        (at("pkg/__init__.py"), "for a package, give its modules by name"),
        (at("notes.txt"), "must end in .py"),
        (folder.path().display().to_string(), "is a folder"),
        (folder.path().join("none.py").display().to_string(), "is not there"),
        ("not a module".to_owned(), "neither a file"),
        ("json.".to_owned(), "neither a file"),
    ] {
        let said = refused(&[&target]);
        assert!(said.contains(reason) && said.contains(target.trim_end_matches('/')), "{said}");
    }
    assert!(refused(&["--builtin", &at("builtin.py")]).contains("rename the file"));
    assert!(refused(&["--function", "getpid"]).contains("module.function"));
    assert!(refused(&["json", "--python-path", "/nowhere"]).contains("--python-path /nowhere is not there"));
}
