//! How a process ended.

use nix::sys::signal::Signal;

use crate::sys::Ended;

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
                Ok(signal) => Self::Signal { signal, oom: signal == Signal::SIGKILL && oom_kills.grew() },
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

/// The kernel's count of processes killed for want of memory (`oom_kill` in `/proc/vmstat`).
#[derive(Debug)]
pub struct OomKills {
    seen: u64,
}

impl OomKills {
    /// Starts from the present count.
    pub fn new() -> Self {
        Self { seen: Self::count() }
    }

    /// Kills so far are nobody's that we know.
    pub fn forget(&mut self) {
        self.seen = Self::count();
    }

    /// Whether the count grew since last asked.
    fn grew(&mut self) -> bool {
        let now = Self::count();
        std::mem::replace(&mut self.seen, now) < now
    }

    fn count() -> u64 {
        let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}
