//! Numbers as Python has them: whole ones of any size beside doubles, compared exactly.

use std::cmp::Ordering;

/// A whole number, or a double that isn't one. Equal numbers are equal values, so that they can be keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::objects) enum Number {
    /// Of at most 127 bits.
    Small(i128),
    /// A larger one: whether it is negative, and its digits.
    Large(bool, Box<str>),
    /// The bits of a double that is no whole number.
    Broken(u64),
}

impl Number {
    /// Of a checked JSON number.
    pub fn read(text: &str) -> Self {
        // Most are short and whole.
        if text.len() < 19
            && let Ok(small) = text.parse::<i64>()
        {
            return Self::Small(small.into());
        }
        if text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
            return Self::whole(text);
        }
        let double: f64 = text.parse().unwrap_or(0.0);
        if double == double.trunc() {
            Self::whole(&format!("{double:.0}"))
        } else {
            Self::Broken(double.to_bits())
        }
    }

    /// What it holds besides itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Large(_, digits) => digits.len(),
            Self::Small(_) | Self::Broken(_) => 0,
        }
    }

    fn whole(text: &str) -> Self {
        if let Ok(small) = text.parse() {
            return Self::Small(small);
        }
        let digits = text.trim_start_matches('-');
        Self::Large(text.starts_with('-'), digits.into())
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(one), Self::Small(other)) => one.cmp(other),
            (Self::Broken(one), Self::Broken(other)) => {
                f64::from_bits(*one).total_cmp(&f64::from_bits(*other))
            }
            (Self::Large(one, digits), Self::Large(other, others)) => match (one, other) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                (negative, _) => {
                    let order = digits.len().cmp(&others.len()).then_with(|| digits.cmp(others));
                    if *negative { order.reverse() } else { order }
                }
            },
            (Self::Large(negative, _), _) => {
                if *negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, Self::Large(negative, _)) => {
                if *negative {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Self::Small(one), Self::Broken(bits)) => {
                // A double that is no whole number is less than 2**52: its floor is exact.
                let floor = Self::Small(i128_of(f64::from_bits(*bits).floor()));
                if Self::Small(*one) <= floor { Ordering::Less } else { Ordering::Greater }
            }
            (Self::Broken(_), Self::Small(_)) => other.cmp(self).reverse(),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller's number is far below the bound")]
fn i128_of(number: f64) -> i128 {
    number as i128
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_in_python() {
        let read = Number::read;
        for (one, other) in [
            ("1", "1.0"),
            ("0", "-0.0"),
            ("1e3", "1000"),
            ("1e300", &format!("{:.0}", 1e300_f64)),
            ("-0", "0"),
        ] {
            assert_eq!(read(one), read(other), "{one} {other}");
        }
        for (less, more) in [
            ("1", "2"),
            ("-1.5", "-1"),
            ("-2", "-1.5"),
            ("1", "1.5"),
            ("1.5", "2"),
            ("9007199254740992.0", "9007199254740993"),
            ("99999999999999999999999999999999999999999", "1e300"),
            ("-1e300", "-99999999999999999999999999999999999999999"),
            ("-99999999999999999999999999999999999999999", "0.5"),
            ("0.1", "0.2"),
            ("-0.5", "0"),
        ] {
            assert!(read(less) < read(more) && read(more) > read(less), "{less} < {more}");
            assert_ne!(read(less), read(more));
        }
    }
}
