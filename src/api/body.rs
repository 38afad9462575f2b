//! The bodies of submissions: cut into members, arguments left as raw bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::options::{OPTIONS, with_options};
use super::query::Invalid;
use super::schemas;
use crate::jobs::State;
use crate::json::{self, EnvelopeError, Kind, Member, Splitter};
use crate::service::TermsAsked;

/// Items a task, at most.
pub(super) const CHUNKSIZE_MAX: i64 = 1_000_000_000;

/// `Pool.apply(function, args, kwargs)`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it stands for members in the document; no value is made")]
#[schema(example = json!({"function": "tasks.square", "args": [3]}))]
struct ApplyMembers {
    /// Public name of the function.
    function: String,
    /// Positional arguments; none if left out.
    args: Option<Vec<serde_json::Value>>,
    /// Named arguments; none if left out.
    kwargs: Option<serde_json::Map<String, serde_json::Value>>,
}

/// `Pool.map(function, iterable, chunksize)`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it stands for members in the document; no value is made")]
#[schema(example = json!({"function": "tasks.square", "iterable": [1, 2, 3]}))]
struct MapMembers {
    /// Public name of the function.
    function: String,
    /// The items.
    iterable: Vec<serde_json::Value>,
    /// Items a task.
    #[schema(schema_with = schemas::chunksize)]
    chunksize: Option<u64>,
    /// `raise` or `collect`.
    #[schema(schema_with = schemas::on_error)]
    on_error: Option<String>,
}

/// The body of a call: its members and the options, for the OpenAPI document.
#[derive(Debug)]
pub struct ApplyBody;

impl ToSchema for ApplyBody {}

impl PartialSchema for ApplyBody {
    fn schema() -> RefOr<Schema> {
        with_options(ApplyMembers::schema())
    }
}

/// The body of a map: its members and the options, for the OpenAPI document.
#[derive(Debug)]
pub struct MapBody;

impl ToSchema for MapBody {}

impl PartialSchema for MapBody {
    fn schema() -> RefOr<Schema> {
        with_options(MapMembers::schema())
    }
}

/// An [`ApplyBody`] whose arguments are raw.
#[derive(Debug)]
pub struct ApplyRequest {
    /// Public name.
    pub function: String,
    /// A JSON array.
    pub arguments: Bytes,
    /// A JSON object.
    pub keywords: Option<Bytes>,
    /// What else is asked for.
    pub options: TermsAsked,
}

/// A [`MapBody`] whose items are raw.
#[derive(Debug)]
pub struct MapRequest {
    /// Public name.
    pub function: String,
    /// A JSON array.
    pub items: Splitter,
    /// How many they are.
    pub count: usize,
    /// Items a task.
    pub chunksize: Option<usize>,
    /// Whether each item gets a record.
    pub collect: bool,
    /// What else is asked for.
    pub options: TermsAsked,
}

/// Why a body is refused.
#[derive(Debug)]
pub enum BodyProblem {
    /// It is no JSON, or too deep.
    NotJson(String),
    /// A member is wrong.
    Invalid(Invalid),
    /// It asks for durability, which needs a data directory.
    NotDurable,
}

impl From<Invalid> for BodyProblem {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<EnvelopeError> for BodyProblem {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::Scan(error) => Self::NotJson(error.to_string()),
            EnvelopeError::NotAnObject => invalid("body", "the body must be a JSON object"),
            EnvelopeError::Duplicate { name } => invalid(&name, "the member is given twice"),
        }
    }
}

pub(super) struct Members<'a> {
    text: &'a Bytes,
    members: Vec<Member<'a>>,
}

impl<'a> Members<'a> {
    pub(super) fn read(text: &'a Bytes, depth_max: usize, allowed: &[&[&str]]) -> Result<Self, BodyProblem> {
        let members = json::envelope(text, depth_max)?;
        let known = |member: &&Member<'_>| allowed.iter().any(|list| list.contains(&&*member.name));
        if let Some(unknown) = members.iter().find(|member| !known(member)) {
            let allowed = allowed.concat();
            let known = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            let name: String = unknown.name.chars().take(100).collect();
            let detail = format!("unknown member {name:?}; known here: {known}");
            return Err(invalid(&unknown.name, &detail));
        }
        Ok(Self { text, members })
    }

    /// A member that is null is left out: so clients write optional fields that have no value.
    fn find(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.name == name && member.kind != Kind::Null)
    }

    /// A member of this kind, as raw text.
    pub(super) fn raw(
        &self,
        name: &str,
        kind: Kind,
        what: &str,
    ) -> Result<Option<(Bytes, &Member<'a>)>, BodyProblem> {
        match self.find(name) {
            None => Ok(None),
            Some(member) if member.kind == kind => Ok(Some((self.text.slice(member.range.clone()), member))),
            Some(_) => Err(invalid(name, &format!("{name} must be {what}"))),
        }
    }

    /// A member's raw text, whatever it is.
    pub(super) fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.find(name).map(|member| &self.text[member.range.clone()])
    }

    /// A member that is a whole number from `least` to `most`.
    pub(super) fn whole<T: TryFrom<i64>>(
        &self,
        name: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<T>, BodyProblem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = json::whole(text).filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number
            .map(Some)
            .ok_or_else(|| invalid(name, &format!("{name} must be a whole number from {least} to {most}")))
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<String>, BodyProblem> {
        Ok(self.text(name).map(|text| json_string(name, text)).transpose()?)
    }

    fn function(&self) -> Result<String, BodyProblem> {
        let name = self.string("function")?;
        name.ok_or_else(|| {
            invalid("function", "the member function is missing: the public name of a function")
        })
    }
}

/// A member that is a string.
pub(super) fn json_string(name: &str, text: &[u8]) -> Result<String, Invalid> {
    if !text.starts_with(b"\"") {
        return Err(Invalid::new(name, format!("{name} must be a string")));
    }
    let text = serde_json::from_slice(text);
    text.map_err(|_| Invalid::new(name, format!("{name} must be valid Unicode: it has a lone surrogate")))
}

pub(super) fn invalid(member: &str, detail: &str) -> BodyProblem {
    BodyProblem::Invalid(Invalid::new(member, detail))
}

/// A body that may have no members.
pub fn no_arguments(text: &Bytes, depth_max: usize) -> Result<(), BodyProblem> {
    Members::read(text, depth_max, &[]).map(drop)
}

/// Which jobs to cancel: those that match all members; at least one must be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tag": "nightly"}))]
pub struct CancelBody {
    /// With this tag.
    pub tag: Option<String>,
    /// Of this function.
    pub function: Option<String>,
    /// `queued` or `running`.
    #[schema(schema_with = schemas::open_state)]
    pub state: Option<String>,
}

/// How many jobs were cancelled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"cancelled": 3}))]
pub struct Cancelled {
    /// How many; what ended by itself meanwhile doesn't count.
    pub cancelled: u64,
}

/// A [`CancelBody`], read.
#[derive(Debug)]
pub struct CancelRequest {
    /// With this tag.
    pub tag: Option<String>,
    /// Of this function.
    pub function: Option<String>,
    /// In this state.
    pub state: Option<State>,
}

impl CancelRequest {
    /// Reads a body.
    pub fn parse(text: &Bytes, depth_max: usize) -> Result<Self, BodyProblem> {
        let members = Members::read(text, depth_max, &[&["tag", "function", "state"]])?;
        let state = match members.string("state")? {
            None => None,
            Some(text) => {
                let state = State::parse(&text).filter(|state| !state.is_final());
                Some(state.ok_or_else(|| invalid("state", "state must be queued or running"))?)
            }
        };
        let (tag, function) = (members.string("tag")?, members.string("function")?);
        if tag.is_none() && function.is_none() && state.is_none() {
            return Err(invalid("tag", "at least one of tag, function and state must be given"));
        }
        Ok(Self { tag, function, state })
    }
}

impl ApplyRequest {
    /// Reads a body.
    pub fn parse(text: &Bytes, depth_max: usize) -> Result<Self, BodyProblem> {
        let members = Members::read(text, depth_max, &[&["function", "args", "kwargs"], OPTIONS])?;
        let arguments = members.raw("args", Kind::Array, "an array")?;
        let keywords = members.raw("kwargs", Kind::Object, "an object")?;
        Ok(Self {
            function: members.function()?,
            arguments: arguments.map_or(Bytes::from_static(b"[]"), |(text, _)| text),
            keywords: keywords.filter(|(_, member)| member.elements > 0).map(|(text, _)| text),
            options: TermsAsked::from_body(&members)?,
        })
    }
}

impl MapRequest {
    /// Reads a body.
    pub fn parse(text: &Bytes, depth_max: usize) -> Result<Self, BodyProblem> {
        let members =
            Members::read(text, depth_max, &[&["function", "iterable", "chunksize", "on_error"], OPTIONS])?;
        let function = members.function()?;
        let items = members.raw("iterable", Kind::Array, "an array")?;
        let (items, member) =
            items.ok_or_else(|| invalid("iterable", "the member iterable is missing: an array"))?;
        let chunksize = members.whole("chunksize", 1, CHUNKSIZE_MAX)?;
        let collect = match members.string("on_error")?.as_deref() {
            None | Some("raise") => false,
            Some("collect") => true,
            Some(_) => return Err(invalid("on_error", "on_error must be raise or collect")),
        };
        Ok(Self {
            function,
            count: member.elements,
            items: Splitter::indexed(items),
            chunksize,
            collect,
            options: TermsAsked::from_body(&members)?,
        })
    }
}
