//! Programs offered as functions: `--command 'count=wc -w'` and the file's `[commands.NAME]`.
//!
//! Checked as far as that goes without looking for the program; what a placeholder is, the worker knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CommandConfig, CommandOutput, ConfigError, shell_words};

const NAME_BYTES_MAX: usize = 128;

/// `[commands.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table ([commands.NAME])")]
pub struct CommandEntry {
    /// The program and its arguments, one by one.
    pub argv: Option<Vec<String>>,
    /// The same as one line.
    pub command: Option<String>,
    /// How its standard output becomes the value.
    pub output: Option<CommandOutput>,
    /// Whether a value that begins with `-` may take a placeholder's place.
    pub allow_dash: bool,
    /// The file's folder, from which a program given by its path counts.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// All commands by name; one that a flag gives takes the place of the file's.
pub fn all(
    given: &[String],
    entries: BTreeMap<String, CommandEntry>,
) -> Result<Vec<CommandConfig>, ConfigError> {
    let mut all = BTreeMap::new();
    for (name, entry) in entries {
        let place = format!("[commands.{name}]");
        let command = of_entry(&name, entry).and_then(checked);
        all.insert(name, command.map_err(|why| ConfigError(format!("{place}: {why}")))?);
    }
    let mut seen: Vec<String> = Vec::new();
    for text in given {
        let refused = |why: String| ConfigError(format!("--command {text:?}: {why}"));
        let lines = shell_words::lines(text).map_err(|why| refused(why.to_owned()))?;
        if lines.is_empty() {
            return Err(refused(HINT.to_owned()));
        }
        for line in lines {
            let command = of_line(line).and_then(checked).map_err(refused)?;
            if seen.contains(&command.name) {
                return Err(refused(format!("the name {} is given twice", command.name)));
            }
            seen.push(command.name.clone());
            all.insert(command.name.clone(), command);
        }
    }
    Ok(all.into_values().collect())
}

const HINT: &str = "give NAME=PROGRAM and its arguments, as in --command 'count=wc -w'";

fn of_line(line: Vec<String>) -> Result<CommandConfig, String> {
    let mut argv = line.into_iter();
    let first = argv.next().unwrap_or_default();
    let (name, program) = first.split_once('=').ok_or(HINT)?;
    let program = (!program.is_empty()).then(|| program.to_owned());
    Ok(CommandConfig {
        name: name.to_owned(),
        argv: program.into_iter().chain(argv).collect(),
        output: CommandOutput::Text,
        allow_dash: false,
    })
}

fn of_entry(name: &str, entry: CommandEntry) -> Result<CommandConfig, String> {
    let mut argv = match (entry.argv, entry.command) {
        (Some(argv), None) => argv,
        (None, Some(line)) => shell_words::lines(&line)?.concat(),
        (None, None) => {
            return Err("argv is missing: give argv = [\"wc\", \"-w\"] or command = \"wc -w\"".into());
        }
        (Some(_), Some(_)) => return Err("give argv or command, not both".into()),
    };
    if let (Some(folder), Some(program)) = (&entry.folder, argv.first_mut()) {
        anchor(program, folder);
    }
    let output = entry.output.unwrap_or(CommandOutput::Text);
    Ok(CommandConfig { name: name.to_owned(), argv, output, allow_dash: entry.allow_dash })
}

/// A program's path counts from the file's folder; a bare name is looked up on PATH.
fn anchor(program: &mut String, folder: &Path) {
    if program.contains('/')
        && let Some(path) = folder.join(&*program).to_str()
    {
        *program = path.to_owned();
    }
}

fn checked(command: CommandConfig) -> Result<CommandConfig, String> {
    let CommandConfig { name, argv, .. } = &command;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) || name == "." || name == ".."
    {
        let rule = "1 to 128 letters, digits, '_', '.' and '-'";
        return Err(format!("{name:?} is no name for a function: {rule}"));
    }
    if argv.first().is_none_or(String::is_empty) {
        return Err("no program is named".into());
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err("a command line can't hold a NUL".into());
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(lines: &[&str]) -> Result<Vec<CommandConfig>, String> {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        all(&lines, BTreeMap::new()).map_err(|error| error.to_string())
    }

    fn entry(name: &str, entry: CommandEntry) -> Result<Vec<CommandConfig>, String> {
        all(&[], BTreeMap::from([(name.to_owned(), entry)])).map_err(|error| error.to_string())
    }

    fn of(argv: &[&str]) -> CommandEntry {
        let argv = Some(argv.iter().map(ToString::to_string).collect());
        CommandEntry { argv, ..CommandEntry::default() }
    }

    #[test]
    fn a_flag_names_a_command() {
        let all = given(&["count=wc -w", "x-1.y_Z='my prog' \"a b\""]).expect("good");
        assert_eq!((all[0].name.as_str(), &all[0].argv), ("count", &vec!["wc".to_owned(), "-w".to_owned()]));
        assert_eq!((all[0].output, all[0].allow_dash), (CommandOutput::Text, false));
        assert_eq!((all[1].name.as_str(), &all[1].argv), ("x-1.y_Z", &vec!["my prog".into(), "a b".into()]));
        // A variable has one a line.
        let all = given(&["a=tr a b\nb=tr b a\n"]).expect("good");
        assert_eq!(all.iter().map(|one| one.argv.len()).collect::<Vec<_>>(), [3, 3]);
    }

    #[test]
    fn wrong_ones_are_told_by_name() {
        for (line, says) in [
            ("wc -w", "give NAME=PROGRAM"),
            ("", "give NAME=PROGRAM"),
            ("=wc", "no name for a function"),
            ("a/b=wc", "\"a/b\" is no name"),
            ("..=wc", "\"..\" is no name"),
            ("x=", "no program"),
            ("x=wc 'a", "a ' is not closed"),
        ] {
            let said = given(&[line]).expect_err(line);
            assert!(said.starts_with("--command ") && said.contains(says), "{said}");
        }
        assert!(given(&["a=wc", "a=cat"]).expect_err("twice").contains("the name a is given twice"));
        let said = entry("count", CommandEntry::default()).expect_err("empty");
        assert!(said.starts_with("[commands.count]: argv is missing"), "{said}");
        let both = CommandEntry { command: Some("wc".to_owned()), ..of(&["wc"]) };
        assert!(entry("count", both).expect_err("both").contains("not both"));
        assert!(entry("count", of(&[])).expect_err("none").contains("no program"));
        assert!(entry("count", of(&["wc", "a\0b"])).expect_err("a NUL").contains("NUL"));
        assert!(entry("a b", of(&["wc"])).expect_err("a name").contains("no name"));
    }

    #[test]
    fn a_flag_takes_the_place_of_the_files() {
        let entries = BTreeMap::from([("a".to_owned(), of(&["cat"])), ("b".to_owned(), of(&["tac"]))]);
        let all = all(&["a=wc".to_owned()], entries).expect("good");
        assert_eq!(all.iter().map(|one| one.argv[0].as_str()).collect::<Vec<_>>(), ["wc", "tac"]);
    }

    #[test]
    fn a_program_by_its_path_counts_from_the_file() {
        let folder = Some(PathBuf::from("/srv"));
        for (program, found) in [("bin/x", "/srv/bin/x"), ("x", "x"), ("/bin/x", "/bin/x")] {
            let all = entry("x", CommandEntry { folder: folder.clone(), ..of(&[program]) }).expect("good");
            assert_eq!(all[0].argv, [found]);
        }
    }
}
