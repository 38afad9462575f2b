//! What pools and shared objects may be called: a name is a segment of a path.

/// Longest name, in characters.
const NAME_MAX: usize = 128;

/// What a name is, in words.
pub const NAME_RULE: &str = "1 to 128 of A-Z, a-z, 0-9, _, . and -, and not . or ..";

/// Whether this is a name: 1 to 128 of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`, and not `.` or `..`.
pub fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(good) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_short_and_fit_a_path() {
        for good in ["a", "A.b_c-9", "...", "-", &"x".repeat(128)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", "a\n", &"x".repeat(129)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
