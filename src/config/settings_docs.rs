//! The settings as the book and `examples/forkpool.toml` show them; both are held against the table. Run with
//! `UPDATE_SETTINGS=1` to write them anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::Args;

use super::file;
use super::setting::Setting;
use super::settings::{SETTINGS, ServeFlags};

const COLUMNS: usize = 120;

/// Those with a default. What is served has none, and is shown by hand.
fn shown() -> impl Iterator<Item = (&'static Setting, &'static str)> {
    SETTINGS.iter().filter_map(|setting| Some((setting, setting.default?)))
}

/// What it is for, in sentences.
fn sentences(setting: &Setting) -> String {
    let more = if setting.more.is_empty() { String::new() } else { format!(" {}.", setting.more) };
    format!("{}.{more}", setting.help())
}

/// The rows of the book's table.
fn book() -> String {
    let mut rows = String::new();
    for (setting, default) in shown() {
        let (name, flag, variable) = (setting.name, setting.flag_name(), setting.variable());
        let range = setting.range().replace("8784h", "366 days");
        let mut what = sentences(setting);
        if !setting.see.is_empty() {
            let _ = write!(what, " See {}", setting.see);
        }
        let what = what.trim_end_matches('.');
        let _ = writeln!(rows, "| `--{flag}` | `{variable}` | `{name}` | {default} | {range} | {what} |");
    }
    rows
}

/// The example's middle: a member in a comment each, at its default.
fn example() -> String {
    let (mut text, mut section) = (String::new(), "");
    for (setting, default) in shown() {
        if setting.section != section {
            section = setting.section;
            let head = format!("# --- {} ", section.to_lowercase());
            let _ = writeln!(text, "{head:-<COLUMNS$}\n");
        }
        for line in wrapped(&sentences(setting)) {
            let _ = writeln!(text, "# {line}");
        }
        let range = setting.range().replace('`', "");
        let _ = writeln!(text, "# {} = {}  # {range}\n", setting.name, toml_value(setting, default));
    }
    text
}

fn toml_value(setting: &Setting, default: &str) -> String {
    match setting.example {
        "" if default.bytes().all(|byte| byte.is_ascii_digit()) => default.to_owned(),
        "" => format!("\"{default}\""),
        example => example.to_owned(),
    }
}

/// Lines that fit behind `# `.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) =
            lines.last_mut().filter(|line| line.is_empty() || line.len() + word.len() + 3 <= COLUMNS)
        {
            let blank = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{blank}{word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Holds what stands in the file from the line that begins with `first` to the one that begins with `end` against
/// `expected`, or replaces it.
#[track_caller]
fn check(name: &str, first: &str, end: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = fs::read_to_string(&path).expect(name);
    let begin = text.find(&format!("\n{first}")).expect(first) + 1;
    let length = text[begin..].find(&format!("\n{end}")).expect(end) + 1;
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        let whole = [&text[..begin], expected, &text[begin + length..]].concat();
        fs::write(&path, whole).expect("written");
        return;
    }
    assert_eq!(
        &text[begin..begin + length],
        expected,
        "{name} has drifted: run UPDATE_SETTINGS=1 cargo test --lib"
    );
}

#[test]
fn the_book_lists_each_setting() {
    check("docs/src/reference/settings.md", "| `--bind` |", "\n", &book());
}

#[test]
fn the_example_lists_each_setting() {
    check("examples/forkpool.toml", "# --- where -", "# --- pools -", &example());
}

#[test]
fn the_example_is_good_with_and_without_its_defaults() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/forkpool.toml"))
        .expect("read");
    file::parse(&text).expect("the example is good");
    for (setting, default) in shown() {
        let line = format!("{} = {}", setting.name, toml_value(setting, default));
        file::parse(&line).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.contains(&format!("\n# {line}  #")), "{line}");
    }
}

#[test]
fn help_names_each_default_and_variables_are_flags_in_capitals() {
    let command = ServeFlags::augment_args(clap::Command::new("serve"));
    for (setting, default) in shown() {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(&setting.flag_name()));
        let help = arg.and_then(clap::Arg::get_help).map(ToString::to_string).unwrap_or_default();
        assert!(help.ends_with(&format!(" [default: {default}]")), "--{}: {help}", setting.flag_name());
    }
    for arg in command.get_arguments() {
        let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
        assert_eq!(variable, format!("FORKPOOL_{}", arg.get_id().as_str().to_uppercase()));
    }
}

#[test]
fn every_limit_has_its_default() {
    let limits = super::Limits::default();
    assert_eq!(
        (limits.body_bytes_max, limits.finished_bytes_max, limits.log_bytes_max),
        (64 << 20, 1 << 30, 64 << 10)
    );
    assert_eq!((limits.queue_jobs_max, limits.depth_max, limits.connections_max), (100_000, 128, 16_384));
    assert_eq!((limits.failure_ttl.as_secs(), limits.drain_delay.as_secs()), (86_400, 0));
}
