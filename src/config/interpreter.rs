//! Which Python runs the functions: the one that is named, else that of a virtual environment, else `python3`.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// An interpreter, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// A path, or a name that is looked up on `PATH`. Symbolic links stay: by them Python finds its environment.
    pub program: PathBuf,
    /// Why it is this one.
    pub chosen_by: ChosenBy,
}

/// What has chosen an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// The operator, by `--python`.
    Name,
    /// An environment that is active.
    VirtualEnv,
    /// The environment that this very program is installed in.
    OwnEnvironment,
    /// An environment in the current folder.
    Folder,
    /// Nothing else is there.
    Path,
}

impl fmt::Display for ChosenBy {
    /// In words that stand behind the interpreter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "named by --python",
            Self::VirtualEnv => "of VIRTUAL_ENV",
            Self::OwnEnvironment => "of the virtual environment that forkpool is installed in",
            Self::Folder => "of ./.venv",
            Self::Path => "python3 on PATH: no virtual environment was found",
        })
    }
}

/// What may choose one where none is named.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `VIRTUAL_ENV`, if it is set and not empty.
    pub virtual_env: Option<PathBuf>,
    /// This program's own file.
    pub executable: Option<PathBuf>,
    /// The current folder.
    pub folder: Option<PathBuf>,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        Self {
            virtual_env: std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty()).map(Into::into),
            executable: std::env::current_exe().ok(),
            folder: std::env::current_dir().ok(),
        }
    }
}

/// The files of tools that install each program into an environment of its own, with which functions have nothing to
/// do.
const TOOL_MARKS: [&str; 2] = ["uv-receipt.toml", "pipx_metadata.json"];
/// Folders of environments that such a tool makes for one run.
const TOOL_CACHES: [&str; 2] = ["archive-v", "environments-v"];

/// The interpreter that is named, or that the surroundings mean.
pub(super) fn choose(named: Option<PathBuf>, around: &Surroundings) -> Result<Interpreter, ConfigError> {
    let chosen = |program, chosen_by| Ok(Interpreter { program, chosen_by });
    if let Some(program) = named {
        if program.is_dir() {
            let shown = program.display();
            let hint = "give the interpreter in it, as in .venv/bin/python";
            return Err(ConfigError(format!("--python {shown} is a folder: {hint}")));
        }
        return chosen(program, ChosenBy::Name);
    }
    if let Some(environment) = &around.virtual_env {
        return chosen(python_of(environment, "VIRTUAL_ENV")?, ChosenBy::VirtualEnv);
    }
    let own = around.executable.as_deref().and_then(Path::parent).and_then(Path::parent);
    if let Some(python) = own.filter(|own| is_environment(own) && !is_of_a_tool(own)).map(python_in)
        && can_run(&python)
    {
        return chosen(python, ChosenBy::OwnEnvironment);
    }
    let folder = around.folder.as_ref().map(|folder| folder.join(".venv"));
    if let Some(environment) = folder.filter(|folder| is_environment(folder)) {
        return chosen(python_of(&environment, "./.venv")?, ChosenBy::Folder);
    }
    chosen("python3".into(), ChosenBy::Path)
}

fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").is_file()
}

fn is_of_a_tool(environment: &Path) -> bool {
    let is_cache = |part: &std::ffi::OsStr| {
        TOOL_CACHES.iter().any(|name| part.as_encoded_bytes().starts_with(name.as_bytes()))
    };
    TOOL_MARKS.iter().any(|mark| environment.join(mark).exists()) || environment.iter().any(is_cache)
}

fn python_in(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

fn can_run(python: &Path) -> bool {
    fs::metadata(python).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

/// The interpreter of an environment that is meant: another one must not run in its place unnoticed.
fn python_of(environment: &Path, meant_by: &str) -> Result<PathBuf, ConfigError> {
    let python = python_in(environment);
    if can_run(&python) {
        return Ok(python);
    }
    let why = match fs::symlink_metadata(&python) {
        Ok(there) if there.is_symlink() => "is a link that leads nowhere: make the environment anew",
        Ok(_) => "can't be executed: make the environment anew",
        Err(_) => "is not there: make the environment, or leave it",
    };
    let other = if meant_by == "VIRTUAL_ENV" { " (deactivate; unset VIRTUAL_ENV)" } else { "" };
    Err(ConfigError(format!(
        "{meant_by} means the interpreter {}, which {why}{other}, or name another one with --python",
        python.display()
    )))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that looks like a virtual environment.
    fn environment(folder: &Path) -> PathBuf {
        fs::create_dir_all(folder.join("bin")).expect("made");
        fs::write(folder.join("pyvenv.cfg"), "home = /usr/bin\n").expect("written");
        symlink("/bin/sh", folder.join("bin/python")).expect("linked");
        folder.join("bin/python")
    }

    #[track_caller]
    fn is(named: Option<&Path>, around: &Surroundings, program: &Path, chosen_by: ChosenBy) {
        let interpreter = Interpreter { program: program.to_owned(), chosen_by };
        assert_eq!(choose(named.map(Path::to_owned), around).expect("good"), interpreter);
    }

    #[test]
    fn the_first_that_is_meant_is_taken() {
        let home = tempfile::tempdir().expect("a folder");
        let [active, own, folder] = ["active", "own", "project"].map(|name| home.path().join(name));
        let active_python = environment(&active);
        let own_python = environment(&own);
        let folder_python = environment(&folder.join(".venv"));
        let mut around = Surroundings {
            virtual_env: Some(active),
            executable: Some(own.join("bin/forkpool")),
            folder: Some(folder),
        };
        is(Some(Path::new("python3.12")), &around, Path::new("python3.12"), ChosenBy::Name);
        is(None, &around, &active_python, ChosenBy::VirtualEnv);
        around.virtual_env = None;
        is(None, &around, &own_python, ChosenBy::OwnEnvironment);
        around.executable = Some("/usr/local/bin/forkpool".into());
        is(None, &around, &folder_python, ChosenBy::Folder);
        around.folder = Some(home.path().to_owned());
        is(None, &around, Path::new("python3"), ChosenBy::Path);
        is(None, &Surroundings::default(), Path::new("python3"), ChosenBy::Path);
    }

    #[test]
    fn a_tools_own_environment_is_none_of_the_functions() {
        let home = tempfile::tempdir().expect("a folder");
        for (place, mark) in [
            ("uv/tools/forkpool", "uv-receipt.toml"),
            ("pipx/venvs/forkpool", "pipx_metadata.json"),
            ("cache/archive-v0/AbC", "x"),
        ] {
            let folder = home.path().join(place);
            environment(&folder);
            fs::write(folder.join(mark), "").expect("written");
            let executable = Some(folder.join("bin/forkpool"));
            let around = Surroundings { executable, ..Surroundings::default() };
            is(None, &around, Path::new("python3"), ChosenBy::Path);
        }
    }

    #[test]
    fn an_environment_without_an_interpreter_is_told() {
        let home = tempfile::tempdir().expect("a folder");
        let told = |named: Option<&Path>, around: &Surroundings| {
            choose(named.map(Path::to_owned), around).expect_err("refused").to_string()
        };
        let gone = home.path().join("gone");
        let around = Surroundings { virtual_env: Some(gone.clone()), ..Surroundings::default() };
        let text = told(None, &around);
        assert!(text.starts_with(&format!("VIRTUAL_ENV means the interpreter {}", gone.display())), "{text}");
        assert!(text.contains("is not there") && text.contains("--python"), "{text}");
        fs::remove_file(environment(&home.path().join(".venv"))).expect("removed");
        symlink("/nowhere/python3", home.path().join(".venv/bin/python")).expect("linked");
        let around = Surroundings { folder: Some(home.path().to_owned()), ..Surroundings::default() };
        let text = told(None, &around);
        assert!(text.starts_with("./.venv means") && text.contains("leads nowhere"), "{text}");
        let text = told(Some(home.path()), &around);
        assert!(text.contains("is a folder") && text.contains(".venv/bin/python"), "{text}");
        // A folder of this name that is no environment means nothing.
        fs::remove_file(home.path().join(".venv/pyvenv.cfg")).expect("removed");
        is(None, &around, Path::new("python3"), ChosenBy::Path);
    }
}
