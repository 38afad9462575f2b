//! Why a text is not the JSON that is taken here, and where.

/// Why a text was refused, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ScanError {
    /// Counted from 0; the length of the text when it ended too early.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What a step of the scanner ends in. Boxed, so that this `Result` fits into two registers on the way that
/// matters.
pub(super) type Step<T> = Result<T, Box<ScanError>>;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing but white space.
    #[error("expected a value, found an empty text,")]
    Empty,
    /// A byte that cannot stand here.
    #[error("expected {expected}")]
    Unexpected {
        /// What could have stood here.
        expected: &'static str,
    },
    /// The text breaks off.
    #[error("expected {expected}, but the text ends")]
    UnexpectedEnd {
        /// What could have stood here.
        expected: &'static str,
    },
    /// The offset is that of the first byte that is no UTF-8. Found before any other fault, wherever it
    /// stands.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// The offset is that of the backslash.
    #[error("invalid escape in a string")]
    InvalidEscape,
    /// A byte below 0x20 inside a string.
    #[error("control character in a string, must be escaped,")]
    ControlCharacter,
    /// The offset is that of the byte that does not fit.
    #[error("invalid number")]
    InvalidNumber,
    /// A number beyond the range of a double; the offset is that of its first byte.
    #[error("number out of range (beyond ±1.8e308)")]
    NumberOutOfRange,
    /// The offset is that of the bracket that was one too many.
    #[error("more than {depth_max} nested arrays and objects")]
    TooDeep {
        /// How many are allowed.
        depth_max: usize,
    },
    /// An envelope with too many members; the offset is that of the first name beyond.
    #[error("more than {members_max} members")]
    TooManyMembers {
        /// How many are allowed.
        members_max: usize,
    },
    /// Something follows the value.
    #[error("expected the end of the text")]
    TrailingCharacters,
    /// The text begins with U+FEFF.
    #[error("byte order mark")]
    ByteOrderMark,
}

impl Reason {
    /// The error of this reason at `offset`, for a [`Step`].
    #[cold]
    pub(super) fn at(self, offset: usize) -> Box<ScanError> {
        Box::new(ScanError { offset, reason: self })
    }
}
