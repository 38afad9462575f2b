//! `forkpool check-config`: what would be served and with which settings, or what is wrong. Listens
//! nowhere.

use std::fmt::Write;
use std::process::ExitCode;

use crate::app::Checked;
use crate::catalog::Function;
use crate::config::{Bind, Config, ServeFlags};

#[derive(Debug, clap::Args)]
pub struct CheckConfig {
    #[command(flatten)]
    flags: ServeFlags,

    /// List every setting, those at their default too
    #[arg(long)]
    all: bool,
}

pub fn run(check: CheckConfig) -> ExitCode {
    let config = match super::resolve(check.flags) {
        Ok(config) => config,
        Err(status) => return status,
    };
    for warning in &config.warnings {
        super::tell(&format!("warning: {warning}"));
    }
    match crate::app::check(&config) {
        Ok(checked) => {
            super::print(&report(&config, &checked, check.all));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            super::tell(&reason);
            ExitCode::from(super::EXIT_USAGE)
        }
    }
}

fn report(config: &Config, checked: &Checked, all: bool) -> String {
    let functions = &checked.functions;
    let address = match &config.bind {
        Bind::Tcp(address) => format!("http://{address}"),
        Bind::Unix(path) => format!("unix:{}", path.display()),
    };
    let (count, workers) = (counted(functions.len(), "function"), counted(config.workers, "worker"));
    let mut text = format!("{address} would offer {count}, with {workers} for each runtime:\n");
    let calls: Vec<String> = functions.iter().map(call).collect();
    let width = wide(calls.iter().map(|call| call.chars().count()));
    for (function, call) in functions.iter().zip(&calls) {
        let doc =
            function.doc.as_deref().and_then(|doc| doc.lines().map(str::trim).find(|line| !line.is_empty()));
        let line = format!("  {:<8}{call:<width$}  {}", function.runtime.name(), doc.unwrap_or_default());
        push_line(&mut text, line.trim_end());
    }
    for skipped in &checked.skipped {
        push_line(&mut text, &format!("  skipped {skipped}"));
    }
    if let Some(interpreter) = &checked.interpreter {
        push_line(&mut text, &format!("  run by  {interpreter}"));
    }
    for late in &checked.late {
        push_line(&mut text, &format!("  late    {late} (--preload)"));
    }
    if let Some(file) = &config.tokens {
        let names: Vec<&str> = file.tokens.names().collect();
        let line =
            format!("  {} in {}: {}", counted(names.len(), "token"), file.path.display(), names.join(", "));
        push_line(&mut text, &line);
    }
    for (name, pool) in &config.pools {
        let workers = pool.processes.map_or(config.workers, |processes| processes.get());
        let runtime = pool.runtime.as_deref().map(|runtime| format!("{runtime}, ")).unwrap_or_default();
        push_line(&mut text, &format!("  pool    {name}: {runtime}{}", counted(workers, "worker")));
    }
    let settings: Vec<_> = config.settings.iter().filter(|value| all || value.differs()).collect();
    if settings.is_empty() {
        push_line(&mut text, "\nEvery setting is at its default (--all lists them).");
        return text;
    }
    push_line(&mut text, if all { "\nSettings:" } else { "\nSettings that differ from their default:" });
    let width = wide(settings.iter().map(|value| value.value.chars().count()));
    for value in settings {
        let default = value.setting.default.filter(|_| value.differs());
        let note = default.map(|default| format!("default {default}")).unwrap_or_default();
        let line = format!("  --{:<19}{:<width$}  {note}", value.setting.flag_name(), value.value);
        push_line(&mut text, line.trim_end());
    }
    text
}

/// The width of a column: one long entry must not push all that is beside it off the screen.
fn wide(entries: impl Iterator<Item = usize>) -> usize {
    entries.filter(|&width| width <= 40).max().unwrap_or(0)
}

/// As it is written in Python: `tasks.greet(name, greeting='Hello')`.
fn call(function: &Function) -> String {
    format!("{}{}", function.name, function.signature.as_deref().unwrap_or_default())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn push_line(text: &mut String, line: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::app::Runtime;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        flags: ServeFlags,
    }

    fn config(args: &[&str]) -> Config {
        let args = ["check-config", "--builtin"].iter().chain(args);
        Cli::try_parse_from(args).expect("parsed").flags.resolve().expect("good")
    }

    fn function(name: &str, signature: Option<&str>, doc: Option<&str>) -> Function {
        Function {
            signature: signature.map(str::to_owned),
            doc: doc.map(str::to_owned),
            ..Function::new(name, Runtime::Python)
        }
    }

    #[test]
    fn the_report_says_what_and_how() {
        let functions = vec![
            function("tasks.f", Some("(x)"), Some("\n  Squares.\n\nMore.")),
            function("os.getpid", None, None),
        ];
        let late = vec!["tasks starts threads".to_owned()];
        let interpreter = Some("/usr/bin/python3 (Python 3.11.2, of ./.venv)".to_owned());
        let skipped = vec!["tasks: classes: Importer".to_owned()];
        let checked = Checked { functions, late, interpreter, skipped };
        let text = report(&config(&["--workers", "77", "--max-wait", "5"]), &checked, false);
        assert_eq!(
            text,
            "http://127.0.0.1:8080 would offer 2 functions, with 77 workers for each runtime:\n\
             \x20 python  tasks.f(x)  Squares.\n\
             \x20 python  os.getpid\n\
             \x20 skipped tasks: classes: Importer\n\
             \x20 run by  /usr/bin/python3 (Python 3.11.2, of ./.venv)\n\
             \x20 late    tasks starts threads (--preload)\n\
             \n\
             Settings that differ from their default:\n\
             \x20 --workers            77  default the processors this process may use\n\
             \x20 --max-wait           5s  default 50s\n"
        );
    }

    #[test]
    fn all_settings_are_listed_on_request() {
        let nothing =
            Checked { functions: Vec::new(), late: Vec::new(), interpreter: None, skipped: Vec::new() };
        let text = report(&config(&[]), &nothing, true);
        assert!(
            text.contains("\n  --depth              128\n") && text.contains("\n  --drain-delay        0s\n"),
            "{text}"
        );
        assert!(report(&config(&[]), &nothing, false).contains("Every setting is at its default"));
    }
}
