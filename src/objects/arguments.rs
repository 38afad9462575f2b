//! The arguments of one call: the members of a JSON object, checked against the table, left as raw text.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::catalog::{Param, ParamType};
use super::error::{ErrorCode, ObjectError};
use crate::json::{self, EnvelopeError, Kind};

/// From so many bytes on, an item that makes up half of a body stays a part of it instead of a copy.
const SHARED_FROM: usize = 64 << 10;

/// What was given, by the parameters' own names.
#[derive(Debug)]
pub(super) struct Arguments {
    text: Bytes,
    given: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    name: &'static str,
    range: Range<usize>,
    kind: Kind,
    elements: usize,
}

impl Arguments {
    /// Reads and checks an object; nothing at all is an empty one.
    pub fn read(text: Bytes, params: &'static [Param], depth_max: usize) -> Result<Self, ObjectError> {
        let given = if text.is_empty() { Vec::new() } else { given(&text, params, depth_max)? };
        let arguments = Self { text, given };
        for param in params.iter().filter(|param| param.required) {
            if arguments.find(param.name).is_none() {
                let about = param.about.trim_end_matches('.');
                let detail = format!("the member {} is missing: {about}", param.name);
                return Err(ObjectError::invalid(param.name, detail));
            }
        }
        Ok(arguments)
    }

    fn find(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.name == name)
    }

    /// An argument as it stands.
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.find(name).and_then(|given| self.text.get(given.range.clone()))
    }

    /// An argument as it stands, to be kept.
    pub fn kept(&self, name: &str) -> Option<Bytes> {
        let given = self.find(name)?;
        let part = self.text.slice(given.range.clone());
        let shares = part.len() >= SHARED_FROM && part.len() * 2 >= self.text.len();
        Some(if shares { part } else { Bytes::copy_from_slice(&part) })
    }

    /// How many elements or members an argument has.
    pub fn elements(&self, name: &str) -> usize {
        self.find(name).map_or(0, |given| given.elements)
    }

    /// How many bytes the whole body has.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// What all of it may cost once it is kept.
    pub fn cost(&self) -> usize {
        let elements: usize = self.given.iter().map(|given| given.elements).sum();
        self.text.len().saturating_add(elements.saturating_add(1).saturating_mul(super::quota::ITEM_BYTES))
    }

    /// A truth.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.raw(name).map(|text| text == b"true")
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.raw(name).and_then(json::whole)
    }

    /// A whole number that the table keeps from being negative.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.integer(name).and_then(|number| usize::try_from(number).ok())
    }

    /// A string.
    pub fn text(&self, name: &str) -> Result<Option<String>, ObjectError> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        let text = serde_json::from_slice(text);
        text.map(Some).map_err(|_| ObjectError::invalid(name, format!("{name} must be valid Unicode")))
    }

    /// A duration. Over HTTP (`most` is given) it is refused when it is negative or too long; in the library a
    /// negative one is 0 and an endless one none.
    pub fn seconds(&self, name: &str, most: Option<Duration>) -> Result<Option<Duration>, ObjectError> {
        let Some(seconds) = self.raw(name).and_then(float) else { return Ok(None) };
        let Some(most) = most else {
            return Ok(Duration::try_from_secs_f64(seconds.max(0.0))
                .ok()
                .filter(|time| time.as_secs() < u64::MAX / 4));
        };
        let duration = Duration::try_from_secs_f64(seconds).ok().filter(|_| seconds <= most.as_secs_f64());
        duration.map(Some).ok_or_else(|| {
            let most = most.as_secs();
            ObjectError::invalid(
                name,
                format!("{name} must be a number of seconds from 0 to {most}, not {seconds}"),
            )
        })
    }
}

fn float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn unknown_member(name: &str, known: &str) -> String {
    let name: String = name.chars().take(100).collect();
    format!("unknown member {name:?}; known here: {known}")
}

fn given(text: &Bytes, params: &'static [Param], depth_max: usize) -> Result<Vec<Given>, ObjectError> {
    let members = json::envelope(text, depth_max).map_err(|error| match error {
        EnvelopeError::Scan(error) => ObjectError::new(ErrorCode::InvalidJson, error.to_string()),
        EnvelopeError::NotAnObject => {
            ObjectError::invalid("body", "the body must be a JSON object: arguments by name")
        }
        EnvelopeError::Duplicate { name } => ObjectError::invalid(&name, "the member is given twice"),
    })?;
    let mut given = Vec::with_capacity(members.len());
    for member in members {
        let Some(param) = params.iter().find(|param| param.is(&member.name)) else {
            let names: Vec<&str> = params.iter().map(|param| param.name).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(ObjectError::invalid(&member.name, unknown_member(&member.name, &known)));
        };
        if given.iter().any(|other: &Given| other.name == param.name) {
            return Err(ObjectError::invalid(param.name, "the member is given twice, under two names"));
        }
        // None is the default of whatever may be left out.
        if member.kind == Kind::Null && param.param_type != ParamType::Any && !param.required {
            if param.param_type == ParamType::Seconds {
                given.push(Given { name: param.name, range: member.range, kind: Kind::Null, elements: 0 });
            }
            continue;
        }
        let value = text.get(member.range.clone()).unwrap_or_default();
        if !fits(param.param_type, member.kind, value) {
            let detail = format!("{} must be {}", param.name, what(param.param_type));
            return Err(ObjectError::invalid(param.name, detail));
        }
        let (least, most) = param.bounds;
        if param.param_type == ParamType::Integer
            && json::whole(value).is_none_or(|number| number < least || number > most)
        {
            let detail = format!("{} must be a whole number from {least} to {most}", param.name);
            return Err(ObjectError::invalid(param.name, detail));
        }
        let (kind, elements) = (member.kind, member.elements);
        given.push(Given { name: param.name, range: member.range, kind, elements });
    }
    Ok(given)
}

impl Arguments {
    /// Whether it was given as null.
    pub fn is_null(&self, name: &str) -> bool {
        self.find(name).is_some_and(|given| given.kind == Kind::Null)
    }
}

fn fits(param_type: ParamType, kind: Kind, value: &[u8]) -> bool {
    match param_type {
        ParamType::Any => true,
        ParamType::Bool => kind == Kind::Bool,
        ParamType::Integer => kind == Kind::Number && json::whole(value).is_some(),
        ParamType::Seconds => kind == Kind::Number,
        ParamType::Text => kind == Kind::String,
        ParamType::List => kind == Kind::Array,
        ParamType::Pairs => matches!(kind, Kind::Array | Kind::Object),
    }
}

fn what(param_type: ParamType) -> &'static str {
    match param_type {
        ParamType::Any => "any JSON",
        ParamType::Bool => "true or false",
        ParamType::Integer => "a whole number of at most 64 bits",
        ParamType::Seconds => "a number of seconds",
        ParamType::Text => "a string",
        ParamType::List => "an array",
        ParamType::Pairs => "an array of pairs, or an object",
    }
}
