//! What Python is to serve: files, modules and single functions, checked as far as that goes
//! without running Python.

use std::path::{Path, PathBuf};

use super::interpreter::{self, Surroundings};
use super::{ConfigError, PythonConfig, PythonFile};

const PACKAGE_HINT: &str = "for a package, give its modules by name, as in shop.images, and --python-path with the \
                            folder above it unless that is the current one";

/// What was given, in words.
#[derive(Debug)]
pub struct Given {
    /// Files and modules, mixed.
    pub targets: Vec<String>,
    /// Single functions by their full names.
    pub functions: Vec<String>,
    /// `--python`.
    pub interpreter: Option<PathBuf>,
    /// `--python-path`.
    pub paths: Vec<PathBuf>,
    /// Whether the name `builtin` is taken.
    pub builtin: bool,
}

/// Whether the target is a file rather than a module.
pub fn is_file(target: &str) -> bool {
    target.ends_with(".py") || target.contains('/')
}

/// `None` when nothing Python is offered.
pub fn python(given: Given) -> Result<Option<PythonConfig>, ConfigError> {
    if given.targets.is_empty() && given.functions.is_empty() {
        return Ok(None);
    }
    let (mut files, mut modules, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for target in given.targets {
        if is_file(&target) {
            let file = file(&target, given.builtin)?;
            if let Some(folder) = file.path.parent() {
                push_new(&mut paths, folder.to_owned());
            }
            add_file(&mut files, file)?;
        } else {
            push_new(&mut modules, module(target)?);
        }
    }
    let mut added_paths = Vec::new();
    for path in given.paths {
        let folder = folder(&path)?;
        push_new(&mut paths, folder.clone());
        push_new(&mut added_paths, folder);
    }
    let mut functions = Vec::new();
    for name in given.functions {
        push_new(&mut functions, function(name)?);
    }
    let around = Surroundings::of_this_process();
    let interpreter = interpreter::choose(given.interpreter, &around)?;
    let by_name = !modules.is_empty() || !functions.is_empty();
    // Paths travel to the interpreter as JSON texts.
    let folder = around.folder.filter(|folder| by_name && folder.to_str().is_some());
    Ok(Some(PythonConfig { interpreter, paths, added_paths, folder, files, modules, functions }))
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn add_file(files: &mut Vec<PythonFile>, file: PythonFile) -> Result<(), ConfigError> {
    match files.iter().find(|other| other.module == file.module) {
        None => files.push(file),
        Some(other) if other.path == file.path => {}
        Some(other) => {
            return refuse(format!(
                "{} and {} would both be the module {}: rename one",
                other.path.display(),
                file.path.display(),
                file.module
            ));
        }
    }
    Ok(())
}

fn file(target: &str, builtin: bool) -> Result<PythonFile, ConfigError> {
    let path = absolute(Path::new(target))?;
    if path.is_dir() {
        return refuse(format!("{target} is a folder: give a .py file in it; {PACKAGE_HINT}"));
    }
    if !path.is_file() {
        return refuse(format!("{target} is not there, or is no file"));
    }
    let module = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".py"));
    match module {
        None => refuse(format!("{target} is no Python file: its name must end in .py")),
        Some("__init__" | "__main__") => refuse(format!("{target} is part of a package: {PACKAGE_HINT}")),
        Some("builtin") if builtin => refuse(format!(
            "{target}: the name belongs to the native functions of --builtin: rename the file"
        )),
        Some(stem) if !is_identifier(stem) => refuse(format!(
            "{target}: {stem:?} is no Python identifier, so {stem}.NAME would name nothing: rename the file"
        )),
        Some(stem) => Ok(PythonFile { module: stem.to_owned(), path }),
    }
}

fn module(target: String) -> Result<String, ConfigError> {
    if target.split('.').all(is_identifier) {
        return Ok(target);
    }
    refuse(format!("{target:?} is neither a file (tasks.py) nor the name of a module (package.module)"))
}

fn function(name: String) -> Result<String, ConfigError> {
    if name.contains('.') && name.split('.').all(is_identifier) {
        return Ok(name);
    }
    refuse(format!("--function {name:?}: give a full name, module.function, like os.getpid"))
}

fn folder(path: &Path) -> Result<PathBuf, ConfigError> {
    let absolute = absolute(path)?;
    if absolute.is_dir() {
        return Ok(absolute);
    }
    refuse(format!("--python-path {} is not there, or is no folder", path.display()))
}

/// Symbolic links stay: a mounted configuration swaps its files by swapping a link.
fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    let absolute =
        std::path::absolute(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
    // Paths travel to the interpreter as JSON texts.
    if absolute.to_str().is_none() {
        return refuse(format!("the path {} is not UTF-8", absolute.display()));
    }
    Ok(absolute)
}

fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

fn refuse<T>(reason: String) -> Result<T, ConfigError> {
    Err(ConfigError(reason))
}
