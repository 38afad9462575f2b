//! f34: what cannot be served is refused at the start, by name, with an exit code that is not 0.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Seat, binary, fixture, proc, wait_until};

/// Runs `forkpool serve ARGS`, which must refuse within `bound`: its standard error.
fn refused_within(args: &[&str], bound: Duration) -> String {
    let tag = format!("TEST_REFUSAL_TAG={}-{:?}", std::process::id(), std::thread::current().id());
    let mut command = Command::new(binary());
    command.arg("serve").args(args).args(["--workers", "1"]);
    if !args.contains(&"--bind") {
        command.args(["--bind", "127.0.0.1:0"]);
    }
    command.envs(tag.split_once('=')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let _seat = Seat::take(false);
    let mut child = command.spawn().expect("the binary can be started");
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        // Whatever came is what is looked at.
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let start = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the server can be waited for") {
            break status;
        }
        if start.elapsed() > bound {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{args:?}: not refused within {bound:?}: {}", errors.join().unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let errors = errors.join().expect("the reader ends well");
    let mut out = String::new();
    let _ = stdout.read_to_string(&mut out);
    assert!(status.code().is_some_and(|code| code != 0), "{args:?} ended with {status}: {errors}");
    assert!(!out.contains("listening"), "{args:?} said it was ready: {out}");
    assert!(!errors.contains("panicked"), "{args:?}: {errors}");
    wait_until(Duration::from_secs(10), "nothing of it is left", || proc::tagged(&tag).is_empty());
    errors
}

fn refused(args: &[&str]) -> String {
    refused_within(args, Duration::from_secs(15))
}

#[track_caller]
fn says(errors: &str, words: &[&str]) {
    for word in words {
        assert!(errors.contains(word), "{word} in: {errors}");
    }
}

#[test]
fn f34_an_import_error() {
    let errors = refused(&[&fixture("refused/import_error.py")]);
    says(&errors, &["import_error", "no_such_module_anywhere"]);
}

#[test]
fn f34_an_exception_while_loading() {
    says(&refused(&[&fixture("refused/raises.py")]), &["raises", "ValueError", "not today"]);
}

#[test]
fn f34_no_python() {
    says(&refused(&[&fixture("refused/syntax_error.py")]), &["syntax_error", "SyntaxError"]);
}

#[test]
fn f34_a_thread_while_loading() {
    let args = [&fixture("refused/starts_thread.py"), "--preload", "on"];
    says(&refused(&args), &["starts_thread", "thread", "--preload auto"]);
}

#[test]
fn f34_sys_exit_while_loading() {
    says(&refused(&[&fixture("refused/exits.py")]), &["exits", "SystemExit"]);
}

#[test]
fn f34_the_zygote_ends_while_loading() {
    says(&refused(&[&fixture("refused/ends.py")]), &["ends"]);
}

#[test]
fn f34_loading_that_never_ends() {
    let args = [&fixture("refused/hangs.py"), "--start-timeout", "5"];
    says(&refused_within(&args, Duration::from_secs(20)), &["hangs"]);
}

#[test]
fn f34_a_name_of_the_standard_library() {
    says(&refused(&[&fixture("refused/shadow/json.py")]), &["json", "standard"]);
}

#[test]
fn f34_a_file_that_is_not_there() {
    says(&refused(&["nowhere_at_all.py"]), &["nowhere_at_all.py"]);
}

#[test]
fn f34_a_module_that_is_not_there() {
    says(&refused(&["no.such.module"]), &["no.such.module"]);
}

#[test]
fn f34_a_function_that_is_not_there_or_none() {
    says(&refused(&["--function", "os.no_such_function"]), &["os.no_such_function"]);
    says(&refused(&["--function", "os.sep"]), &["os.sep"]);
    says(&refused(&["--function", "no_such_module_anywhere.f"]), &["no_such_module_anywhere"]);
}

#[test]
fn f34_an_interpreter_that_is_not_there() {
    let errors = refused(&[&fixture("faults.py"), "--python", "/nowhere/python3"]);
    says(&errors, &["/nowhere/python3"]);
}

#[test]
fn nothing_to_serve_is_an_error() {
    assert!(refused(&[]).len() > 10, "it says why");
}

#[test]
fn a_bind_beyond_loopback_is_refused() {
    for bind in ["0.0.0.0:0", "[::]:0"] {
        says(&refused(&["--builtin", "--bind", bind]), &["token"]);
    }
}
