//! What handlers take out of a request: who asks, and the body of operations that take little or nothing (those check
//! the query and Accept, too).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;

use super::body::read_small_body;
use super::headers::REQUEST_ID_HEADER;
use super::negotiate::{Takes, check_content_type, check_plain};
use super::problem::Problem;
use crate::api::no_arguments;
use crate::jobs::{IdempotencyKey, RequestId};
use crate::service::Caller;

/// Who asks, and how it wants to be answered.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// In which form it takes an answer.
    pub takes: Takes,
    /// Whether it sent an idempotency key.
    pub has_key: bool,
}

/// In a request's extensions: it has an idempotency key, under which its answer will be kept.
#[derive(Debug, Clone, Copy)]
pub struct HasKey;

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let request_id = parts.headers.get(REQUEST_ID_HEADER);
        // One that was not sent is made here, where it is first of use; whoever answers says which.
        let request_id = request_id.and_then(|value| RequestId::parse(value.as_bytes()));
        let request_id = Some(request_id.unwrap_or_else(RequestId::make));
        Ok(Self {
            caller: Caller { request_id, ..parts.extensions.get::<Caller>().cloned().unwrap_or_default() },
            takes: Takes::of(&parts.headers),
            has_key: parts.extensions.get::<HasKey>().is_some(),
        })
    }
}

/// In a submission's extensions: its idempotency key.
#[derive(Debug, Clone)]
pub struct SentKey(pub IdempotencyKey);

/// How bodies are read; part of the handlers' state.
#[derive(Debug, Clone, Copy)]
pub struct BodyRules {
    /// Without a byte for so long, a body is given up.
    pub stall_timeout: Duration,
    /// How deep its JSON may be nested.
    pub depth_max: usize,
}

/// A body that holds no work; empty if there is none.
pub struct SmallBody(pub Bytes);

impl<S> FromRequest<S> for SmallBody
where
    S: Send + Sync,
    BodyRules: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        check_plain(&head)?;
        let body = read_small_body(body, &head.headers, BodyRules::from_ref(state).stall_timeout).await;
        let body = body.map_err(|error| Problem::of_body(&error))?;
        if !body.is_empty() {
            check_content_type(&head.headers)?;
        }
        Ok(Self(body))
    }
}

/// No body, or a JSON object without members.
pub struct NoMembers;

impl<S> FromRequest<S> for NoMembers
where
    S: Send + Sync,
    BodyRules: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let SmallBody(body) = SmallBody::from_request(request, state).await?;
        if !body.is_empty() {
            no_arguments(&body, BodyRules::from_ref(state).depth_max)?;
        }
        Ok(Self)
    }
}
