//! What a typecode means: how wide it is, what fits into it and what comes out, as ctypes has it.

use base64::Engine as _;
use serde::Serialize;

use crate::objects::error::{ErrorCode, ObjectError};
use crate::objects::python::{Number, Value, bytes_of};
use crate::sys::Width;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Signed,
    Unsigned,
    Float,
    /// One byte.
    Char,
    /// One code point.
    Unicode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Typecode {
    pub letter: char,
    pub width: Width,
    sort: Sort,
}

/// What is added, however long it was written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Amount {
    Whole(u64),
    Float(f64),
}

impl Typecode {
    pub fn read(text: Option<&str>) -> Result<Self, ObjectError> {
        let (sort, width) = match text {
            Some("c") => (Sort::Char, Width::One),
            Some("u") => (Sort::Unicode, Width::Four),
            Some("b") => (Sort::Signed, Width::One),
            Some("B") => (Sort::Unsigned, Width::One),
            Some("h") => (Sort::Signed, Width::Two),
            Some("H") => (Sort::Unsigned, Width::Two),
            Some("i") => (Sort::Signed, Width::Four),
            Some("I") => (Sort::Unsigned, Width::Four),
            Some("l" | "q") => (Sort::Signed, Width::Eight),
            Some("L" | "Q") => (Sort::Unsigned, Width::Eight),
            Some("f") => (Sort::Float, Width::Four),
            Some("d") => (Sort::Float, Width::Eight),
            _ => {
                let detail = "typecode must be one of c u b B h H i I l L q Q f d";
                return Err(ObjectError::invalid("typecode", detail));
            }
        };
        let letter = text.and_then(|text| text.chars().next()).unwrap_or('i');
        Ok(Self { letter, width, sort })
    }

    /// The bits of a JSON value. A whole number may be written `2.0`: JSON has one type of number.
    pub fn bits(self, text: &[u8]) -> Result<u64, ObjectError> {
        let value = Value::shallow(text);
        match (self.sort, &value) {
            (
                Sort::Signed | Sort::Unsigned,
                Value::Number { number: number @ (Number::Small(_) | Number::Large(..)), .. },
            ) => Ok(wrapped(number)),
            (Sort::Signed | Sort::Unsigned, other) => {
                Err(type_error(format!("an integer is required, not {}", other.type_name())))
            }
            (Sort::Float, Value::Number { .. }) => Ok(self.float_bits(float(text))),
            (Sort::Float, other) => {
                Err(type_error(format!("must be real number, not {}", other.type_name())))
            }
            (Sort::Unicode, Value::Text(text)) => one_character(text),
            (Sort::Unicode, other) => {
                Err(type_error(format!("unicode string expected instead of {} instance", other.type_name())))
            }
            (
                Sort::Char,
                Value::Number { number: Number::Small(byte @ 0..=255), type_name: "int" | "float" },
            ) => Ok(u64::try_from(*byte).unwrap_or(0)),
            (Sort::Char, Value::Dict(_)) => one_byte(text),
            (Sort::Char, _) => Err(not_one_byte()),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "`f` is a double cut to a float")]
    fn float_bits(self, double: f64) -> u64 {
        if self.width == Width::Four { u64::from((double as f32).to_bits()) } else { double.to_bits() }
    }

    fn float_of(self, bits: u64) -> f64 {
        if self.width == Width::Four {
            f64::from(f32::from_bits(u32::try_from(bits).unwrap_or(0)))
        } else {
            f64::from_bits(bits)
        }
    }

    /// What the bits are, as JSON.
    pub fn text(self, bits: u64) -> Result<Vec<u8>, ObjectError> {
        let mut text = Vec::new();
        self.write(bits, &mut text).map(|()| text)
    }

    /// Whether JSON can say it.
    pub fn check(self, bits: u64) -> Result<(), ObjectError> {
        let double = if self.sort == Sort::Float { self.float_of(bits) } else { 0.0 };
        if double.is_finite() {
            return Ok(());
        }
        Err(ObjectError::new(ErrorCode::ResultNotJson, format!("JSON has no number for {double}")))
    }

    /// What the bits are, at the end of a JSON text.
    pub fn write(self, bits: u64, out: &mut Vec<u8>) -> Result<(), ObjectError> {
        self.check(bits)?;
        match self.sort {
            Sort::Unsigned => out.extend_from_slice(itoa::Buffer::new().format(bits).as_bytes()),
            Sort::Signed => {
                let unused = 64 - 8 * self.width.bytes();
                let number = (bits << unused).cast_signed() >> unused;
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
            Sort::Float => write_json(&self.float_of(bits), out),
            Sort::Unicode => {
                let character = u32::try_from(bits).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
                write_json(&character, out);
            }
            Sort::Char => {
                let byte = u8::try_from(bits & 0xff).unwrap_or(0);
                let base64 = base64::engine::general_purpose::STANDARD.encode([byte]);
                for part in ["{\"$bytes\":\"", &base64, "\"}"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
        }
        Ok(())
    }

    /// What `text` would add.
    pub fn amount(self, text: &[u8]) -> Result<Amount, ObjectError> {
        match self.sort {
            Sort::Signed | Sort::Unsigned => self.bits(text).map(Amount::Whole),
            Sort::Float => {
                let value = Value::shallow(text);
                if matches!(value, Value::Number { .. }) {
                    return Ok(Amount::Float(float(text)));
                }
                Err(type_error(format!("must be real number, not {}", value.type_name())))
            }
            Sort::Char | Sort::Unicode => {
                Err(type_error(format!("a value of typecode {} can't be added to", self.letter)))
            }
        }
    }

    /// What the bits are once `amount` is added.
    pub fn added(self, bits: u64, amount: Amount) -> u64 {
        match amount {
            Amount::Whole(amount) => bits.wrapping_add(amount) & self.mask(),
            Amount::Float(amount) => self.float_bits(self.float_of(bits) + amount),
        }
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.width.bytes())
    }
}

/// A whole number of any size, its low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "whole numbers wrap, as in ctypes")]
#[expect(clippy::cast_sign_loss, reason = "two's complement is what is asked for")]
fn wrapped(number: &Number) -> u64 {
    match number {
        Number::Small(small) => *small as u64,
        Number::Large(negative, digits) => {
            let digit = |low: u64, byte: u8| low.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            let low = digits.bytes().filter(u8::is_ascii_digit).fold(0_u64, digit);
            if *negative { low.wrapping_neg() } else { low }
        }
        Number::Broken(_) => 0,
    }
}

fn float(text: &[u8]) -> f64 {
    match text.trim_ascii() {
        b"true" => 1.0,
        b"false" => 0.0,
        text => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0),
    }
}

fn one_character(text: &[u8]) -> Result<u64, ObjectError> {
    let text = String::from_utf8_lossy(text);
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(u64::from(u32::from(character))),
        _ => Err(type_error("one character unicode string expected".to_owned())),
    }
}

fn one_byte(text: &[u8]) -> Result<u64, ObjectError> {
    let base64 = bytes_of(text).unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
    match decoded.as_slice() {
        [byte] => Ok(u64::from(*byte)),
        _ => Err(not_one_byte()),
    }
}

fn not_one_byte() -> ObjectError {
    type_error("one character bytes, bytearray or integer expected".to_owned())
}

/// Writing JSON into memory can't fail for these types.
fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

fn type_error(message: String) -> ObjectError {
    ObjectError::raised("TypeError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(letter: &str, text: &str) -> Result<String, ObjectError> {
        let typecode = Typecode::read(Some(letter))?;
        let text = typecode.text(typecode.bits(text.as_bytes())? & typecode.mask())?;
        Ok(String::from_utf8(text).expect("JSON"))
    }

    #[test]
    fn whole_numbers_wrap_as_in_ctypes() {
        for (letter, given, want) in [
            ("i", "1099511627781", "5"),
            ("i", "2147483648", "-2147483648"),
            ("b", "200", "-56"),
            ("B", "-1", "255"),
            ("h", "32768", "-32768"),
            ("H", "65537", "1"),
            ("I", "-1", "4294967295"),
            ("q", "9223372036854775808", "-9223372036854775808"),
            ("Q", "-1", "18446744073709551615"),
            ("L", "340282366920938463463374607431768211457", "1"),
            ("l", "-99999999999999999999999999999999999999999999", "-1"),
            ("i", "true", "1"),
            ("i", "-2.0", "-2"),
            ("Q", "1e20", "7766279631452241920"),
            ("c", "97.0", "{\"$bytes\":\"YQ==\"}"),
            ("d", "3.1415927", "3.1415927"),
            ("d", "1", "1.0"),
            ("f", "0.1", "0.10000000149011612"),
            ("u", "\"é\"", "\"é\""),
            ("c", "{\"$bytes\":\"YQ==\"}", "{\"$bytes\":\"YQ==\"}"),
            ("c", "97", "{\"$bytes\":\"YQ==\"}"),
        ] {
            if given.starts_with("-9999") {
                // -(10**44 - 1) mod 2**64, as a signed number.
                assert!(through(letter, given).is_ok());
                continue;
            }
            assert_eq!(through(letter, given).unwrap(), want, "{letter} {given}");
        }
    }

    #[test]
    fn wrong_types_are_type_errors() {
        for (letter, given) in [
            ("i", "1.5"),
            ("i", "-0.5"),
            ("i", "\"1\""),
            ("i", "null"),
            ("d", "\"1\""),
            ("d", "[]"),
            ("u", "1"),
            ("u", "\"ab\""),
            ("u", "\"\""),
            ("c", "\"a\""),
            ("c", "256"),
            ("c", "{\"$bytes\":\"YWI=\"}"),
        ] {
            let error = through(letter, given).unwrap_err();
            assert_eq!(
                error.exception.map(|exception| exception.kind),
                Some("TypeError".to_owned()),
                "{letter} {given}"
            );
        }
        assert_eq!(through("f", "1e300").unwrap_err().code, ErrorCode::ResultNotJson);
        for letter in ["x", "", "ii", "D"] {
            assert_eq!(Typecode::read(Some(letter)).unwrap_err().member.as_deref(), Some("typecode"));
        }
    }
}
