//! What typed calls and maps take: arguments by name in the body, options in the query.

use bytes::Bytes;
use serde::Deserialize;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};

use super::body::{BodyProblem, CHUNKSIZE_MAX, Members, invalid};
use super::options::TYPED_OPTIONS;
use super::query::{Invalid, Query};
use super::schemas;
use crate::json::{self, Kind, Splitter};
use crate::service::TermsAsked;

/// The options of maps alone.
const MAP_OPTIONS: [&str; 2] = ["chunksize", "on_error"];

/// The arguments of a typed call, one JSON object; none are an empty one.
pub fn named_arguments(text: &Bytes, depth_max: usize) -> Result<Bytes, BodyProblem> {
    if text.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    json::envelope(text, depth_max)?;
    Ok(text.slice_ref(text.trim_ascii()))
}

/// The items of a typed map.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it stands for members in the document; no value is made")]
#[schema(example = json!({"iterable": [{"x": 1}, {"x": 2}, {"x": 3}]}))]
pub struct TypedMapBody {
    /// The items: the arguments by name of a call each.
    iterable: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// The items of a typed map, raw, and how many they are.
pub fn named_items(text: &Bytes, depth_max: usize) -> Result<(Splitter, usize), BodyProblem> {
    let members = Members::read(text, depth_max, &[&["iterable"]])?;
    let items = members.raw("iterable", Kind::Array, "an array")?;
    let (items, member) =
        items.ok_or_else(|| invalid("iterable", "the member iterable is missing: an array"))?;
    Ok((Splitter::indexed(items), member.elements))
}

/// The query of a typed map.
#[derive(Debug)]
pub struct TypedMapOptions {
    /// Items a task.
    pub chunksize: Option<usize>,
    /// Whether each item gets a record.
    pub collect: bool,
    /// What else is asked for.
    pub options: TermsAsked,
}

impl TypedMapOptions {
    /// The parameters that may stand in the query.
    pub fn names() -> Vec<&'static str> {
        [&MAP_OPTIONS, TYPED_OPTIONS.as_slice()].concat()
    }

    /// Reads a query.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BodyProblem> {
        let most = usize::try_from(CHUNKSIZE_MAX).unwrap_or(usize::MAX);
        let collect = match query.text("on_error") {
            None | Some("raise") => false,
            Some("collect") => true,
            Some(_) => return Err(Invalid::new("on_error", "on_error must be raise or collect").into()),
        };
        let chunksize = query.number("chunksize", 1..=most)?;
        Ok(Self { chunksize, collect, options: TermsAsked::from_query(query)? })
    }
}

/// The parameters of maps alone, for the OpenAPI document.
impl IntoParams for TypedMapOptions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, mut schema: Object| {
            let description = schema.description.take();
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(description)
                .schema(Some(schema))
                .build()
        };
        vec![parameter("chunksize", schemas::chunksize()), parameter("on_error", schemas::on_error())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_without_what_stands_around_it() {
        let read = |text: &str| named_arguments(&Bytes::from(text.to_owned()), 8);
        assert_eq!(read("").unwrap(), "{}");
        assert_eq!(read(" {\"x\": 1}\n").unwrap(), "{\"x\": 1}");
        for wrong in [" ", "[1]", "{\"x\":1,\"x\":2}", "{", "7"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_typed_map_has_items_in_its_body_and_options_in_its_query() {
        let query = "chunksize=2&on_error=collect&tags=a";
        let query = Query::parse(Some(query), &TypedMapOptions::names()).unwrap();
        let options = TypedMapOptions::from_query(&query).unwrap();
        assert_eq!((options.chunksize, options.collect), (Some(2), true));
        assert_eq!(options.options.terms.tags, ["a"]);
        for wrong in ["chunksize=0", "chunksize=x", "on_error=ignore", "on_error="] {
            let query = Query::parse(Some(wrong), &TypedMapOptions::names()).unwrap();
            assert!(TypedMapOptions::from_query(&query).is_err(), "{wrong}");
        }
        assert!(Query::parse(Some("convert=false"), &TypedMapOptions::names()).is_err());
        let (_, count) = named_items(&r#"{"iterable":[{"x":1},{}]}"#.into(), 8).unwrap();
        assert_eq!(count, 2);
        for wrong in ["{}", "[]", r#"{"iterable":{}}"#, r#"{"iterable":[],"chunksize":1}"#] {
            assert!(named_items(&Bytes::from(wrong), 8).is_err(), "{wrong}");
        }
    }
}
