//! Names of components are nobody else's: a generator writes each as a type, and a language that has the name
//! already, or a file system that knows no case, gets one in the place of the other.

use std::collections::BTreeMap;

use serde_json::Value;

use super::drift::document;

/// Types and globals of the languages that clients are generated in, and of what generators put beside them.
const OWNED: &str = "
    Array ArrayBuffer Atomics BigInt Blob Boolean Cache Client Clients Comment Console DataView Date Document
    Element Error Event EventSource EventTarget Exclude Extract File FormData Function Generator Headers History
    Image Intl Iterable Iterator JSON Location Lock LockManager Map Math Navigator Node Notification Number Object
    Omit Option Parameters Partial Performance Pick Plugin Promise Proxy Range Readonly Record ReferenceError
    Reflect RegExp Request Required Response ReturnType Screen Selection Set Storage String Symbol Text Touch
    TypeError URL URLSearchParams WeakMap WeakSet Window Worker
    Any BaseModel Callable ClassVar Counter Decimal Dict Enum Exception Field Final Generic IO List Literal Mapping
    Namespace None Optional Path Protocol Sequence Tuple Type TypeVar Union UUID Value Warning
    Barrier Byte Character Class Collection Condition Deprecated Double Float Integer Iterable Locale Long Module
    Objects Override Package Pair Process Queue Runtime Semaphore Short System Thread Throwable Unit Void
    Action ApiClient ApiException ApiResponse Attribute Buffer Configuration Delegate Dictionary Environment Func
    Guid Index Lazy Monitor Mutex Nullable Nothing Pipe Random Result Stack Stream Task Timer Tuple Uri Version
    APIClient Auth Box Closure Hash Method Proc Ref RLock Some Struct Time Vec";

/// What generators put behind an operation's name, for its parts.
const SUFFIXES: [&str; 17] = [
    "",
    "Api",
    "Body",
    "Data",
    "Error",
    "Errors",
    "Header",
    "Mutation",
    "MutationRequest",
    "Params",
    "Path",
    "Query",
    "QueryParams",
    "Request",
    "RequestBody",
    "Response",
    "Responses",
];

/// The names of components of all groups that generators make types of.
fn components(document: &Value) -> impl Iterator<Item = (&'static str, &String)> {
    ["schemas", "parameters", "responses"].into_iter().flat_map(move |group| {
        document["components"][group].as_object().expect("components").keys().map(move |name| (group, name))
    })
}

/// `CreateQueue` of `createQueue`.
fn derived(operation: &str) -> impl Iterator<Item = String> {
    let (first, rest) = operation.split_at(1);
    let name = first.to_uppercase() + rest;
    SUFFIXES.into_iter().map(move |suffix| format!("{name}{suffix}"))
}

#[test]
fn no_language_has_the_name_of_a_component() {
    let document = document();
    for (group, name) in components(&document) {
        assert!(!OWNED.split_whitespace().any(|owned| owned == name), "{group}/{name} is a language's");
    }
}

#[test]
fn no_two_names_differ_in_case_alone() {
    let document = document();
    let items = document["paths"].as_object().expect("paths").values();
    let operations: Vec<&str> = items
        .flat_map(|item| item.as_object().expect("operations").values())
        .map(|operation| operation["operationId"].as_str().expect("an operationId"))
        .collect();
    let mut spelt: BTreeMap<String, String> = BTreeMap::new();
    let all = operations.iter().flat_map(|operation| derived(operation));
    for name in all.chain(components(&document).map(|(_, name)| name.clone())) {
        let known = spelt.entry(name.to_lowercase()).or_insert_with(|| name.clone());
        assert_eq!(*known, name, "they differ in case alone");
    }
    for (_, name) in components(&document).filter(|(group, _)| *group == "schemas") {
        let first_lower = name[..1].to_lowercase() + &name[1..];
        assert!(!operations.contains(&first_lower.as_str()), "an operation is called {first_lower}, too");
    }
}
