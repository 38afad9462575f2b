//! Flags that other servers and task queues have, and what is meant by them here.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What to say of a flag.
enum Here {
    /// A flag of ours; `{…}` stands for the value that came along.
    Give(&'static str),
    /// `--bind`, with the host and the port from wherever they stand.
    Bind,
    /// Something else; the same.
    Say(&'static str),
}
use Here::{Bind, Give, Say};

const HOST: &[&str] = &["--host"];
const PORT: &[&str] = &["--port", "-p"];

const TABLE: &[(&[&str], Here)] = &[
    (HOST, Bind),
    (PORT, Bind),
    (&["-b"], Give("--bind {ADDRESS}")),
    (&["--uds", "--unix-socket", "--socket"], Give("--bind unix:{/path}")),
    (
        &["-w", "-j", "--concurrency", "--num-workers", "--numprocesses", "--max-workers", "--autoscale"],
        Give("--workers {N}"),
    ),
    (&["-c"], Say("--workers N is the number of workers, --config FILE a configuration")),
    (&["--threads"], Say("a worker runs one call at a time; --workers {N} says how many there are")),
    (&["--reload", "--autoreload"], Say("there is no reload yet: restart the server")),
    (&["-t", "--timeout", "--time-limit", "--soft-time-limit"], Give("--run-timeout {TIME}")),
    (&["--keep-alive", "--timeout-keep-alive"], Give("--idle-timeout {TIME}")),
    (&["--graceful-timeout", "--timeout-graceful-shutdown"], Give("--drain-limit {TIME}")),
    (
        &["--max-requests", "--limit-max-requests", "--max-tasks-per-child"],
        Say("how many tasks a worker runs is maxtasksperchild in the file, under [pools.python]"),
    ),
    (&["--max-memory-per-child"], Say("what a worker may hold is max_rss in the file, under [pools.python]")),
    (&["-Q", "--queues"], Say("pools take the place of queues: [pools.NAME] in the file")),
    (&["-l", "--log-level", "--loglevel"], Say("set RUST_LOG={debug} in the environment")),
    (&["-v", "--verbose", "--debug"], Say("set RUST_LOG=debug in the environment")),
    (&["-q", "--quiet"], Say("set RUST_LOG=warn in the environment")),
    (
        &["-A", "-m", "--app", "--module"],
        Say("name the file or module itself, as in forkpool serve {shop.images}"),
    ),
    (&["--app-dir", "--chdir", "--pythonpath"], Give("--python-path {DIR}")),
    (&["--venv", "--virtualenv"], Give("--python {.venv}/bin/python")),
    (&["-D", "--daemon", "--detach"], Say("it stays in the foreground: systemd or a container may keep it")),
    (
        &["-u", "--user", "--uid"],
        Say("it runs as whoever starts it: systemd or a container may choose the user"),
    ),
    (
        &["--ssl-keyfile", "--ssl-certfile", "--keyfile", "--certfile"],
        Say("it speaks plain HTTP: put a proxy that speaks TLS before it"),
    ),
    (&["--root-path"], Give("--public-url {URL}")),
    (&["--limit-request-body"], Give("--body-limit {SIZE}")),
];

/// What to do instead of the flag that is refused here, if others have it.
pub(super) fn advice(told: &clap::Error, args: &[OsString]) -> Option<String> {
    if told.kind() != ErrorKind::UnknownArgument || !has_flags_of_serve(args) {
        return None;
    }
    let Some(ContextValue::String(flag)) = told.get(ContextKind::InvalidArg) else { return None };
    let (names, here) = TABLE.iter().find(|(names, _)| names.contains(&flag.as_str()))?;
    let instead = match here {
        Bind => {
            let host = value_of(args, HOST).unwrap_or_else(|| "127.0.0.1".to_owned());
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let port = value_of(args, PORT).unwrap_or_else(|| "8080".to_owned());
            format!("give --bind {host}:{port}")
        }
        Give(flag) => format!("give {}", filled(flag, value_of(args, names).as_deref())),
        Say(words) => filled(words, value_of(args, names).as_deref()),
    };
    Some(format!("there is no {flag}: {instead}"))
}

/// Whether the command takes what is advised here.
fn has_flags_of_serve(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|word| ["serve", "check-config", "openapi"].iter().any(|name| word == name))
}

/// The text with the value in the place of `{…}`, or with what stands there.
fn filled(text: &str, value: Option<&str>) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let Some((example, after)) = rest.split_once('}') else { return text.to_owned() };
    format!("{before}{}{after}", value.unwrap_or(example))
}

/// The value of a flag: behind it, behind its `=`, or, if it is a letter, right behind that.
fn value_of(args: &[OsString], names: &[&str]) -> Option<String> {
    args.iter().enumerate().find_map(|(at, arg)| {
        let arg = arg.to_str()?;
        let rest = names.iter().find_map(|name| {
            let rest = arg.strip_prefix(name)?;
            let is_value = rest.is_empty() || rest.starts_with('=') || !name.starts_with("--");
            is_value.then_some(rest)
        })?;
        let value = match rest {
            "" => args.get(at + 1)?.to_str()?,
            _ => rest.strip_prefix('=').unwrap_or(rest),
        };
        // A file that follows is what is served.
        (!value.is_empty() && !value.starts_with('-') && !value.ends_with(".py")).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    fn told(line: &str) -> Option<String> {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = super::super::parse(args.clone()).expect_err("refused");
        advice(&error, &args)
    }

    #[test]
    fn the_value_goes_along() {
        for (line, instead) in [
            ("tasks.py --port 80", "there is no --port: give --bind 127.0.0.1:80"),
            ("--port=80 tasks.py --host 0.0.0.0", "there is no --port: give --bind 0.0.0.0:80"),
            ("tasks.py --host ::1", "there is no --host: give --bind [::1]:8080"),
            ("tasks.py -w 4", "there is no -w: give --workers 4"),
            ("tasks.py -w4", "there is no -w: give --workers 4"),
            ("-w tasks.py", "there is no -w: give --workers N"),
            ("tasks.py --reload", "there is no --reload: there is no reload yet: restart the server"),
            ("--app-dir=src shop.images", "there is no --app-dir: give --python-path src"),
            ("tasks.py --venv env", "there is no --venv: give --python env/bin/python"),
            ("tasks.py -l info", "there is no -l: set RUST_LOG=info in the environment"),
        ] {
            assert_eq!(told(&format!("forkpool serve {line}")).as_deref(), Some(instead));
        }
        assert_eq!(told("forkpool healthcheck --timeout 5"), None);
        assert_eq!(told("forkpool serve tasks.py --wrokers 4"), None);
        assert_eq!(told("forkpool serve tasks.py --workers 0"), None);
    }

    #[test]
    fn no_flag_is_both_ours_and_foreign_and_what_is_advised_is_ours() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("it is there");
        let ours: BTreeSet<String> =
            serve.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        for (names, here) in TABLE {
            assert!(names.iter().all(|name| !ours.contains(*name)), "{names:?}");
            let (Give(text) | Say(text)) = here else { continue };
            let advised = text.split([' ', ',', ';']).filter(|word| word.starts_with("--"));
            advised.for_each(|flag| assert!(ours.contains(flag), "{flag}"));
        }
    }
}
