//! Quantities as an operator writes them: `0.5`, `500ms`, `64MiB`, `100000`, `on`. One syntax for
//! flags, environment and file.
//!
//! The range of a setting is part of its type, so that a value out of range is refused where it is
//! read: the message then names the flag, or the line of the file. Which setting has which range says
//! `settings.rs`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A duration of at least `MIN` and at most `MAX` milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds<const MIN: u64, const MAX: u64>(pub Duration);

/// A size of at least `MIN` and at most `MAX` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<const MIN: u64, const MAX: u64>(pub u64);

/// A whole number of at least `MIN` and at most `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MIN: u64, const MAX: u64>(pub u64);

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub bool);

/// What of the code is loaded before workers are forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// What can be.
    Auto,
    /// Everything, or the start fails.
    On,
    /// Nothing.
    Off,
}

impl fmt::Display for Preload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "on" } else { "off" })
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Seconds<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_duration(self.0))
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Bytes<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_size(self.0))
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Count<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: u64, const MAX: u64> Bytes<MIN, MAX> {
    /// As the machine counts; what it cannot count is no bound to it.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> Count<MIN, MAX> {
    /// As the machine counts; what it cannot count is no bound to it.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const DURATION_HINT: &str = "give seconds as a number (0.5), or a number with ms, s, m or h (500ms, 5m)";
const SIZE_HINT: &str = "give bytes as a whole number, or one with KiB, MiB, GiB or TiB (64MiB)";

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    fn from_seconds(seconds: f64) -> Result<Self, String> {
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        let duration =
            Duration::try_from_secs_f64(seconds).map_err(|_| out_of_range(show_duration, min, max))?;
        if duration < min || duration > max {
            return Err(out_of_range(show_duration, min, max));
        }
        Ok(Self(duration))
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Seconds<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let factor = match unit {
            "" | "s" => 1.0,
            "ms" => 0.001,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(DURATION_HINT.to_owned()),
        };
        let number: f64 = number.parse().map_err(|_| DURATION_HINT.to_owned())?;
        Self::from_seconds(number * factor)
    }
}

impl<const MIN: u64, const MAX: u64> Bytes<MIN, MAX> {
    fn new(bytes: Option<u64>) -> Result<Self, String> {
        bytes
            .filter(|bytes| (MIN..=MAX).contains(bytes))
            .map(Self)
            .ok_or_else(|| out_of_range(show_size, MIN, MAX))
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Bytes<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "kib" => 10,
            "mib" => 20,
            "gib" => 30,
            "tib" => 40,
            _ => return Err(SIZE_HINT.to_owned()),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SIZE_HINT.to_owned());
        }
        // A number too long for 64 bits is out of range, not misspelled.
        Self::new(number.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift)))
    }
}

impl<const MIN: u64, const MAX: u64> Count<MIN, MAX> {
    fn new(count: Option<u64>) -> Result<Self, String> {
        count
            .filter(|count| (MIN..=MAX).contains(count))
            .map(Self)
            .ok_or_else(|| out_of_range(|count: u64| count.to_string(), MIN, MAX))
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Count<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("give a whole number".to_owned());
        }
        Self::new(text.parse().ok())
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Ok(Self(true)),
            "off" | "false" | "no" | "0" => Ok(Self(false)),
            _ => Err("give on or off".to_owned()),
        }
    }
}

impl FromStr for Preload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(Switch(true)) => Ok(Self::On),
            Ok(Switch(false)) => Ok(Self::Off),
            Err(_) if text.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            Err(_) => Err("give auto, on or off".to_owned()),
        }
    }
}

/// The number and what follows it, which may stand apart by blanks.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.trim_end(), unit)
}

fn out_of_range<T>(show: impl Fn(T) -> String, min: T, max: T) -> String {
    format!("out of range: at least {}, at most {}", show(min), show(max))
}

/// In the syntax that is read: `75s`, `1h`, `500ms`.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}

/// In the syntax that is read: `64MiB`, `1GiB`, `1000`.
pub fn show_size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// What stands in a file: a number, a text or a truth value.
enum Scalar {
    Integer(i64),
    Float(f64),
    Text(String),
    Truth(bool),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Seconds<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Integer(number) => number.to_string().parse(),
            Scalar::Float(number) => Self::from_seconds(number),
            Scalar::Text(text) => text.parse(),
            Scalar::Truth(_) => Err(DURATION_HINT.to_owned()),
        }
        .map_err(Error::custom)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bytes<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Integer(number) => Self::new(u64::try_from(number).ok()),
            Scalar::Text(text) => text.parse(),
            Scalar::Float(_) | Scalar::Truth(_) => Err(SIZE_HINT.to_owned()),
        }
        .map_err(Error::custom)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Integer(number) => Self::new(u64::try_from(number).ok()),
            Scalar::Text(_) | Scalar::Float(_) | Scalar::Truth(_) => Err("give a whole number".to_owned()),
        }
        .map_err(Error::custom)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Truth(value) => Ok(Self(value)),
            Scalar::Text(text) => text.parse(),
            Scalar::Integer(_) | Scalar::Float(_) => Err("give true or false".to_owned()),
        }
        .map_err(Error::custom)
    }
}

impl<'de> Deserialize<'de> for Preload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Truth(true) => Ok(Self::On),
            Scalar::Truth(false) => Ok(Self::Off),
            Scalar::Text(text) => text.parse(),
            Scalar::Integer(_) | Scalar::Float(_) => Err("give auto, on or off".to_owned()),
        }
        .map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Wait = Seconds<100, 86_400_000>;
    type Size = Bytes<1_024, { 1 << 40 }>;

    #[test]
    fn durations_are_read_with_and_without_units() {
        for (text, millis) in
            [("0.5", 500), ("500ms", 500), ("3s", 3_000), ("5m", 300_000), ("1h", 3_600_000), ("2 s", 2_000)]
        {
            assert_eq!(text.parse(), Ok(Seconds::<100, 86_400_000>(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "s", "1d", "-", "1 2", "five", "0x10"] {
            assert_eq!(text.parse::<Wait>(), Err(DURATION_HINT.to_owned()), "{text}");
        }
        for text in ["-1", "0", "NaN", "inf", "1e308", "25h", "99ms", "86400.001"] {
            assert!(text.parse::<Wait>().is_err(), "{text}");
        }
        assert_eq!("25h".parse::<Wait>(), Err("out of range: at least 100ms, at most 24h".to_owned()));
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [("1024", 1_024), ("64MiB", 64 << 20), ("1gib", 1 << 30), ("2 KiB", 2_048)] {
            assert_eq!(text.parse(), Ok(Bytes::<1_024, { 1 << 40 }>(bytes)), "{text}");
        }
        for text in ["", "MiB", "64MB", "1.5GiB", "-1", "+5000", "64k"] {
            assert_eq!(text.parse::<Size>(), Err(SIZE_HINT.to_owned()), "{text}");
        }
        for text in ["0", "1023", "2TiB", "99999999999999999999999", "18446744073709551615GiB"] {
            assert_eq!(
                text.parse::<Size>(),
                Err("out of range: at least 1KiB, at most 1TiB".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn counts_are_whole_and_in_range() {
        type Workers = Count<1, 1_024>;
        assert_eq!("4".parse::<Workers>(), Ok(Count(4)));
        for text in ["0", "-1", "1025", "99999999999999999999999"] {
            assert_eq!(
                text.parse::<Workers>(),
                Err("out of range: at least 1, at most 1024".to_owned()),
                "{text}"
            );
        }
        for text in ["", "x", "1.5", "+1", "1_000"] {
            assert_eq!(text.parse::<Workers>(), Err("give a whole number".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for millis in [0, 500, 1_500, 75_000, 60_000, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(show_duration(duration).parse(), Ok(Seconds::<0, 86_400_000>(duration)));
        }
        for bytes in [0, 1, 1_000, 1 << 10, 64 << 20, 3 << 30] {
            assert_eq!(show_size(bytes).parse(), Ok(Bytes::<0, { 1 << 40 }>(bytes)));
        }
    }
}
