//! The TOML file: the members of [`ServeFlags`] under their own names.
//!
//! What is wrong is told with the file, the line and the member. Paths in the file count from the
//! file's folder.

use std::fs;
use std::path::Path;

use super::nearest::nearest;
use super::{ConfigError, ServeFlags};

/// Reads and checks the file; nothing that it leaves out is filled in.
pub fn read(path: &Path) -> Result<ServeFlags, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("--config: cannot read {}: {error}", path.display())))?;
    let mut flags = parse(&text).map_err(|error| ConfigError(format!("{}:{error}", path.display())))?;
    if let Some(folder) = path.parent() {
        flags.anchor(folder);
    }
    Ok(flags)
}

/// The error begins with the line's number.
pub(super) fn parse(text: &str) -> Result<ServeFlags, String> {
    toml::from_str(text).map_err(|error| told(&error, text))
}

/// So many names of members are said, rather than where to find them.
const LISTED_MAX: usize = 16;

/// What is wrong with a TOML text, its line first.
pub(super) fn told(error: &toml::de::Error, text: &str) -> String {
    let span = error.span().unwrap_or_default();
    let line = line_of(text, span.start);
    if let Some(told) = unclosed(text, line, error.message()) {
        return told;
    }
    let what = text.lines().nth(line - 1).unwrap_or_default().trim();
    if error.message().starts_with("duplicate key") && what.starts_with('[') {
        let first = text.lines().position(|other| other.trim() == what).filter(|first| first + 1 < line);
        let place = first.map_or_else(|| "above".to_owned(), |first| format!("in line {}", first + 1));
        return format!("{line}: {what} is given twice, first {place}: one table has all its members");
    }
    format!("{line}: {}", explain(error.message(), member_at(text, line)))
}

/// What a value that has no end begins with, its end, and how it is called, by what the parser says of it.
const OPENED: [(&str, &str, &str, &str); 4] = [
    (" array", "[", "]", "array"),
    ("key-value pairs", "{", "}", "table"),
    ("multi-line basic", "\"\"\"", "\"\"\"", "text"),
    ("multi-line literal", "'''", "'''", "text"),
];

/// A value that was not closed: the parser notices it where the next member begins, or at the end of the file.
fn unclosed(text: &str, line: usize, message: &str) -> Option<String> {
    let (_, open, close, what) = OPENED.iter().find(|(word, ..)| message.contains(word))?;
    let lines: Vec<&str> = text.lines().collect();
    let opens = |line: &str| key_and_value(line).is_some_and(|(_, value)| value.starts_with(open));
    let opened = lines.iter().take(line).rposition(|line| opens(line))? + 1;
    let here = lines.get(line - 1).unwrap_or(&"");
    let is_next = key_and_value(here).is_some() || here.starts_with('[') && here.trim_end().ends_with(']');
    let is_end = line >= lines.len();
    let (key, _) = key_and_value(lines[opened - 1])?;
    let before = if is_next && opened < line { format!(" before line {line}") } else { String::new() };
    (opened < line && (is_next || is_end))
        .then(|| format!("{opened}: {key}: its {what} is not closed: {close} is missing{before}"))
}

/// Of a line that gives a member.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    bare.then_some((key, value.trim()))
}

/// The number of the line that this offset is in, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
}

/// The member whose value stands in this line, or began in a line above it.
fn member_at(text: &str, line: usize) -> Option<&str> {
    let above: Vec<&str> = text.lines().take(line).collect();
    above.iter().rev().find_map(|line| Some(key_and_value(line)?.0))
}

fn explain(message: &str, member: Option<&str>) -> String {
    // serde: "unknown field `x`, expected one of `a`, `b`"
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut names = rest.split('`').skip(1).step_by(2);
        let unknown = names.next().unwrap_or_default();
        let names: Vec<&str> = names.collect();
        return match nearest(unknown, names.iter().copied()) {
            Some(near) => format!("unknown member {unknown}; did you mean {near}?"),
            // Those of a table are few, those of the whole file many.
            None if names.len() <= LISTED_MAX => {
                format!("unknown member {unknown}; members here are {}", names.join(", "))
            }
            None => {
                let flags = "the long flags of `forkpool serve` with underscores";
                format!("unknown member {unknown}; members are {flags}")
            }
        };
    }
    // The parser's word for `[[…]]`.
    let message = message.replace("map, expected a sequence", "one table, expected an array of them: [[…]]");
    let message = message.trim_end().replace('\n', ", ");
    member.map_or(message.clone(), |member| format!("{member}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).expect_err(text)
    }

    #[test]
    fn errors_name_line_and_member() {
        assert_eq!(
            error("workers = 2\nbody_limit = \"64MB\"\n"),
            "2: body_limit: give bytes as a whole number, or one with KiB, MiB, GiB or TiB (64MiB)"
        );
        assert_eq!(error("\n\nworkers = 0"), "3: workers: out of range: at least 1, at most 1024");
        assert_eq!(error("max_wait = -1.5"), "1: max_wait: out of range: at least 100ms, at most 24h");
        assert!(
            error("targets = [\n  \"tasks.py\",\n  5,\n]\n").starts_with("3: targets: invalid type: integer")
        );
        assert!(error("bind = \"example.org:80\"").starts_with("1: bind: give an address in numbers"));
        assert!(error("public_url = \"example.org\"").starts_with("1: public_url: give http:// or https://"));
        assert!(error("worker_output = \"both\"").starts_with("1: worker_output: unknown variant `both`"));
        assert!(error("workers = 1\nworkers = 2").starts_with("2: workers: duplicate key"));
        assert!(error("workers = \n").starts_with("1: workers: "));
    }

    #[test]
    fn a_table_that_is_given_twice_is_named() {
        let twice = "[pools.reports]\nprocesses = 1\n\n[pools.reports]\nmax_rss = 2\n";
        let all = "one table has all its members";
        assert_eq!(error(twice), format!("4: [pools.reports] is given twice, first in line 1: {all}"));
        let inline = "[pools]\nreports = {}\n[pools.reports]\n";
        assert_eq!(error(inline), format!("3: [pools.reports] is given twice, first above: {all}"));
    }

    #[test]
    fn what_is_not_closed_is_named_where_it_begins() {
        for (text, told) in [
            (
                "allow_host = [\"a\"\nworkers = 2\n",
                "1: allow_host: its array is not closed: ] is missing before line 2",
            ),
            (
                "workers = 2\nallow_host = [\n  \"a\",\n\n[pools.a]\n",
                "2: allow_host: its array is not closed: ] is missing before line 5",
            ),
            (
                "allow_host = [\"a\",\nworkers = 2\n",
                "1: allow_host: its array is not closed: ] is missing before line 2",
            ),
            (
                "[pools.a]\ninitargs = {a = 1\nprocesses = 2\n",
                "2: initargs: its table is not closed: } is missing before line 3",
            ),
            ("bind = \"\"\"x\nworkers = 2\n", "1: bind: its text is not closed: \"\"\" is missing"),
            (
                "allow_host = [\n\"a\"\n\"b\"\n]\n",
                "3: allow_host: missing comma between array elements, expected `,`",
            ),
            ("allow_host = [\"a\"\n", "1: allow_host: unclosed array, expected `]`"),
            ("[pools.reports\nworkers = 2\n", "1: unclosed table, expected `]`"),
        ] {
            assert_eq!(error(text), told, "{text}");
        }
    }

    #[test]
    fn unknown_members_are_refused_with_what_is_near() {
        assert_eq!(error("max_wiat = 3"), "1: unknown member max_wiat; did you mean max_wait?");
        assert_eq!(error("max-wait = 3"), "1: unknown member max-wait; did you mean max_wait?");
        assert!(error("colour = 1").contains("unknown member colour; members are the long flags"));
        assert_eq!(
            error("[functions.\"t.f\"]\ncolour = 1"),
            "2: unknown member colour; members here are pool, run_timeout, retries, max_running"
        );
        assert!(error("[functions]\nf = 3").contains("f: invalid type: integer `3`, expected a table"));
        assert!(error("config = \"other.toml\"").contains("unknown member config"));
    }

    #[test]
    fn paths_count_from_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("forkpool.toml");
        let paths = "python = \"env/bin/python\"\npython_path = [\"lib\"]\n";
        fs::write(&path, format!("targets = [\"a/tasks.py\", \"json\"]\n{paths}")).expect("written");
        let flags = read(&path).expect("good");
        let tasks = folder.path().join("a/tasks.py").display().to_string();
        assert_eq!(flags.targets, Some(vec![tasks, "json".to_owned()]));
        assert_eq!(flags.python, Some(folder.path().join("env/bin/python")));
        assert_eq!(flags.python_path, Some(vec![folder.path().join("lib")]));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("/nowhere/forkpool.toml")).expect_err("missing").to_string();
        assert!(error.starts_with("--config: cannot read /nowhere/forkpool.toml: "), "{error}");
    }
}
