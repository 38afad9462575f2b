//! The problems that an operation can answer, in groups, as the OpenAPI document has them: each response stands in
//! the document once, and operations refer to it.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::code::Code;
use super::problem::Problem;

macro_rules! groups {
    ($($(#[$doc:meta])* $group:ident $responses:ident;)+) => {
        /// Operations that answer the same codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Group {
            $($(#[$doc])* $group,)+
        }

        impl Group {
            const ALL: &'static [Self] = &[$(Self::$group),+];
        }

        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $responses;

            impl IntoResponses for $responses {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    Group::$group.references()
                }
            }
        )+
    };
}

groups! {
    /// Every operation but probes and those on shared objects.
    Every ReadProblems;
    /// Probes, which are asked by all kinds of machines.
    Probe ProbeProblems;
    /// Operations that need a token where the server has any.
    Token TokenProblems;
    /// Operations that take a small body, without work.
    SmallBody EmptyBodyProblems;
    /// Operations on a job, function or pool by its id or name.
    Named JobProblems;
    /// Operations that take a body with work.
    Submit SubmitProblems;
    /// A job that ended without a value, whatever ended it.
    Outcome OutcomeProblems;
    /// A job that is here no more.
    Accepted AcceptedProblems;
    /// The start of a Process.
    Start StartProblems;
    /// Operations on one Process by its id.
    Process ProcessProblems;
    /// Operations on shared objects.
    Object ObjectProblems;
}

macro_rules! alone {
    ($($code:ident $response:ident;)+) => {
        /// Codes that operations list by themselves.
        const ALONE: &[Code] = &[$(Code::$code),+];

        $(
            #[doc = concat!("The response of the code `", stringify!($code), "` alone.")]
            #[derive(Debug)]
            pub struct $response;

            impl IntoResponses for $response {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let code = Code::$code;
                    BTreeMap::from([(code.spec().status.to_string(), Ref::from_response_name(alone(code)).into())])
                }
            }
        )+
    };
}

alone! {
    AlreadyExists AlreadyExistsProblem;
    InitializerFailed InitializerFailedProblem;
    JoinTimeout JoinTimeoutProblem;
    NotFinished NotFinishedProblem;
    NotFound NotFoundProblem;
    PoolClosed PoolClosedProblem;
    PoolPermanent PoolPermanentProblem;
    PoolRunning PoolRunningProblem;
    ResultTimeout ResultTimeoutProblem;
    UnknownFunction UnknownFunctionProblem;
    Expired ExpiredProblem;
    IdempotencyMismatch IdempotencyMismatchProblem;
}

/// The name in the document of the response of one code.
fn alone(code: Code) -> String {
    format!("{code:?}")
}

impl Group {
    /// Its codes by their statuses.
    fn codes(self) -> BTreeMap<u16, Vec<Code>> {
        let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in Code::ALL.iter().filter(|code| code.spec().groups.contains(&self)) {
            statuses.entry(code.spec().status).or_default().push(*code);
        }
        statuses
    }

    /// The name of a response in the document: of one code, the code's, whichever group it is in.
    fn name(self, status: u16, codes: &[Code]) -> String {
        match codes {
            [only] => alone(*only),
            _ => format!("{self:?}{status}"),
        }
    }

    fn references(self) -> BTreeMap<String, RefOr<Response>> {
        let reference = |(status, codes): (u16, Vec<Code>)| {
            (status.to_string(), RefOr::Ref(Ref::from_response_name(self.name(status, &codes))))
        };
        self.codes().into_iter().map(reference).collect()
    }
}

/// All responses that operations refer to, by their names.
pub fn responses() -> BTreeMap<String, Response> {
    let of = |group: Group| {
        group.codes().into_iter().map(move |(status, codes)| (group.name(status, &codes), response(&codes)))
    };
    let alone = ALONE.iter().map(|code| (alone(*code), response(&[*code])));
    Group::ALL.iter().copied().flat_map(of).chain(alone).collect()
}

fn response(codes: &[Code]) -> Response {
    let said = |code: &Code| format!("`{}`: {}", code.as_str(), code.spec().about);
    let description = match codes {
        [only] => said(only),
        _ => codes.iter().map(|code| format!("- {}", said(code))).collect::<Vec<_>>().join("\n"),
    };
    let schema = Ref::from_schema_name(Problem::name());
    let content = Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(schema)));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
