//! Why a zygote could not be made ready, in words.

use std::fmt;
use std::io;
use std::path::Path;

use super::exit::Exit;
use crate::runtime::Runtime;

/// Why a zygote could not be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// It could not be executed or spoken to.
    #[error("the {runtime} runtime could not be started: {reason}")]
    Start {
        /// Which runtime.
        runtime: Runtime,
        /// What the system said.
        reason: String,
    },
    /// It refused by name.
    #[error("{what}: {reason}: {message}{}", Rest { message, traceback, advice })]
    Refused {
        /// Module or function.
        what: String,
        /// The protocol's reason.
        reason: String,
        /// What went wrong.
        message: String,
        /// The function's own frames.
        traceback: Option<String>,
        /// The threads that it has started.
        threads: Vec<String>,
        /// What to do.
        advice: Option<String>,
    },
    /// It took too long.
    #[error("{what}: still loading after {seconds} s (the start clock, --start-timeout)")]
    Timeout {
        /// What it was loading.
        what: String,
        /// The start clock.
        seconds: f64,
    },
}

/// What stands in the lines below the message, each only once.
struct Rest<'a> {
    message: &'a str,
    traceback: &'a Option<String>,
    advice: &'a Option<String>,
}

impl fmt::Display for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let traceback = self.traceback.as_deref().unwrap_or_default().trim_end();
        let frames = traceback.strip_suffix(self.message).unwrap_or(traceback).trim_end();
        for text in
            [frames, self.advice.as_deref().unwrap_or_default()].into_iter().filter(|text| !text.is_empty())
        {
            write!(f, "\n{text}")?;
        }
        Ok(())
    }
}

impl LoadError {
    /// Without paths of this machine and code: for clients.
    pub fn brief(&self) -> String {
        match self {
            Self::Refused { what, reason, message, .. } => format!("{what}: {reason}: {message}"),
            Self::Start { .. } | Self::Timeout { .. } => self.to_string(),
        }
    }

    /// The program could not be executed.
    pub(super) fn not_executed(runtime: Runtime, program: &Path, chosen_by: &str, error: &io::Error) -> Self {
        let program = shown(program, chosen_by);
        let is_there = error.kind() != io::ErrorKind::NotFound;
        let why = if is_there { error.to_string() } else { "there is no such program".to_owned() };
        Self::Start { runtime, reason: format!("{program}: {why}{}", other_interpreter(runtime)) }
    }

    /// It has ended while it was loading something, or before it had said anything.
    pub(super) fn ended(
        runtime: Runtime,
        program: &Path,
        chosen_by: &str,
        loading: Option<String>,
        exit: Exit,
    ) -> Self {
        match loading {
            Some(what) => Self::Refused {
                what,
                reason: "import-failed".into(),
                message: format!("it ended its process while it was loaded: {exit}"),
                traceback: None,
                threads: Vec::new(),
                advice: None,
            },
            None => {
                let program = shown(program, chosen_by);
                let what = "ended before it had said anything";
                let reason = format!(
                    "{program} {what} ({exit}; what it printed is above){}",
                    other_interpreter(runtime)
                );
                Self::Start { runtime, reason }
            }
        }
    }
}

fn shown(program: &Path, chosen_by: &str) -> String {
    let program = program.display();
    if chosen_by.is_empty() { program.to_string() } else { format!("{program} ({chosen_by})") }
}

fn other_interpreter(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Python => {
            "; --python names another interpreter, 3.9 or newer, as in --python .venv/bin/python"
        }
        Runtime::Native | Runtime::Command => "",
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    fn refused(message: &str, traceback: Option<&str>, advice: Option<&str>) -> String {
        LoadError::Refused {
            what: "tasks".into(),
            reason: "import-failed".into(),
            message: message.into(),
            traceback: traceback.map(Into::into),
            threads: Vec::new(),
            advice: advice.map(Into::into),
        }
        .to_string()
    }

    #[test]
    fn nothing_is_said_twice() {
        let line = "ModuleNotFoundError: No module named 'PIL'";
        let frames =
            "Traceback (most recent call last):\n  File \"tasks.py\", line 1, in <module>\n    import PIL";
        let traceback = format!("{frames}\n{line}\n");
        let told = refused(line, Some(&traceback), Some("install it"));
        assert_eq!(told, format!("tasks: import-failed: {line}\n{frames}\ninstall it"));
        assert_eq!(refused(line, Some(line), None), format!("tasks: import-failed: {line}"));
        assert_eq!(
            refused("cut", Some(&traceback), None),
            format!("tasks: import-failed: cut\n{frames}\n{line}")
        );
    }

    #[test]
    fn how_it_ended_is_said() {
        let ended = |loading: Option<&str>, exit| {
            let loading = loading.map(str::to_owned);
            LoadError::ended(Runtime::Python, Path::new("node"), "named by --python", loading, exit)
                .to_string()
        };
        assert_eq!(
            ended(Some("tasks"), Exit::Signal { signal: Signal::SIGSEGV, oom: false }),
            "tasks: import-failed: it ended its process while it was loaded: SIGSEGV"
        );
        let text = ended(None, Exit::Code(9));
        assert!(
            text.contains("node (named by --python) ended before it had said anything (exit status 9"),
            "{text}"
        );
        assert!(text.contains("--python names another"), "{text}");
    }
}
