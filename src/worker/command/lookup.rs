//! Which file a program's name means, as a shell looks it up; without running it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::Refused;

/// Where programs are when `PATH` is not set.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// The absolute path of the program: a name with a slash is a path, any other is looked up in the folders of
/// `path`.
pub fn find(name: &str, path: Option<&OsStr>) -> Result<PathBuf, Refused> {
    if name.contains('/') {
        return usable(Path::new(name)).map_err(|why| refused(why, format!("{name} {}", why.said())));
    }
    let mut worst = Why::Missing;
    for folder in std::env::split_paths(path.unwrap_or(OsStr::new(PATH_DEFAULT))) {
        // An empty entry means the current folder: no place to take programs from by accident.
        if folder.as_os_str().is_empty() {
            continue;
        }
        match usable(&folder.join(name)) {
            Ok(found) => return Ok(found),
            Err(Why::NotExecutable) => worst = Why::NotExecutable,
            Err(Why::Missing) => {}
        }
    }
    Err(refused(worst, format!("the program {name} {} (looked up on PATH)", worst.said())))
}

#[derive(Clone, Copy)]
enum Why {
    Missing,
    NotExecutable,
}

impl Why {
    fn said(self) -> &'static str {
        match self {
            Self::Missing => "is not there",
            Self::NotExecutable => "can't be executed",
        }
    }
}

fn refused(why: Why, message: String) -> Refused {
    let reason = match why {
        Why::Missing => "not-found",
        Why::NotExecutable => "not-callable",
    };
    Refused { reason, message }
}

/// Links stay: many programs look at the name that they were called by.
fn usable(path: &Path) -> Result<PathBuf, Why> {
    let is_file = std::fs::metadata(path).map_err(|_| Why::Missing)?.is_file();
    if !is_file || access(path, AccessFlags::X_OK).is_err() {
        return Err(Why::NotExecutable);
    }
    std::path::absolute(path).map_err(|_| Why::Missing)
}
