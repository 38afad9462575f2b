//! How a process ended.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::sys::{Ended, group_folders};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It left by itself with this status.
    Code(i32),
    /// A signal ended it; `oom` when the kernel's memory killer sent it.
    Signal {
        /// Which.
        signal: Signal,
        /// Whether the memory killer was seen at work.
        oom: bool,
    },
    /// A real-time signal of this number, which has no name, ended it.
    RealTime(i32),
    /// Its status was lost.
    Unknown,
}

impl Exit {
    /// Reads a status; the memory killer is known by the kernel's count of its kills.
    pub fn from_status(status: Ended, oom_kills: &mut OomKills) -> Self {
        match status {
            Ended::Code(code) => Self::Code(code),
            Ended::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => Self::Signal { signal, oom: signal == Signal::SIGKILL && oom_kills.take_one() },
                Err(_) => Self::RealTime(number),
            },
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal { signal, oom: false } => write!(f, "{signal}"),
            Self::Signal { signal, oom: true } => write!(f, "{signal}, out of memory"),
            Self::RealTime(number) => write!(f, "signal {number}"),
            Self::Unknown => write!(f, "an unknown cause"),
        }
    }
}

/// The kernel's count of the processes that its memory killer has ended: those of the server's control group, which are
/// the server, its workers and what they started. A neighbour on the machine doesn't count.
#[derive(Debug)]
pub struct OomKills {
    /// A file with a line `oom_kill N`.
    counter: PathBuf,
    seen: u64,
}

impl OomKills {
    /// Starts from the present count.
    pub fn new() -> Self {
        Self::of(&group_folders("memory"))
    }

    /// Counts for the nearest of these groups. Where none counts (the server is in the root group, or the kernel has no
    /// memory groups), the machine's count is the only sign: with it a neighbour's kill may be taken for ours, without
    /// it every death for want of memory would look like a kill by hand.
    fn of(groups: &[PathBuf]) -> Self {
        let mut files = groups.iter().flat_map(|group| COUNTERS.map(|name| group.join(name)));
        let counter = files.find(|file| count(file).is_some());
        let counter = counter.unwrap_or_else(|| PathBuf::from("/proc/vmstat"));
        Self { seen: count(&counter).unwrap_or(0), counter }
    }

    /// Kills so far are nobody's that we know.
    pub fn forget(&mut self) {
        self.seen = count(&self.counter).unwrap_or(0);
    }

    /// Whether there was a kill that no other death has been told by.
    fn take_one(&mut self) -> bool {
        let grew = count(&self.counter).is_some_and(|now| now > self.seen);
        self.seen += u64::from(grew);
        grew
    }
}

/// Where a group counts: version 2, version 1.
const COUNTERS: [&str; 2] = ["memory.events", "memory.oom_control"];

fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: Ended = Ended::Signal(9);

    fn write(folder: &Path, name: &str, kills: u64) {
        fs::create_dir_all(folder).expect("made");
        let text = format!("low 0\noom 9\noom_kill {kills}\noom_group_kill 9\n");
        fs::write(folder.join(name), text).expect("written");
    }

    fn is_oom(ended: Ended, kills: &mut OomKills) -> bool {
        matches!(Exit::from_status(ended, kills), Exit::Signal { oom: true, .. })
    }

    #[test]
    fn a_kill_in_the_own_group_is_told_from_one_by_hand() {
        for name in COUNTERS {
            let root = tempfile::tempdir().expect("a folder");
            let (own, above) = (root.path().join("a/b"), root.path().join("a"));
            write(&own, name, 3);
            write(&above, name, 5);
            let mut kills = OomKills::of(&[own.clone(), above.clone()]);
            assert!(!is_oom(KILLED, &mut kills), "by hand");
            write(&above, name, 6);
            assert!(!is_oom(KILLED, &mut kills), "a neighbour's");
            write(&own, name, 5);
            assert!(!is_oom(Ended::Signal(15), &mut kills) && !is_oom(Ended::Code(0), &mut kills));
            assert!(is_oom(KILLED, &mut kills) && is_oom(KILLED, &mut kills), "two at once");
            assert!(!is_oom(KILLED, &mut kills), "both are told");
            write(&own, name, 6);
            kills.forget();
            assert!(!is_oom(KILLED, &mut kills), "too long ago");
        }
    }

    #[test]
    fn a_container_without_its_path_counts_at_its_mount_and_no_group_at_the_machine() {
        let mount = tempfile::tempdir().expect("a folder");
        let groups = [mount.path().join("host/path"), mount.path().to_owned()];
        assert_eq!(OomKills::of(&groups).counter, Path::new("/proc/vmstat"));
        // Kernels before 4.13 don't count here.
        fs::write(mount.path().join("memory.oom_control"), "under_oom 0\n").expect("written");
        assert_eq!(OomKills::of(&groups).counter, Path::new("/proc/vmstat"));
        write(mount.path(), "memory.events", 0);
        assert_eq!(OomKills::of(&groups).counter, mount.path().join("memory.events"));
    }
}
