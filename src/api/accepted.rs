//! The problems that an operation can answer, in groups, for the OpenAPI document.

use utoipa::IntoResponses;

use super::problem::Problem;

macro_rules! problems {
    ($(#[$doc:meta])* $name:ident { $($status:literal $variant:ident $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, IntoResponses)]
        #[allow(dead_code, reason = "the variants stand for responses in the document; no value is made")]
        pub enum $name {
            $(
                #[doc = $text]
                #[response(status = $status, content_type = "application/problem+json")]
                $variant(Problem),
            )+
        }
    };
}

problems! {
    /// Every operation.
    ReadProblems {
        400 BadRequest "`invalid-request`: a parameter is unknown or wrong (`member` names it)",
        403 Forbidden "`wrong-origin`: sent by a web page of another origin",
        405 MethodNotAllowed "`method-not-allowed`",
        406 NotAcceptable "`not-acceptable`: the Accept header allows nothing that can be answered",
        421 Misdirected "`wrong-host`: the Host header names another server",
        503 Unavailable "`starting`, `draining`, `overloaded`, `unavailable` or `function-quarantined`; see \
            `Retry-After`",
    }
}

problems! {
    /// Probes, which are asked by all kinds of machines.
    ProbeProblems {
        405 MethodNotAllowed "`method-not-allowed`",
        503 Unavailable "`overloaded`: more than `--connections` are open",
    }
}

problems! {
    /// Operations that take a body without members.
    EmptyBodyProblems {
        413 TooLarge "`body-too-large` (`limit` in bytes)",
        415 UnsupportedMediaType "`unsupported-media-type`: a body must be `application/json`",
    }
}

problems! {
    /// Operations on one thing by its id or name.
    JobProblems {
        404 NotFound "`unknown-job`, `unknown-function` or `unknown-pool`",
    }
}

problems! {
    /// Operations that take a body with work.
    SubmitProblems {
        404 NotFound "`unknown-function` (with near names) or `unknown-pool`",
        409 Conflict "`pool-closed`",
        413 TooLarge "`body-too-large` (`limit` in bytes, `knob` names the flag)",
        415 UnsupportedMediaType "`unsupported-media-type`: the body must be `application/json`",
    }
}

problems! {
    /// A job that ended without a value, whatever ended it.
    OutcomeProblems {
        422 NoValue "`function-raised`, `worker-died`, `run-timeout`, `queue-timeout`, `result-not-json`, \
            `result-too-large`, `worker-protocol-error`, `invalid-arguments`, `unknown-ref`, `command-failed`, \
            `cancelled`, `interrupted` or `pool-terminated`",
    }
}

problems! {
    /// A job that is here no more.
    AcceptedProblems {
        410 Gone "`expired`, or `lost-at-restart`: the job was in memory when the server restarted",
    }
}

problems! {
    /// The start of a Process.
    StartProblems {
        404 NotFound "`unknown-function` (with near names)",
        413 TooLarge "`body-too-large` (`limit` in bytes, `knob` names the flag)",
        415 UnsupportedMediaType "`unsupported-media-type`: the body must be `application/json`",
        422 NoBegin "`invalid-arguments` or `unknown-ref`: they can't be given to the function; nothing was run",
    }
}

problems! {
    /// Operations on one Process by its id.
    ProcessProblems {
        404 NotFound "`unknown-process`",
    }
}
