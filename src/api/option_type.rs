//! The types of options: how a value is read, from JSON or from a query, and what the OpenAPI document says of it.

use std::num::TryFromIntError;
use std::time::Duration;

use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use super::body::{BodyProblem, json_string};
use super::code::Code;
use super::query::{Invalid, seconds};
use crate::jobs::FailureCode;
use crate::json;
use crate::service::TermsAsked;

/// A type, with where its value goes.
#[derive(Debug)]
pub(super) enum OptionType {
    /// Seconds from 0, fractions too.
    Seconds { most: u32, set: fn(&mut TermsAsked, Duration) },
    /// A whole number; `set` refuses what its field can't hold.
    Whole { least: i64, most: i64, set: fn(&mut TermsAsked, i64) -> Result<(), TryFromIntError> },
    /// A string; with a bound, of 1 to so many characters.
    Text { chars_max: Option<usize>, set: fn(&mut TermsAsked, String) },
    /// A list of strings, each of 1 to `chars_max` characters.
    Texts { most: usize, chars_max: usize, set: fn(&mut TermsAsked, Vec<String>) },
    /// A list of these codes. It may repeat one; each is kept once.
    Codes { of: &'static [FailureCode], set: fn(&mut TermsAsked, Vec<FailureCode>) },
    /// One of these words; `set` is told which.
    OneOf { of: &'static [&'static str], set: fn(&mut TermsAsked, usize) },
    /// True or false.
    Truth { set: fn(&mut TermsAsked, bool) },
    /// `false`; `true` asks for what this server can't do.
    False { refusal: fn() -> BodyProblem },
}

/// A value as it was given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    /// A member of a body: its JSON.
    Json(&'a [u8]),
    /// A parameter of a query, decoded.
    Query(&'a str),
}

impl OptionType {
    /// Reads a value into the options. `name` is for messages.
    pub(super) fn read(
        &self,
        name: &str,
        given: Given<'_>,
        options: &mut TermsAsked,
    ) -> Result<(), BodyProblem> {
        let wrong = || self.wrong(name, given);
        match self {
            Self::Seconds { most, set } => set(options, given.seconds(*most).ok_or_else(wrong)?),
            Self::Whole { least, most, set } => {
                let number = given.whole().filter(|number| (*least..=*most).contains(number));
                let kept = number.and_then(|number| set(options, number).ok());
                kept.ok_or_else(wrong)?;
            }
            Self::Text { chars_max, set } => {
                let text = given.text(name)?;
                if !chars_max.is_none_or(|most| is_of_length(&text, most)) {
                    return Err(wrong().into());
                }
                set(options, text);
            }
            Self::Texts { most, chars_max, set } => {
                let texts = given.texts().filter(|texts| {
                    texts.len() <= *most && texts.iter().all(|text| is_of_length(text, *chars_max))
                });
                set(options, texts.ok_or_else(wrong)?);
            }
            Self::Codes { of, set } => {
                let codes = given.texts().and_then(|names| codes_of(&names, of));
                set(options, codes.ok_or_else(wrong)?);
            }
            Self::OneOf { of, set } => {
                let text = given.text(name)?;
                set(options, of.iter().position(|word| *word == text).ok_or_else(wrong)?);
            }
            Self::Truth { set } => set(options, given.truth().ok_or_else(wrong)?),
            Self::False { refusal } => {
                if given.truth().ok_or_else(wrong)? {
                    return Err(refusal());
                }
            }
        }
        Ok(())
    }

    fn wrong(&self, name: &str, given: Given<'_>) -> Invalid {
        let is_number = matches!(self, Self::Seconds { .. } | Self::Whole { .. });
        let shown = match given {
            Given::Query(text) if is_number => format!(", not {text:?}"),
            Given::Query(_) | Given::Json(_) => String::new(),
        };
        Invalid::new(name, format!("{name} must be {}{shown}", self.words()))
    }

    /// What a value must be.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Seconds { most, .. } => format!("a number of seconds from 0 to {most}"),
            Self::Whole { least, most, .. } => format!("a whole number from {least} to {most}"),
            Self::Text { chars_max: None, .. } => "a string".to_owned(),
            Self::Text { chars_max: Some(most), .. } => format!("a string of 1 to {most} characters"),
            Self::Texts { most, chars_max, .. } => {
                format!("a list of at most {most} strings of 1 to {chars_max} characters")
            }
            Self::Codes { of, .. } => format!("a list of codes, of: {}", names(of).join(", ")),
            Self::OneOf { of, .. } => of.join(" or "),
            Self::Truth { .. } | Self::False { .. } => "true or false".to_owned(),
        }
    }

    /// Its schema as a member of a body.
    pub(super) fn schema(&self, about: &str) -> Schema {
        match self {
            Self::Texts { .. } | Self::Codes { .. } => self.list(false).description(Some(about)).into(),
            Self::Seconds { .. }
            | Self::Whole { .. }
            | Self::Text { .. }
            | Self::OneOf { .. }
            | Self::Truth { .. }
            | Self::False { .. } => self.single().description(Some(about)).into(),
        }
    }

    /// Its schema as a parameter of a query.
    pub(super) fn query_schema(&self) -> Schema {
        if self.is_list() { self.list(true).min_items(Some(1)).into() } else { self.single().into() }
    }

    /// Whether it is a list: in a query, one with commas between, or one whose parameter is repeated.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Texts { .. } | Self::Codes { .. })
    }

    fn list(&self, is_in_query: bool) -> ArrayBuilder {
        let (mut item, mut most) = (self.single(), None);
        if let Self::Texts { most: texts, .. } = self {
            most = Some(*texts);
            // A comma would make two of one.
            item = if is_in_query { item.pattern(Some("^[^,]*$")) } else { item };
        }
        ArrayBuilder::new().items(item).max_items(most)
    }

    /// The schema of the value, or of an item of a list.
    fn single(&self) -> ObjectBuilder {
        match self {
            Self::Seconds { most, .. } => {
                let number =
                    of_type(Type::Number).format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)));
                number.minimum(Some(0)).maximum(Some(*most))
            }
            Self::Whole { least, most, .. } => {
                let number =
                    of_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
                number.minimum(Some(*least)).maximum(Some(*most))
            }
            Self::Text { chars_max, .. } => {
                of_type(Type::String).min_length(chars_max.map(|_| 1)).max_length(*chars_max)
            }
            Self::Texts { chars_max, .. } => {
                of_type(Type::String).min_length(Some(1)).max_length(Some(*chars_max))
            }
            Self::Codes { of, .. } => of_type(Type::String).enum_values(Some(names(of))),
            Self::OneOf { of, .. } => of_type(Type::String).enum_values(Some(of.iter().copied())),
            Self::Truth { .. } => of_type(Type::Boolean),
            Self::False { .. } => of_type(Type::Boolean).enum_values(Some([false])),
        }
    }
}

impl Given<'_> {
    fn seconds(self, most: u32) -> Option<Duration> {
        let text = match self {
            Self::Json(text) => std::str::from_utf8(text).ok()?,
            Self::Query(text) => text,
        };
        seconds(text, Duration::from_secs(most.into()))
    }

    fn whole(self) -> Option<i64> {
        match self {
            Self::Json(text) => json::whole(text),
            Self::Query(text) => text.parse().ok(),
        }
    }

    fn text(self, name: &str) -> Result<String, Invalid> {
        match self {
            Self::Json(text) => json_string(name, text),
            Self::Query(text) => Ok(text.to_owned()),
        }
    }

    fn texts(self) -> Option<Vec<String>> {
        match self {
            Self::Json(text) => serde_json::from_slice(text).ok(),
            Self::Query(text) => Some(text.split(',').map(str::to_owned).collect()),
        }
    }

    fn truth(self) -> Option<bool> {
        match self {
            Self::Json(b"true") | Self::Query("true") => Some(true),
            Self::Json(b"false") | Self::Query("false") => Some(false),
            Self::Json(_) | Self::Query(_) => None,
        }
    }
}

fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

fn is_of_length(text: &str, chars_max: usize) -> bool {
    (1..=chars_max).contains(&text.chars().count())
}

fn names(codes: &[FailureCode]) -> Vec<&'static str> {
    codes.iter().map(|code| Code::from(*code).as_str()).collect()
}

fn codes_of(names: &[String], of: &[FailureCode]) -> Option<Vec<FailureCode>> {
    let mut codes = Vec::new();
    for name in names {
        let code = *of.iter().find(|code| Code::from(**code).as_str() == name)?;
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_kept_once_however_often_it_is_said() {
        let of = [FailureCode::RunTimeout, FailureCode::WorkerDied];
        let names: Vec<String> =
            ["worker-died", "run-timeout"].repeat(1_000).into_iter().map(str::to_owned).collect();
        assert_eq!(codes_of(&names, &of), Some(vec![FailureCode::WorkerDied, FailureCode::RunTimeout]));
        assert_eq!(codes_of(&[], &of), Some(Vec::new()));
        assert_eq!(codes_of(&["worker-died".into(), "cancelled".into()], &of), None);
    }
}
