//! The options of submissions, one entry each. Bodies, queries, the OpenAPI document and the book's table are read
//! off this table.

use std::borrow::Cow;
use std::sync::LazyLock;

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{RefOr, Required};

use super::body::{BodyProblem, Members};
use super::option_type::{Given, OptionType};
use super::query::Query;
use crate::jobs::{FailureCode, OnDisconnect};
use crate::service::TermsAsked;

/// Most seconds of a timeout or a pause.
const SECONDS_MAX: u32 = 86_400;
/// Most seconds that a value is kept: a leap year.
const RESULT_TTL_MAX: u32 = 31_622_400;
/// The largest priority; the smallest is its negative.
const PRIORITY_MAX: i64 = 100;
/// Most retries of a task.
const RETRIES_MAX: i64 = 1_000;
/// Most characters of a key.
const KEY_CHARS_MAX: usize = 256;
/// Most tags of a job, and characters of one.
const TAGS_MAX: usize = 32;
const TAG_CHARS_MAX: usize = 256;
/// The endings after which a task may be run again.
const RETRIABLE: &[FailureCode] = &[
    FailureCode::WorkerDied,
    FailureCode::Interrupted,
    FailureCode::FunctionRaised,
    FailureCode::RunTimeout,
    FailureCode::WorkerProtocolError,
];

/// An option.
struct OptionSpec {
    name: &'static str,
    value: OptionType,
    /// What it does, and what holds if it is left out.
    about: &'static str,
}

const TABLE: &[OptionSpec] = &[
    OptionSpec {
        name: "pool",
        value: OptionType::Text { chars_max: None, set: |options, pool| options.pool = Some(pool) },
        about: "The pool to run it, of the function's runtime; the function's own if left out.",
    },
    OptionSpec {
        name: "run_timeout",
        value: OptionType::Seconds {
            most: SECONDS_MAX,
            set: |options, timeout| options.terms.run_timeout = Some(timeout),
        },
        about: "Seconds that a task (a call, or a chunk of a map) may run; then its worker is killed, whatever it is \
                doing: `run-timeout`.",
    },
    OptionSpec {
        name: "queue_timeout",
        value: OptionType::Seconds {
            most: SECONDS_MAX,
            set: |options, timeout| options.terms.queue_timeout = Some(timeout),
        },
        about: "Seconds that the job may wait for its first task to start: `queue-timeout`.",
    },
    OptionSpec {
        name: "priority",
        value: OptionType::Whole {
            least: -PRIORITY_MAX,
            most: PRIORITY_MAX,
            set: |options, priority| priority.try_into().map(|priority| options.terms.priority = priority),
        },
        about: "Larger first; 0 if left out.",
    },
    OptionSpec {
        name: "key",
        value: OptionType::Text {
            chars_max: Some(KEY_CHARS_MAX),
            set: |options, key| options.terms.key = Some(key.into()),
        },
        about: "Within one priority, jobs of different keys take turns, a task (a call, or a chunk of a map) each, so \
                that nobody's backlog holds up the others. Jobs without a key form one together.",
    },
    OptionSpec {
        name: "retries",
        value: OptionType::Whole {
            least: 0,
            most: RETRIES_MAX,
            set: |options, retries| retries.try_into().map(|retries| options.retries = Some(retries)),
        },
        about: "How often a task that ended without a value is run again; 0 if left out. `attempts` of the job counts \
                the runs.",
    },
    OptionSpec {
        name: "retry_on",
        value: OptionType::Codes {
            of: RETRIABLE,
            set: |options, codes| options.terms.retry_on = Cow::Owned(codes),
        },
        about: "After which codes; `worker-died`, `interrupted` and `function-raised` if left out.",
    },
    OptionSpec {
        name: "retry_delay",
        value: OptionType::Seconds {
            most: SECONDS_MAX,
            set: |options, delay| options.terms.retry_delay = delay,
        },
        about: "Seconds before the first retry, doubled each time, at most 60; 0 if left out.",
    },
    OptionSpec {
        name: "result_ttl",
        value: OptionType::Seconds {
            most: RESULT_TTL_MAX,
            set: |options, ttl| options.terms.result_ttl = Some(ttl),
        },
        about: "Seconds that the value is kept; `--result-ttl` if left out.",
    },
    OptionSpec {
        name: "tags",
        value: OptionType::Texts {
            most: TAGS_MAX,
            chars_max: TAG_CHARS_MAX,
            set: |options, tags| options.terms.tags = tags,
        },
        about: "Labels of the client's own, to list and to cancel by.",
    },
    OptionSpec {
        name: "on_disconnect",
        value: OptionType::OneOf {
            of: &["keep", "cancel"],
            set: |options, at| options.terms.on_disconnect = [OnDisconnect::Keep, OnDisconnect::Cancel][at],
        },
        about: "When the client of a call that waits leaves: `keep` lets what runs go on (it stays listed until it has \
                ended, and its value is discarded), `cancel` kills it; `keep` if left out. What hasn't started is \
                dropped either way. Calls that end in `_async` don't care who leaves.",
    },
    OptionSpec {
        name: "convert",
        value: OptionType::Truth { set: |options, convert| options.terms.convert = convert },
        about: "Whether what JSON has no form for (a date, a dataclass, a model, …) is made of arguments as the \
                function's annotations say; true if left out. Typed calls convert all, and have no such option.",
    },
    OptionSpec {
        name: "durable",
        value: OptionType::False { refusal: || BodyProblem::NotDurable },
        about: "Must be false: this server keeps jobs in memory.",
    },
];

/// The names of the options, which every submission may have besides its own members.
pub const OPTIONS: &[&str] = &{
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = TABLE[at].name;
        at += 1;
    }
    names
};

/// The options that typed calls don't have.
const UNTYPED: &[&str] = &["convert"];

/// The names of the options of typed calls.
pub static TYPED_OPTIONS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| OPTIONS.iter().copied().filter(|name| !UNTYPED.contains(name)).collect());

/// Whether an option of this name is a list.
pub(super) fn is_list(name: &str) -> bool {
    TABLE.iter().any(|spec| spec.name == name && spec.value.is_list())
}

impl TermsAsked {
    /// From the members of a body.
    pub(super) fn from_body(members: &Members<'_>) -> Result<Self, BodyProblem> {
        Self::read(|name| members.text(name).map(Given::Json))
    }

    /// From the query of a stream or a typed call.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BodyProblem> {
        Self::read(|name| query.text(name).map(Given::Query))
    }

    fn read<'a>(given: impl Fn(&str) -> Option<Given<'a>>) -> Result<Self, BodyProblem> {
        let mut options = Self::default();
        for spec in TABLE {
            if let Some(given) = given(spec.name) {
                spec.value.read(spec.name, given, &mut options)?;
            }
        }
        Ok(options)
    }
}

/// The options of typed calls as parameters of a query, for the OpenAPI document.
#[derive(Debug)]
pub struct CallOptions;

impl IntoParams for CallOptions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters(|spec| !UNTYPED.contains(&spec.name))
    }
}

/// The options of streams, likewise.
#[derive(Debug)]
pub struct StreamOptions;

impl IntoParams for StreamOptions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters(|_| true)
    }
}

fn parameters(is_in: fn(&OptionSpec) -> bool) -> Vec<Parameter> {
    let parameter = |spec: &OptionSpec| {
        let is_list = spec.value.is_list();
        let commas = if is_list { " With commas between, or given several times." } else { "" };
        ParameterBuilder::new()
            .name(spec.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(format!("{}{commas}", spec.about)))
            .explode(is_list.then_some(false))
            .style(is_list.then_some(ParameterStyle::Form))
            .schema(Some(spec.value.query_schema()))
            .build()
    };
    TABLE.iter().filter(|spec| is_in(spec)).map(parameter).collect()
}

/// The schema of a body with the options beside its own members.
pub(super) fn with_options(mut own: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(body)) = &mut own {
        let member = |spec: &OptionSpec| (spec.name.to_owned(), spec.value.schema(spec.about).into());
        body.properties.extend(TABLE.iter().map(member));
    }
    own
}

/// The table of options in Markdown, as the book has it.
pub fn table_of_options() -> String {
    let row = |spec: &OptionSpec| format!("| `{}` | {} | {} |\n", spec.name, spec.value.words(), spec.about);
    let rows: String = TABLE.iter().map(row).collect();
    format!("| option | value | what |\n|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::Code;

    #[test]
    fn what_is_left_out_is_as_the_table_says() {
        let defaults = TermsAsked::default().into_terms(None, 0);
        assert_eq!((defaults.priority, defaults.retries, defaults.retry_delay), (0, 0, Duration::ZERO));
        let retry_on = TABLE.iter().find(|spec| spec.name == "retry_on").unwrap();
        for code in RETRIABLE {
            let is_named = retry_on.about.contains(Code::from(*code).as_str());
            assert_eq!(is_named, defaults.retry_on.contains(code), "{code:?}");
        }
    }

    #[test]
    fn a_query_and_a_body_say_the_same() {
        let query = "pool=p&run_timeout=1.5&queue_timeout=2&priority=-100&key=k&retries=1000&\
                     retry_on=run-timeout,worker-died&retry_delay=3&result_ttl=31622400&tags=a&tags=b&\
                     on_disconnect=cancel&convert=false&durable=false";
        let body = r#"{"pool":"p","run_timeout":1.5,"queue_timeout":2,"priority":-100,"key":"k","retries":1e3,
                       "retry_on":["run-timeout","worker-died"],"retry_delay":3,"result_ttl":31622400,
                       "tags":["a","b"],"on_disconnect":"cancel","convert":false,"durable":false}"#;
        let query = TermsAsked::from_query(&Query::parse(Some(query), OPTIONS).unwrap()).unwrap();
        let body =
            Members::read(&body.into(), 8, &[OPTIONS]).and_then(|members| TermsAsked::from_body(&members));
        assert_eq!(format!("{query:?}"), format!("{:?}", body.unwrap()));
        assert!(OPTIONS.iter().all(|name| !name.is_empty()));
    }
}
