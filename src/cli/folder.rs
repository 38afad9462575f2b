//! A folder of the demo's own for its examples: unique, readable by this user alone, gone at the
//! end.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Removed with all that is in it when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder where temporary files go.
    pub fn new() -> io::Result<Self> {
        let base = std::env::temp_dir();
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let mut attempt = 0_u32;
        loop {
            let path = base.join(format!("forkpool-demo-{}-{nanos}-{attempt}", std::process::id()));
            // A name that someone else took, a link included, is left alone.
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                    attempt += 1;
                }
                made => return made.map(|()| Self(path)),
            }
        }
    }

    /// Puts a file into it.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            super::tell(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_gone_at_the_end() {
        let (one, two) = (Folder::new().expect("made"), Folder::new().expect("made"));
        assert_ne!(one.0, two.0);
        let file = one.write("pool.py", "pass\n").expect("written");
        let mode = fs::metadata(&one.0).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let path = one.0.clone();
        drop(one);
        assert!(!file.exists() && !path.exists());
    }
}
