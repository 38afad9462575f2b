//! A gate that holds a function of the fixtures for as long as the test likes: what is to be seen while it runs
//! depends on no clock.

use std::fs;

use tempfile::TempDir;

/// A file; the functions that are given its path wait while it is there. Dropped, it is open.
#[derive(Debug)]
pub struct Gate {
    folder: TempDir,
}

impl Gate {
    /// A gate that is shut.
    #[track_caller]
    pub fn shut() -> Self {
        let gate = Self { folder: tempfile::tempdir().expect("a folder can be made") };
        fs::write(gate.path(), "").expect("a file can be made");
        gate
    }

    /// What the functions are given. One that is to pass at once is given the empty string.
    pub fn path(&self) -> String {
        self.folder.path().join("gate").to_string_lossy().into_owned()
    }

    /// Lets them pass.
    #[track_caller]
    pub fn open(&self) {
        fs::remove_file(self.path()).expect("a gate is opened once");
    }
}
