//! The runtimes: what functions are written in.

use std::fmt;

/// What a function is written in, and so which zygotes and workers run it. In the order of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// Programs, each executed for a call.
    Command,
    /// Rust: the `builtin.*` functions, and those of the program that this is in.
    Native,
    /// Python.
    Python,
}

impl Runtime {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Native => "native",
            Self::Python => "python",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
