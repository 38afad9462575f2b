//! What a number's text says.

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// A whole number of 64 bits, also one that is written with a point or an exponent: JSON knows no difference
/// (`2.0`). `None` for any other text.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub fn whole(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.contains(['.', 'e', 'E']) {
        return text.parse().ok();
    }
    let number: f64 = text.parse().ok()?;
    let fits = number.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&number);
    fits.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_or_an_exponent_makes_no_difference() {
        for (text, number) in [
            ("0", 0),
            ("-0.0", 0),
            ("2.0", 2),
            ("12e2", 1_200),
            ("-1.5E1", -15),
            ("9007199254740993", 9_007_199_254_740_993),
            ("9223372036854775807", i64::MAX),
            ("-9.223372036854775808e18", i64::MIN),
        ] {
            assert_eq!(whole(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["1.5", "1e-1", "1e400", "9.3e18", "9223372036854775808", "\"1\"", "true", "[1]", ""] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }
}
