//! Starts with tokens, and those that are refused for want of them; `forkpool healthcheck`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::{Client, Ended, Program, UnixClient, fixture, wait_until};

const BOUND: Duration = Duration::from_secs(20);
const TOKEN: &str = "token-of-the-test-0123456789";

fn run(args: &[&str]) -> Ended {
    Program::run(args, BOUND, |_| ())
}

fn write(folder: &Path, text: &str, mode: u32) -> String {
    let path = folder.join("tokens");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
    path.to_string_lossy().into_owned()
}

#[track_caller]
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{}", ended.errors);
    assert_eq!(ended.out, "");
    for word in words {
        assert!(ended.errors.contains(word), "{word} in: {}", ended.errors);
    }
    assert!(!ended.errors.contains("panicked") && !ended.errors.contains(TOKEN), "{}", ended.errors);
}

/// The port of a server that listens on every address.
#[track_caller]
fn port_of(server: &Program) -> String {
    let line = server.line();
    let port = line.strip_prefix("forkpool listening on http://0.0.0.0:");
    port.unwrap_or_else(|| panic!("not a ready line: {line}")).to_owned()
}

#[test]
fn a_file_that_is_wrong_is_refused_by_serve_and_check_config() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (text, words) in [
        ("", &["tokens:1:", "no token"][..]),
        (&format!("{TOKEN}\ntwo words\n"), &["tokens:2:"]),
        (
            &format!("[[token]]\nname = \"a\"\ntoken = \"{TOKEN}\"\nscopes = []\n"),
            &["tokens:4:", "unknown member scopes", "name, token, hash"],
        ),
        ("[[token]]\nname = \"a\"\nhash = \"5e88\"\n", &["tokens:1:", "sha256:", "sha256sum"]),
        (&format!("[[token]]\ntoken = \"{TOKEN}\"\n"), &["tokens:1:", "name"]),
    ] {
        let path = write(folder.path(), text, 0o600);
        for command in ["check-config", "serve"] {
            refused(&run(&[command, "--builtin", "--token-file", &path]), words);
        }
    }
    refused(
        &run(&["serve", "--builtin", "--token-file", "/no/such/file"]),
        &["--token-file", "/no/such/file"],
    );
    let path = write(folder.path(), TOKEN, 0o666);
    refused(&run(&["serve", "--builtin", "--token-file", &path]), &["chmod go-w"]);
    let path = write(folder.path(), TOKEN, 0o600);
    let both = run(&["serve", "--builtin", "--token-file", &path, "--insecure-no-auth"]);
    refused(&both, &["exclude each other"]);
}

#[test]
fn check_config_names_the_tokens_and_warns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!("[[token]]\nname = \"the reports\"\ntoken = \"{TOKEN}\"\n");
    let path = write(folder.path(), &text, 0o644);
    let args = ["check-config", "--builtin", "--bind", "0.0.0.0:8080", "--token-file", &path];
    let ended = run(&args);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(ended.out.contains(&format!("1 token in {path}: the reports")), "{}", ended.out);
    assert!(ended.errors.contains("warning") && ended.errors.contains("chmod o-r"), "{}", ended.errors);
    assert!(!format!("{}{}", ended.out, ended.errors).contains(TOKEN));
    write(folder.path(), &text, 0o600);
    let ended = run(&args);
    assert_eq!((ended.status.code(), ended.errors.as_str()), (Some(0), ""));
    let ended = run(&["check-config", "--builtin", "--bind", "0.0.0.0:8080", "--insecure-no-auth"]);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("may run its functions"), "{}", ended.errors);
}

#[test]
fn with_tokens_it_listens_where_others_can_reach_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), TOKEN, 0o600);
    let args =
        ["serve", &fixture("faults.py"), "--workers", "1", "--bind", "0.0.0.0:0", "--token-file", &path];
    let mut server = Program::start(&args, |_| ());
    let client = Client::new(&format!("http://127.0.0.1:{}", port_of(&server)), false);
    let body = json!({"function": "faults.square", "args": [7]}).to_string();
    client.post_text("/v1/apply", &body).problem(401, "unauthorized");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    assert_eq!(client.send("POST", "/v1/apply", &headers, Some(body.as_bytes())).value(), 49);
    server.stops_well();
    assert!(!server.errors().contains("WARN"), "{}", server.errors());
}

#[test]
fn without_them_it_says_so_aloud() {
    let args = ["serve", "--builtin", "--workers", "1", "--bind", "0.0.0.0:0", "--insecure-no-auth"];
    let mut server = Program::start(&args, |_| ());
    let client = Client::new(&format!("http://127.0.0.1:{}", port_of(&server)), false);
    assert_eq!(client.post("/v1/apply", &json!({"function": "builtin.square", "args": [7]})).value(), 49);
    let ended = server.stops_well();
    let warned =
        ended.errors.lines().any(|line| line.contains("WARN") && line.contains("--insecure-no-auth"));
    assert!(warned, "{}", ended.errors);
}

#[test]
fn a_healthcheck_asks_where_the_server_listens() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tokens = write(folder.path(), TOKEN, 0o600);
    let socket = format!("unix:{}", folder.path().join("s").display());
    let check = |bind: &str| {
        Program::run(&["healthcheck"], BOUND, |command| {
            command.env("FORKPOOL_BIND", bind);
        })
    };
    let none = check(&socket);
    assert_eq!(none.status.code(), Some(1), "{}", none.errors);
    assert!(none.errors.contains("does not answer"), "{}", none.errors);

    for bind in ["0.0.0.0:0", &socket] {
        let args = ["serve", "--builtin", "--workers", "1", "--bind", bind, "--token-file", &tokens];
        let mut server = Program::start(&args, |_| ());
        let line = server.line();
        let place = line.strip_prefix("forkpool listening on ").expect("a ready line");
        let place = place.strip_prefix("http://").unwrap_or(place).to_owned();
        let ready = check(&place);
        assert_eq!((ready.status.code(), ready.errors.as_str()), (Some(0), ""), "no token is needed");
        assert_eq!(run(&["healthcheck", "--bind", &place]).status.code(), Some(0));
        server.stops_well();
        assert_eq!(check(&place).status.code(), Some(1), "it is gone");
    }
    assert_eq!(run(&["healthcheck", "--bind", "nonsense"]).status.code(), Some(2));
}

#[test]
fn a_server_that_starts_is_not_healthy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let slow = folder.path().join("slow.py");
    fs::write(&slow, "import time\ntime.sleep(600)\n\ndef f():\n    pass\n").expect("written");
    let socket = folder.path().join("s");
    let bind = format!("unix:{}", socket.display());
    let mut server = Program::start(&["serve", &slow.to_string_lossy(), "--bind", &bind], |_| ());
    let client = UnixClient::new(&socket);
    wait_until(BOUND, "it answers while it loads", || {
        client.try_send("GET", "/livez", None).is_ok_and(|answer| answer.status == 200)
    });
    let ended = run(&["healthcheck", "--bind", &bind]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("503") && ended.errors.contains("starting"), "{}", ended.errors);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.ended(BOUND);
    server.nothing_left();
}
