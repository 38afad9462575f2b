//! Every option with what it may not be: 400 with the member's name, and nothing runs.

use serde_json::{Value, json};

use super::verbs::Verbs;

/// What is no number of seconds from 0 to a documented maximum.
const SECONDS: [&str; 17] = [
    "true",
    "\"1\"",
    "\"\"",
    "\"NaN\"",
    "\"nan\"",
    "\"Infinity\"",
    "\"inf\"",
    "\"1s\"",
    "[]",
    "[1]",
    "{}",
    "-1",
    "-0.001",
    "-1e-9",
    "1e308",
    "31622401",
    "1111111111222222222233333333334444444444",
];
/// What is no whole number.
const WHOLE: [&str; 13] = [
    "true",
    "false",
    "\"1\"",
    "\"\"",
    "\"NaN\"",
    "[]",
    "[1]",
    "{}",
    "1.5",
    "-0.5",
    "9223372036854775808",
    "1e308",
    "1111111111222222222233333333334444444444",
];
const PRIORITY: [&str; 4] = ["101", "-101", "1000000", "-9223372036854775808"];
const RETRIES: [&str; 3] = ["-1", "1001", "4294967296"];
const RETRY_ON: [&str; 13] = [
    "true",
    "1",
    "\"worker-died\"",
    "{}",
    "[1]",
    "[null]",
    "[\"\"]",
    "[\"nonsense\"]",
    "[\"cancelled\"]",
    "[\"Worker-Died\"]",
    "[\"worker-died\", 1]",
    "[[\"worker-died\"]]",
    "[\"worker-died\", \"NaN\"]",
];
const TAGS: [&str; 9] =
    ["true", "1", "\"a\"", "{}", "{\"a\": 1}", "[1]", "[null]", "[\"a\", [\"b\"]]", "[\"\"]"];
const DURABLE: [&str; 6] = ["1", "0", "\"true\"", "\"\"", "[]", "{}"];
const ON_DISCONNECT: [&str; 7] = ["1", "true", "\"\"", "\"Keep\"", "\"kill\"", "[\"keep\"]", "{}"];
const KEY: [&str; 5] = ["1", "true", "\"\"", "[\"a\"]", "{}"];
const POOL: [&str; 4] = ["1", "true", "[\"python\"]", "{}"];
const CHUNKSIZE: [&str; 2] = ["0", "-1"];
const ON_ERROR: [&str; 8] =
    ["true", "1", "\"\"", "\"Raise\"", "\"ignore\"", "\"NaN\"", "[\"raise\"]", "{\"raise\": 1}"];

/// Each option with its wrong values.
fn table() -> Vec<(&'static str, Vec<String>)> {
    let own = |values: &[&[&str]]| values.concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut tags = own(&[&TAGS]);
    tags.push(json!(["x".repeat(100_000)]).to_string());
    tags.push(json!(vec!["x"; 100_000]).to_string());
    let mut beyond_a_day = own(&[&SECONDS]);
    beyond_a_day.extend(["86400.1", "86401"].map(str::to_owned));
    vec![
        ("run_timeout", beyond_a_day.clone()),
        ("queue_timeout", beyond_a_day),
        ("retry_delay", own(&[&SECONDS])),
        ("result_ttl", own(&[&SECONDS])),
        ("priority", own(&[&WHOLE, &PRIORITY])),
        ("retries", own(&[&WHOLE, &RETRIES])),
        ("retry_on", own(&[&RETRY_ON])),
        ("tags", tags),
        ("on_disconnect", own(&[&ON_DISCONNECT])),
        ("durable", own(&[&DURABLE])),
        ("convert", own(&[&["0", "1", "\"true\"", "\"\"", "[]", "{}", "[true]"]])),
        ("key", own(&[&KEY])),
        ("pool", own(&[&POOL])),
    ]
}

/// A body of this verb as text, with one member more.
fn text(server: &Verbs, verb: &str, member: &str, value: &str) -> String {
    let path = json!(server.path("ran"));
    let given = match verb {
        "apply" | "apply_async" => format!("\"args\": [{path}, \"x\"]"),
        _ => format!("\"iterable\": [[{path}, \"x\", 0]]"),
    };
    let function = if verb.starts_with("apply") { "write" } else { "write_each" };
    format!("{{\"function\": \"verbs.{function}\", {given}, \"{member}\": {value}}}")
}

#[track_caller]
fn is_named(server: &Verbs, verb: &str, member: &str, value: &str) {
    let answer = server.post_text(&format!("/v1/{verb}"), &text(server, verb, member, value));
    let shown: String = value.chars().take(80).collect();
    assert_eq!(answer.status, 400, "{verb} with {member}: {shown} answered {}", answer.text());
    let problem = answer.problem(400, "invalid-request");
    assert_eq!(problem["member"], member, "{verb} with {member}: {shown}: {problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(member) && detail.len() < 1_000, "{member}: {detail}");
}

#[test]
fn each_wrong_value_of_each_option_is_named() {
    let server = Verbs::start(1);
    let verbs = ["apply", "apply_async", "map", "map_async", "starmap", "starmap_async"];
    for (member, values) in table() {
        for value in &values {
            for verb in verbs {
                is_named(&server, verb, member, value);
            }
        }
    }
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
    assert_eq!(server.get("/v1/jobs").value()["items"], json!([]), "no job was made");
    assert!(server.words("ran").is_empty(), "nothing ran");
}

#[test]
fn each_wrong_value_of_a_maps_own_members_is_named() {
    let server = Verbs::start(1);
    for verb in ["map", "map_async", "starmap", "starmap_async"] {
        // 9223372036854775808 is a chunksize like any other that is larger than the iterable.
        for value in WHOLE.iter().filter(|value| !value.starts_with("92")).chain(&CHUNKSIZE) {
            is_named(&server, verb, "chunksize", value);
        }
        for value in ON_ERROR {
            is_named(&server, verb, "on_error", value);
        }
    }
    assert!(server.words("ran").is_empty(), "nothing ran");
}

/// Clients that write optional fields as null say nothing by it.
#[test]
fn null_is_left_out() {
    let server = Verbs::start(1);
    let options: Vec<&str> = table().into_iter().map(|(name, _)| name).collect();
    for verb in ["apply", "apply_async", "map", "map_async", "starmap_async"] {
        let of_map = ["chunksize", "on_error"].iter().filter(|_| !verb.starts_with("apply"));
        for member in options.iter().chain(of_map) {
            let answer = server.post_text(&format!("/v1/{verb}"), &text(&server, verb, member, "null"));
            assert!(matches!(answer.status, 200 | 202), "{verb} with {member}: null: {}", answer.text());
        }
    }
    let all = r#"{"function": "verbs.write", "args": null, "kwargs": null, "tags": null, "retries": null}"#;
    server.post_text("/v1/apply", all).problem(422, "invalid-arguments");
    let none = server.post_text("/v1/apply", r#"{"function": null}"#).problem(400, "invalid-request");
    assert_eq!(none["detail"], "the member function is missing: the public name of a function");
    let unknown = server.post_text("/v1/apply", &text(&server, "apply", "retriess", "null"));
    assert_eq!(unknown.problem(400, "invalid-request")["member"], "retriess", "a mistake stays one");
}

#[test]
fn what_is_an_option_of_maps_is_none_of_apply() {
    let server = Verbs::start(1);
    for verb in ["apply", "apply_async"] {
        is_named(&server, verb, "chunksize", "1");
        is_named(&server, verb, "on_error", "\"raise\"");
        is_named(&server, verb, "iterable", "[1]");
    }
    for verb in ["map", "map_async", "starmap", "starmap_async"] {
        is_named(&server, verb, "args", "[1]");
        is_named(&server, verb, "kwargs", "{}");
    }
}

#[test]
fn names_that_are_nearly_options_are_unknown() {
    let server = Verbs::start(1);
    let near = ["run_timeouts", "runTimeout", "run-timeout", "RETRIES", "tag", "prio", "timeout", "ttl", ""];
    for name in near {
        let answer = server.post_text("/v1/apply", &text(&server, "apply", name, "1"));
        let problem = answer.problem(400, "invalid-request");
        assert_eq!(problem["member"], name, "{problem}");
    }
    assert!(server.words("ran").is_empty(), "nothing ran");
}

#[test]
fn what_json_does_not_know_is_no_value_of_an_option() {
    let server = Verbs::start(1);
    for (member, _) in table() {
        for value in
            ["NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", "0x10", "1.", ".5", "+1", "'a'"]
        {
            let answer = server.post_text("/v1/apply", &text(&server, "apply", member, value));
            answer.problem_of(400);
        }
    }
    assert!(server.words("ran").is_empty(), "nothing ran");
}

#[test]
fn an_option_given_twice_is_named() {
    let server = Verbs::start(1);
    for (member, value) in [("priority", "1"), ("run_timeout", "5"), ("tags", "[]"), ("durable", "false")] {
        let twice = format!("{value}, \"{member}\": {value}");
        is_named(&server, "apply", member, &twice);
    }
    assert!(server.words("ran").is_empty(), "nothing ran");
}

#[test]
fn the_ends_of_each_range_are_taken() {
    let server = Verbs::start(1);
    let table: [(&str, &[&str]); 9] = [
        ("run_timeout", &["86400", "20.5", "86400.0", "1e1"]),
        ("queue_timeout", &["86400", "5", "1e2"]),
        ("retry_delay", &["0", "0.0", "86400", "1e-3"]),
        ("result_ttl", &["86400", "31622400", "5.5"]),
        ("priority", &["-100", "100", "0"]),
        ("retries", &["0", "1000"]),
        ("retry_on", &["[]", "[\"worker-died\", \"interrupted\", \"function-raised\"]"]),
        ("tags", &["[]", "[\"a\"]", "[\"a b\", \"\\u00e4\"]"]),
        ("durable", &["false"]),
    ];
    for (member, values) in table {
        for value in values {
            let id = server.post_text("/v1/apply_async", &text(&server, "apply", member, value)).accepted();
            assert_eq!(server.result(&id, 5.0).value(), "x", "{member}: {value}");
            let id = server.post_text("/v1/map_async", &text(&server, "map_async", member, value)).accepted();
            let value: Value = server.result(&id, 5.0).value();
            assert_eq!(value, json!(["x"]), "{member}");
        }
    }
}
