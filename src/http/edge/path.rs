//! Names and ids in the path. What is no UTF-8 is a name that nothing has: 404 like any other.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path, RawPathParams};
use axum::http::request::Parts;

/// What stands for a part of a path that is no UTF-8.
const NO_TEXT: &str = "\u{FFFD}";

/// The one variable part of a path, decoded.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(name.map_or_else(|_| NO_TEXT.to_owned(), |Path(name)| name)))
    }
}

/// The variable parts of an object's path, decoded; empty where the route has none.
#[derive(Debug)]
pub struct ObjectPath {
    pub name: String,
    /// Of a pipe.
    pub end: String,
    pub method: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ObjectPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(params) = RawPathParams::from_request_parts(parts, state).await else {
            return Ok(Self { name: NO_TEXT.to_owned(), end: String::new(), method: NO_TEXT.to_owned() });
        };
        let part = |name: &str| {
            let found = params.iter().find(|(key, _)| *key == name);
            found.map_or_else(String::new, |(_, value)| value.to_owned())
        };
        Ok(Self { name: part("name"), end: part("end"), method: part("method") })
    }
}
