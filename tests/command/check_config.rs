//! `forkpool check-config` says what would be served, or what is wrong, and listens nowhere.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::{Ended, Program, fixture, proc};

const BOUND: Duration = Duration::from_secs(20);

fn check(args: &[&str]) -> Ended {
    check_with(args, |_| ())
}

fn check_with(args: &[&str], adjust: impl FnOnce(&mut Command)) -> Ended {
    Program::run(&[&["check-config"], args].concat(), BOUND, adjust)
}

/// Status 2, nothing on standard output, and all these words on the other.
#[track_caller]
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{}", ended.errors);
    assert_eq!(ended.out, "");
    assert!(!ended.errors.contains("panicked"), "{}", ended.errors);
    for word in words {
        assert!(ended.errors.contains(word), "{word} in: {}", ended.errors);
    }
}

#[track_caller]
fn good(ended: &Ended, lines: &[&str]) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    // Columns are as wide as they need to be.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in lines {
        let is_there = ended.out.lines().any(|said| words(said).starts_with(line));
        assert!(is_there, "{line} in: {}", ended.out);
    }
}

#[test]
fn what_would_be_served_is_said() {
    let ended = check(&[&fixture("offered.py"), "--function", "os.getpid", "--builtin", "--workers", "3"]);
    good(
        &ended,
        &[
            "http://127.0.0.1:8080 would offer ",
            "python offered.public(x: int, *rest, scale: float = 1.0) -> float Multiplies.",
            "python os.getpid",
            "native builtin.square",
            "--workers 3 default",
        ],
    );
    assert!(!ended.out.contains("_private") && !ended.out.contains("offered.join"), "{}", ended.out);
    assert!(!ended.out.contains("listening"), "{}", ended.out);
}

#[test]
fn what_is_wrong_is_said_with_status_2() {
    let bad_file = fixture("refused/syntax_error.py");
    let threads = fixture("refused/starts_thread.py");
    for (args, words) in [
        (&["no_such_module_anywhere"][..], &["no_such_module_anywhere"][..]),
        (&["/no/such/tasks.py"], &["/no/such/tasks.py"]),
        (&["--function", "os.no_such_function"], &["os.no_such_function"]),
        (&[&bad_file], &["syntax_error", "SyntaxError"]),
        (&[&threads, "--preload", "on"], &["starts_thread", "thread", "--preload auto"]),
        (&["--builtin", "--python-pth", "x"], &["--python-pth", "--python-path"]),
        (&["--builtin", "--workers", "0"], &["--workers", "at least 1"]),
        (&["--builtin", "--max-wait=-1"], &["--max-wait", "at least 100ms"]),
        (&["--builtin", "--body-limit", "64MB"], &["--body-limit", "MiB"]),
        (&["--builtin", "--config", "/no/such.toml"], &["--config", "/no/such.toml"]),
        (&["--function", "os.getpid", "--python", "/no/such/python"], &["/no/such/python"]),
        (&[], &[]),
    ] {
        let ended = check(args);
        assert!(!ended.errors.is_empty(), "{args:?} says why");
        refused(&ended, words);
    }
}

#[test]
fn a_bind_that_others_can_reach_is_refused_with_the_reason() {
    for bind in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let words = ["other machines could reach", "127.0.0.1"];
        refused(&check(&["--builtin", "--bind", bind]), &words);
        let ended = Program::run(&["serve", "--builtin", "--bind", bind], BOUND, |_| ());
        refused(&ended, &words);
        let variable = check_with(&["--builtin"], |command| {
            command.env("FORKPOOL_BIND", bind);
        });
        refused(&variable, &[words[0], "FORKPOOL_BIND"]);
    }
}

#[test]
fn nothing_listens_while_it_checks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (socket, slow) = (folder.path().join("s"), folder.path().join("slow.py"));
    fs::write(&slow, "import time\ntime.sleep(600)\n\ndef f():\n    pass\n").expect("written");
    let bind = format!("unix:{}", socket.display());
    let args = ["check-config", &slow.to_string_lossy(), "--bind", &bind];
    let mut checking = Program::start(&args, |_| ());
    crate::support::wait_until(Duration::from_secs(10), "it loads", || {
        !proc::children(checking.pid()).is_empty()
    });
    assert!(!socket.exists(), "it would be listening");
    let open = proc::descriptors(checking.pid());
    let inodes: Vec<&str> = open
        .iter()
        .filter_map(|line| line.split_once("socket:[").and_then(|(_, rest)| rest.strip_suffix(']')))
        .collect();
    let tcp = fs::read_to_string("/proc/net/tcp").expect("the table of connections");
    let is_ours = |line: &str| inodes.iter().any(|inode| line.split_whitespace().nth(9) == Some(inode));
    assert!(!tcp.lines().any(is_ours), "no TCP socket: {open:?}");
    checking.signal(nix::sys::signal::Signal::SIGTERM);
    checking.ended(Duration::from_secs(10));
    checking.nothing_left();
}

#[test]
fn flags_win_over_environment_over_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    let text = "builtin = true\nworkers = 3\ndepth = 30\nmax_wait = \"13s\"\nqueue_jobs = 300\n";
    fs::write(&file, text).expect("written");
    let file = file.to_string_lossy();
    let environment = [("FORKPOOL_WORKERS", "4"), ("FORKPOOL_DEPTH", "40"), ("FORKPOOL_BODY_LIMIT", "4MiB")];
    let args = ["--config", &file, "--workers", "5", "--result-limit", "5MiB"];
    let ended = check_with(&args, |command| {
        command.envs(environment);
    });
    good(
        &ended,
        &[
            "--workers 5 default",
            "--result-limit 5MiB default 64MiB",
            "--depth 40 default 128",
            "--body-limit 4MiB default 64MiB",
            "--max-wait 13s default 50s",
            "--queue-jobs 300 default 100000",
        ],
    );
    assert!(!ended.out.contains("--drain-limit"), "what is at its default isn't listed: {}", ended.out);
    let ended = check_with(&[&args[..], &["--all"]].concat(), |command| {
        command.envs(environment);
    });
    good(&ended, &["--drain-limit 20s", "--workers 5", "--depth 40"]);
}

#[test]
fn wrong_values_are_told_with_where_they_came_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("forkpool.toml");
    fs::write(&file, "builtin = true\n\ndepht = 5\n").expect("written");
    let file = file.to_string_lossy();
    refused(&check(&["--config", &file]), &["forkpool.toml:3", "depht", "depth"]);
    let ended = check_with(&["--builtin"], |command| {
        command.env("FORKPOOL_DEPTH", "many");
    });
    refused(&ended, &["FORKPOOL_DEPTH", "many"]);
}
