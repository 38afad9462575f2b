//! f07, f09, f10, f12: whatever a function raises is its outcome, and the worker lives.

use serde_json::{Value, json};

use crate::support::Server;

/// Raises in a pool of one worker and checks that the same process answers the next call.
fn raises(function: &str, args: &Value, wanted: &str) -> Value {
    let server = Server::start(&["--workers", "1"]);
    let before = server.apply("pid", &json!([])).value();
    let mut exception = Value::Null;
    for _ in 0..3 {
        let problem = server.apply(function, args).outcome("function-raised");
        exception = problem["exception"].clone();
        assert_eq!(exception["type"], wanted, "{problem}");
        assert_eq!(
            server.apply("pid", &json!([])).value(),
            before,
            "{function}: the same worker serves the next"
        );
    }
    exception
}

#[test]
fn f07_system_exit() {
    let exception = raises("leave", &json!([1]), "SystemExit");
    assert_eq!((&exception["message"], &exception["args"]), (&json!("1"), &json!([1])));
    raises("leave", &json!([0]), "SystemExit");
    raises("leave", &json!(["words"]), "SystemExit");
}

#[test]
fn f07_keyboard_interrupt() {
    raises("interrupt", &json!([]), "KeyboardInterrupt");
}

#[test]
fn f07_generator_exit() {
    let exception = raises("generator_exit", &json!([]), "GeneratorExit");
    assert_eq!(exception["message"], "closing");
}

#[test]
fn f07_a_base_exception_of_its_own() {
    let exception = raises("own_base_exception", &json!([]), "X");
    assert_eq!(exception["message"], "of my own");
}

#[test]
fn f09_an_exception_that_cannot_be_printed() {
    let exception = raises("unprintable", &json!([]), "Mute");
    assert!(exception["message"].is_string(), "some words in its place: {exception}");
}

#[test]
fn f09_a_long_message_is_cut() {
    let exception = raises("long_message", &json!([]), "ValueError");
    let length = exception["message"].as_str().map_or(0, str::len);
    assert!((1..=8 << 10).contains(&length), "at most 8 KiB: {length}");
    assert!(exception.get("args").is_none(), "args of more than 8 KiB are left out");
}

#[test]
fn f09_a_message_with_half_a_pair() {
    let exception = raises("surrogate_message", &json!([]), "ValueError");
    assert!(exception["message"].as_str().is_some_and(|text| text.contains("half")), "{exception}");
}

#[test]
fn f10_memory_that_is_not_there() {
    raises("too_much_memory", &json!([]), "MemoryError");
}

#[test]
fn f12_recursion_without_end() {
    let exception = raises("recurse", &json!([]), "RecursionError");
    let traceback = exception["traceback"].as_str().map_or(0, str::len);
    assert!(traceback <= 16 << 10, "at most 16 KiB: {traceback}");
}
