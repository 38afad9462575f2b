//! The bodies of operations that take little or nothing, as extractors: each checks the query and Accept, too.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};

use super::body::read_small_body;
use super::negotiate::{check_content_type, check_plain};
use super::problem::Problem;
use super::state::Shared;
use crate::api::no_arguments;

/// A body that holds no work; empty if there is none.
pub struct SmallBody(pub Bytes);

impl FromRequest<Arc<Shared>> for SmallBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<Shared>) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        check_plain(&head)?;
        let body = read_small_body(body, &head.headers, app.limits.body_stall_timeout).await;
        let body = body.map_err(|error| Problem::of_body(&error))?;
        if !body.is_empty() {
            check_content_type(&head.headers)?;
        }
        Ok(Self(body))
    }
}

/// No body, or a JSON object without members.
pub struct NoMembers;

impl FromRequest<Arc<Shared>> for NoMembers {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<Shared>) -> Result<Self, Problem> {
        let SmallBody(body) = SmallBody::from_request(request, app).await?;
        if !body.is_empty() {
            no_arguments(&body, app.limits.depth_max)?;
        }
        Ok(Self)
    }
}
