//! From the raw arguments of a call to the values of parameters.

use std::collections::BTreeMap;

use serde::de::value::Error as NoValue;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_json::value::RawValue;

use super::write::Path;
use crate::worker::native::{Arguments, Raised};
use crate::worker::objects;

/// What was given for one parameter.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    /// Its JSON, if it was given.
    given: Option<&'a [u8]>,
    /// Which parameter, from 0.
    at: usize,
    /// Its name, if it may be given by name.
    name: Option<&'static str>,
    by_name: bool,
}

/// What was given for each parameter.
pub struct Slots<'a, const N: usize>(pub [Slot<'a>; N]);

impl<'a, const N: usize> Slots<'a, N> {
    /// Lays the arguments out; the error is one that belongs to no parameter.
    pub fn of(arguments: &Arguments<'a>, names: Option<&[&'static str; N]>) -> Result<Self, Raised> {
        let given = arguments.positional.len();
        if given > N {
            let message = format!("the function takes at most {N} arguments, {given} were given");
            return Err(Raised::invalid("$.args", message));
        }
        let mut slots = std::array::from_fn(|at| Slot {
            given: arguments.positional.get(at).copied(),
            at,
            name: names.map(|names| names[at]),
            by_name: false,
        });
        if let Some(keywords) = arguments.keywords {
            place(&mut slots, keywords)?;
        }
        Ok(Self(slots))
    }
}

/// Puts keyword arguments where their names say.
fn place<'a>(slots: &mut [Slot<'a>], keywords: &'a [u8]) -> Result<(), Raised> {
    let keywords: BTreeMap<String, &'a RawValue> = serde_json::from_slice(keywords)
        .map_err(|error| Raised::invalid("$.kwargs", format!("no object: {error}")))?;
    for (name, value) in keywords {
        let wrong = |message: &str| Raised::invalid(&Path::keyword(&name), message);
        let Some(slot) = slots.iter_mut().find(|slot| slot.name == Some(&name)) else {
            let none = slots.iter().all(|slot| slot.name.is_none());
            return Err(wrong(if none {
                "the function takes no keyword arguments"
            } else {
                "the function has no parameter of this name"
            }));
        };
        if slot.given.is_some() {
            return Err(wrong("the argument is given twice: by position and by name"));
        }
        *slot = Slot { given: Some(value.get().as_bytes()), by_name: true, ..*slot };
    }
    Ok(())
}

/// The value for a parameter. What was not given is none, where that is a value of the type.
pub fn read<T: DeserializeOwned>(slot: &Slot<'_>) -> Result<T, Raised> {
    let Some(given) = slot.given else {
        return T::deserialize(Absent).map_err(|_| {
            let which = slot.name.map_or(format!("argument {}", slot.at + 1), |name| format!("`{name}`"));
            Raised::invalid("$.args", format!("{which} is missing"))
        });
    };
    serde_json::from_slice(given).map_err(|error| {
        let path = match slot.name {
            Some(name) if slot.by_name => Path::keyword(name),
            _ => format!("$.args[{}]", slot.at),
        };
        match objects::refused() {
            Some(message) => Raised::UnknownRef { message, path },
            None => Raised::invalid(&path, words(&error, given)),
        }
    })
}

/// Whether a parameter of this type may be left out.
pub fn may_be_absent<T: DeserializeOwned>() -> bool {
    T::deserialize(Absent).is_ok()
}

/// What does not fit; where in the argument, if that has parts.
fn words(error: &serde_json::Error, given: &[u8]) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let words = text.strip_suffix(&place).unwrap_or(&text);
    match given.first() {
        Some(b'[' | b'{') if error.line() > 0 => format!("{words} (the argument's{})", &place[3..]),
        _ => words.to_owned(),
    }
}

/// An argument that was not given: an `Option` takes it, nothing else does.
struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoValue> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
