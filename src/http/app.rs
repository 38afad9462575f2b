//! What handlers share, and how they answer: the service is asked, and what it says is written down.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::FromRef;
use axum::response::{IntoResponse, Response};

use super::render::render;
use crate::api;
use crate::config::Limits;
use crate::http::edge::extract::{Asker, BodyRules};
use crate::http::edge::headers::{REQUEST_ID_HEADER, request_id_value};
use crate::http::edge::negotiate::Takes;
use crate::http::edge::problem::Problem;
use crate::http::edge::value_body::{Raw, raw_bytes};
use crate::jobs::{IdempotencyKey, Keys, Outcome, Value};
use crate::offload::offload;
use crate::service::{Answer, Ended, Refusal, Request, Service};

impl FromRef<Arc<App>> for BodyRules {
    fn from_ref(app: &Arc<App>) -> Self {
        Self { stall_timeout: app.limits().body_stall_timeout, depth_max: app.limits().depth_max }
    }
}

/// Answers of fewer bytes are given whatever else is held: the kernel takes them, whether they are read or not.
const SMALL_BYTES: u64 = 64 << 10;

/// What a handler returns.
pub type Handled = Result<Response, Problem>;

/// All that handlers share.
#[derive(Debug)]
pub struct App {
    /// What is served.
    pub service: Arc<Service>,
    /// What links begin with (`--public-url`); empty where they are relative.
    pub base_url: String,
    /// Whether a token must come along with requests.
    pub has_tokens: bool,
    /// Idempotency keys.
    pub keys: Arc<Keys>,
}

impl App {
    /// Every bound.
    pub fn limits(&self) -> &Limits {
        self.service.limits()
    }

    /// Asks the service and writes its answer, or its refusal.
    // An `async fn` would hold its arguments twice, and the futures of handlers are to be small.
    #[allow(clippy::manual_async_fn, reason = "it would be larger")]
    pub fn answer(&self, asker: Asker, request: Request) -> impl Future<Output = Handled> + Send {
        async move {
            // Boxed: few are wanted so.
            if asker.takes == Takes::Raw {
                return Box::pin(self.answer_raw(asker, request)).await;
            }
            let answer = self.service.ask(&asker.caller, request).await;
            Ok(self.written(&asker, answer, Raw::No))
        }
    }

    async fn answer_raw(&self, asker: Asker, request: Request) -> Handled {
        let answer = self.service.ask(&asker.caller, request).await;
        let raw = match &answer {
            Ok(answer) => decoded(answer).await,
            Err(_) => Raw::No,
        };
        Ok(self.written(&asker, answer, raw))
    }

    fn written(&self, asker: &Asker, answer: Result<Answer, Refusal>, raw: Raw) -> Response {
        let limits = self.limits();
        let replay = asker.has_key.then(|| match &answer {
            Ok(answer) => answer.replay(limits),
            Err(refusal) => refusal.replay(limits),
        });
        let mut response = match answer {
            Ok(answer) => match self.rendered(answer, raw, asker.takes) {
                Ok(response) => response,
                Err(overloaded) => return overloaded.into_response(),
            },
            Err(refusal) => Problem::from(refusal).into_response(),
        };
        if let Some(replay) = replay {
            response.extensions_mut().insert(replay);
        }
        if let Some(id) = &asker.caller.request_id {
            response.headers_mut().insert(REQUEST_ID_HEADER, request_id_value(id));
        }
        response
    }

    /// What a submission with this key was answered before, if it was.
    pub async fn recall(&self, key: &IdempotencyKey) -> Option<Response> {
        match self.service.recall(key).await {
            Ok(answer) => answer
                .map(|answer| render(answer, &self.base_url, Raw::No, Takes::Json, self.service.answers())),
            Err(refusal) => Some(Problem::from(refusal).into_response()),
        }
    }

    fn rendered(&self, answer: Answer, raw: Raw, takes: Takes) -> Handled {
        let answers = self.service.answers();
        let is_repeatable = answer.is_repeatable();
        let room = answers.admit();
        let response = render(answer, &self.base_url, raw, takes, answers);
        let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes < SMALL_BYTES);
        match room {
            // It is asked for again once others have read theirs.
            Err(overloaded) if is_repeatable && !is_small => Err(Problem::overloaded(&overloaded)),
            Ok(()) | Err(_) => Ok(response),
        }
    }

    /// The timeout in the body of a join, or the longest that no one has to ask for.
    pub fn join_timeout(&self, body: &Bytes) -> Result<Duration, Problem> {
        let limits = self.limits();
        let asked = api::join_timeout(body, limits.depth_max, limits.timeout_max)?;
        Ok(asked.unwrap_or(limits.max_wait))
    }
}

/// The bytes of an answer that is wanted as they are.
async fn decoded(answer: &Answer) -> Raw {
    let text = if let Answer::Ended(Ended { outcome: Outcome::Value(Value { pieces, .. }), .. }) = answer
        && let [text] = pieces.as_slice()
    {
        text.clone()
    } else if let Answer::Delivered(delivery) = answer {
        delivery.text().clone()
    } else {
        return Raw::Wanted;
    };
    Raw::Decoded(offload(text.len(), move || raw_bytes(&text)).await)
}
