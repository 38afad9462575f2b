//! The table of knobs with their values in words, for people: `check-config` prints it, and the
//! tests hold help, example and README against it.

use super::flags::default_workers;
use super::quantity::{show_count, show_duration, show_size};
use super::{Config, Limits, WorkerOutput};

/// One knob: the long flag `--NAME`, the variable `FORKPOOL_NAME`, the file's member `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// Its name with dashes.
    pub name: &'static str,
    /// Its value, in the syntax that is read.
    pub value: String,
    /// Its default likewise; `None` where that depends on the machine.
    pub default: Option<String>,
}

impl Config {
    /// Every knob with its value. What is served is no knob.
    pub fn knobs(&self) -> Vec<Knob> {
        let knob =
            |name, value: String, default: &str| Knob { name, value, default: Some(default.to_owned()) };
        let interpreter =
            self.python.as_ref().map_or("python3".to_owned(), |p| p.interpreter.display().to_string());
        let paths: Vec<String> =
            self.python.iter().flat_map(|p| &p.added_paths).map(|path| path.display().to_string()).collect();
        let paths = or_none((!paths.is_empty()).then(|| paths.join(":")));
        let token_file = or_none(self.tokens.as_ref().map(|file| file.path.display().to_string()));
        let hosts: Vec<&str> = self.allow_hosts.iter().map(super::HostName::as_str).collect();
        let hosts = or_none((!hosts.is_empty()).then(|| hosts.join(",")));
        let output = match self.worker_output {
            WorkerOutput::Stderr => "stderr",
            WorkerOutput::Job => "job",
        };
        let mut knobs = vec![
            knob("bind", self.bind.to_string(), "127.0.0.1:8080"),
            knob("token-file", token_file, "none"),
            knob("insecure-no-auth", switch(self.insecure_no_auth), "off"),
            knob("allow-host", hosts, "none"),
            knob("public-url", or_none(self.public_url.as_ref().map(ToString::to_string)), "none"),
            Knob { name: "workers", value: self.workers.to_string(), default: None },
            knob("python", interpreter, "python3"),
            knob("python-path", paths, "none"),
            knob("preload", self.preload.word().to_owned(), "auto"),
            knob("worker-output", output.to_owned(), "stderr"),
            knob("tracebacks", switch(self.tracebacks), "on"),
        ];
        let (values, defaults) = (limits(&self.limits), limits(&Limits::default()));
        knobs.extend(values.into_iter().zip(defaults).map(|((name, value), (_, default))| Knob {
            name,
            value,
            default: Some(default),
        }));
        knobs
    }
}

impl Knob {
    /// Whether the operator changed it.
    pub fn differs(&self) -> bool {
        match &self.default {
            Some(default) => self.value != *default,
            None => self.value != default_workers().to_string(),
        }
    }
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".to_owned())
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let size = |bytes: usize| show_size(u64::try_from(bytes).unwrap_or(u64::MAX));
    let count = |count: usize| show_count(u64::try_from(count).unwrap_or(u64::MAX));
    vec![
        ("log-limit", size(limits.log_bytes_max)),
        ("start-timeout", show_duration(limits.start_timeout)),
        ("max-wait", show_duration(limits.max_wait)),
        ("drain-delay", show_duration(limits.drain_delay)),
        ("drain-limit", show_duration(limits.drain_limit)),
        ("result-ttl", show_duration(limits.result_ttl)),
        ("failure-ttl", show_duration(limits.failure_ttl)),
        ("process-ttl", show_duration(limits.process_ttl)),
        ("idempotency-ttl", show_duration(limits.idempotency_ttl)),
        ("head-timeout", show_duration(limits.head_timeout)),
        ("body-stall", show_duration(limits.body_stall_timeout)),
        ("write-stall", show_duration(limits.write_stall_timeout)),
        ("idle-timeout", show_duration(limits.idle_timeout)),
        ("body-limit", size(limits.body_bytes_max)),
        ("result-limit", size(limits.result_bytes_max)),
        ("queue-jobs", count(limits.queue_jobs_max)),
        ("queue-bytes", size(limits.queue_bytes_max)),
        ("finished-jobs", count(limits.finished_jobs_max)),
        ("finished-bytes", size(limits.finished_bytes_max)),
        ("pool-workers", count(limits.pool_workers_max)),
        ("processes", count(limits.processes_max)),
        ("ended-processes", count(limits.ended_processes_max)),
        ("objects", count(limits.objects_max)),
        ("object-bytes", size(limits.object_bytes_max)),
        ("idempotency-keys", count(limits.idempotency_keys_max)),
        ("idempotency-bytes", size(limits.idempotency_bytes_max)),
        ("connections", count(limits.connections_max)),
        ("depth", count(limits.depth_max)),
    ]
}

/// Every knob at its default.
#[cfg(test)]
pub fn knobs() -> Vec<Knob> {
    let flags = super::ServeFlags { builtin: Some(super::quantity::Switch(true)), ..Default::default() };
    flags.resolve().expect("the defaults are good").knobs()
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::config::ServeFlags;

    #[test]
    fn help_names_each_knob_with_its_default_and_variable() {
        let command = ServeFlags::augment_args(clap::Command::new("serve"));
        for knob in knobs() {
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(knob.name));
            let arg = arg.unwrap_or_else(|| panic!("--{} is missing", knob.name));
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let default = knob.default.as_deref().unwrap_or("the processors this process may use");
            assert!(help.contains(&format!("[default: {default}]")), "--{}: {help}", knob.name);
        }
        for arg in command.get_arguments() {
            let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            let expected = format!("FORKPOOL_{}", arg.get_id().as_str().to_uppercase());
            assert_eq!(variable, expected);
        }
    }

    #[test]
    fn the_readme_lists_each_knob() {
        let readme = include_str!("../../README.md");
        for knob in knobs() {
            let row = readme.lines().find(|line| line.starts_with(&format!("| `--{}` |", knob.name)));
            let row = row.unwrap_or_else(|| panic!("--{} is missing", knob.name));
            if let Some(default) = &knob.default {
                assert!(row.contains(&format!("| {default} |")), "{row}");
            }
        }
    }

    #[test]
    fn folders_are_told_as_a_variable_has_them() {
        let flags = ServeFlags {
            targets: Some(vec!["json".to_owned()]),
            python_path: Some(vec!["/".into(), "/tmp".into(), "/".into()]),
            ..ServeFlags::default()
        };
        let knobs = flags.resolve().expect("good").knobs();
        let knob = knobs.iter().find(|knob| knob.name == "python-path").expect("is there");
        assert!(knob.differs() && knob.value == "/:/tmp", "{knob:?}");
    }

    #[test]
    fn nothing_differs_at_first() {
        assert!(knobs().iter().all(|knob| !knob.differs()));
        assert!(matches!(knobs().first(), Some(Knob { name: "bind", .. })));
        let bind = crate::config::Bind::Unix("/run/a.sock".into());
        let flags = ServeFlags {
            builtin: Some(crate::config::quantity::Switch(true)),
            bind: Some(bind),
            ..ServeFlags::default()
        };
        let differing: Vec<Knob> =
            flags.resolve().expect("good").knobs().into_iter().filter(Knob::differs).collect();
        assert_eq!(differing.iter().map(|knob| knob.name).collect::<Vec<_>>(), ["bind"]);
    }
}
