//! Modules that start threads while they load: they can't be loaded before a fork, so each worker loads them.

use super::load_error::LoadError;
use super::tree::ProcessTree;
use super::zygote::{Generation, RuntimeSpec, Zygote};

/// After so many modules that are found one by one, each at the price of a new start, all are left to the workers.
const ROUNDS_MAX: usize = 8;

/// What is loaded before workers are forked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preload {
    /// What can be: a module that starts a thread while it loads is left to the workers.
    #[default]
    Auto,
    /// Everything: such a module is refused.
    On,
    /// Nothing: each worker loads everything.
    Off,
}

impl Preload {
    /// As it is written: `auto`, `on` or `off`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// What such a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Auto, Self::On, Self::Off].into_iter().find(|each| each.word() == word)
    }
}

/// A module, or the name of a single function, that workers load.
#[derive(Debug, Clone, Default)]
pub struct Late {
    /// Its name.
    pub what: String,
    /// The threads that it starts; none where nobody looked (`Preload::Off`).
    pub threads: Vec<String>,
    /// How long each worker takes for it.
    pub seconds: f64,
    /// Memory that each worker has of its own for it.
    pub bytes: u64,
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, threads, seconds, bytes } = self;
        let threads = if threads.is_empty() { String::new() } else { format!(" ({})", threads.join(", ")) };
        let mebibytes = bytes.div_ceil(1 << 20);
        write!(
            f,
            "{what} starts threads while it loads{threads}: each worker loads it itself, which takes {seconds:.1} s \
             and {mebibytes} MiB that are not shared"
        )
    }
}

/// Executes a zygote and waits until it has loaded everything. Under [`Preload::Auto`] one that meets a thread is
/// replaced by another that leaves that module to the workers.
pub(super) async fn start(
    spec: &mut RuntimeSpec,
    tree: &ProcessTree,
    number: u64,
) -> Result<(Zygote, Generation), LoadError> {
    loop {
        let error = match Zygote::start(spec, tree, number).await {
            Ok(started) => return Ok(started),
            Err(error) => error,
        };
        match &error {
            LoadError::Refused { what, reason, threads, .. }
                if reason == "thread-started"
                    && spec.preload == Preload::Auto
                    && spec.leave_to_workers(what, threads) => {}
            LoadError::Start { .. } | LoadError::Refused { .. } | LoadError::Timeout { .. } => {
                return Err(error);
            }
        }
    }
}

impl RuntimeSpec {
    /// Adds what must be loaded by workers; `false` if that is nothing new.
    fn leave_to_workers(&mut self, what: &str, threads: &[String]) -> bool {
        let load = &self.load;
        let modules = load.files.iter().map(|(module, _)| module).chain(&load.modules);
        let mut names: Vec<&String> = modules.filter(|module| *module == what).collect();
        // The functions of one package are met one by one, but have it in common.
        if names.is_empty() && load.functions.iter().any(|name| name == what) {
            let package = what.split('.').next();
            names.extend(load.functions.iter().filter(|name| name.split('.').next() == package));
        }
        if names.is_empty() {
            return false;
        }
        if self.late.len() >= ROUNDS_MAX {
            names = load.files.iter().map(|(module, _)| module).chain(&load.modules).collect();
            names.extend(&load.functions);
        }
        let known = self.late.len();
        for name in names {
            if self.late.iter().all(|late| late.what != *name) {
                let threads = if *name == what { threads.to_vec() } else { Vec::new() };
                self.late.push(Late { what: name.clone(), threads, ..Late::default() });
            }
        }
        self.late.len() > known
    }
}

#[cfg(test)]
mod tests {
    use super::super::LoadList;
    use super::*;
    use crate::runtime::Runtime;

    fn spec(functions: &[&str]) -> RuntimeSpec {
        let load = LoadList {
            files: (0..12).map(|n| (format!("m{n}"), format!("/m{n}.py"))).collect(),
            modules: vec!["pack.part".into()],
            functions: functions.iter().map(ToString::to_string).collect(),
            ..LoadList::default()
        };
        RuntimeSpec {
            runtime: Runtime::Python,
            program: "python3".into(),
            arguments: Vec::new(),
            chosen_by: String::new(),
            preamble: &[],
            load,
            preload: Preload::Auto,
            late: Vec::new(),
            result_bytes_max: 1,
            tracebacks: true,
            start_timeout: std::time::Duration::from_secs(1),
        }
    }

    fn late(spec: &RuntimeSpec) -> Vec<&str> {
        spec.late.iter().map(|late| late.what.as_str()).collect()
    }

    #[test]
    fn modules_are_left_one_by_one_and_functions_by_their_package() {
        let mut spec = spec(&["os.getpid", "polars.len", "polars.col.x"]);
        assert!(spec.leave_to_workers("m3", &["t".to_owned()]));
        assert!(!spec.leave_to_workers("m3", &[]), "it was left already");
        assert!(!spec.leave_to_workers("asyncio", &[]), "that is no target");
        assert!(spec.leave_to_workers("polars.len", &[]) && spec.leave_to_workers("pack.part", &[]));
        assert_eq!(late(&spec), ["m3", "polars.len", "polars.col.x", "pack.part"]);
    }

    #[test]
    fn after_some_rounds_all_is_left() {
        let mut spec = spec(&["os.getpid"]);
        (0..8).for_each(|n| assert!(spec.leave_to_workers(&format!("m{n}"), &[])));
        assert_eq!(spec.late.len(), 8);
        assert!(spec.leave_to_workers("m8", &[]));
        assert_eq!(spec.late.len(), 14);
    }

    #[test]
    fn what_it_costs_is_said() {
        let threads = vec!["polars-0 x4".to_owned()];
        let told = Late { what: "tasks".into(), threads, seconds: 0.42, bytes: 7 << 20 }.to_string();
        assert_eq!(
            told,
            "tasks starts threads while it loads (polars-0 x4): each worker loads it itself, which takes 0.4 s and \
             7 MiB that are not shared"
        );
    }
}
