//! What a shared object answers instead of a value.

use std::fmt;

/// Why a call of a shared object failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectError {
    pub(super) code: String,
    pub(super) detail: String,
    pub(super) exception: Option<(String, String)>,
}

impl ObjectError {
    /// An error of this process's own.
    pub(super) fn local(detail: impl Into<String>) -> Self {
        Self { code: "unusable".into(), detail: detail.into(), exception: None }
    }

    /// The API's code: `empty`, `closed`, `over-release`, `unknown-object`, …
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What Python would have raised, where it would have: `KeyError`.
    #[must_use]
    pub fn exception(&self) -> Option<&str> {
        self.exception.as_ref().map(|(kind, _)| kind.as_str())
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ObjectError {}
