//! f13-f15: values that JSON cannot say, or that are too large.

use serde_json::json;

use crate::support::{Server, proc};

#[test]
fn f13_a_huge_value_is_refused_and_not_held() {
    let server = Server::start(&["--workers", "1"]);
    let before = server.apply("pid", &json!([])).value();
    let peak = proc::peak_memory(server.pid());
    let problem = server.apply("huge", &json!([200_000_000])).outcome("result-too-large");
    assert!(problem.to_string().contains("67108864"), "the limit is named: {problem}");
    let more = proc::peak_memory(server.pid()).saturating_sub(peak);
    assert!(more < 128 << 20, "the server held {more} bytes more");
    assert_eq!(server.apply("pid", &json!([])).value(), before, "the worker lives");
    let id = server.submit("huge", &json!([200_000_000]));
    server.result(&id, 30.0).outcome("result-too-large");
}

#[test]
fn f13_a_value_below_the_limit_passes() {
    let server = Server::start(&[]);
    let answer = server.apply("huge", &json!([60_000_000]));
    assert_eq!((answer.status, answer.body.len()), (200, 60_000_002));
}

#[test]
fn f13_a_map_of_large_values_is_bounded_too() {
    let server = Server::start(&[]);
    let body = json!({"function": "faults.huge", "iterable": vec![20_000_000; 8], "chunksize": 1});
    server.post("/v1/map", &body).outcome("result-too-large");
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

#[test]
fn f14_deep_and_cyclic_values() {
    let server = Server::start(&["--workers", "1"]);
    let before = server.apply("pid", &json!([])).value();
    server.apply("cyclic", &json!([])).outcome("result-not-json");
    server.apply("nested", &json!([100_000])).outcome("result-not-json");
    assert_eq!(server.apply("nested", &json!([100])).status, 200);
    assert_eq!(server.apply("pid", &json!([])).value(), before, "the worker lives");
}

#[test]
fn f15_values_that_are_no_json_tell_their_path() {
    let server = Server::start(&["--workers", "1"]);
    let before = server.apply("pid", &json!([])).value();
    for (function, path) in [
        ("not_a_number", "$"),
        ("infinity", "$[1].x"),
        ("a_set", "$"),
        ("a_set_within", "$[0].x"),
        ("generator", "$[0]"),
    ] {
        let problem = server.apply(function, &json!([])).outcome("result-not-json");
        assert_eq!(problem["path"], path, "{function}: {problem}");
    }
    assert_eq!(server.apply("pid", &json!([])).value(), before, "the worker lives");
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}

#[test]
fn f15_half_a_surrogate_pair_is_escaped_or_refused_never_sent_raw() {
    let server = Server::start(&["--workers", "1"]);
    // json.dumps takes it and escapes it; what may not happen is bytes that are no UTF-8.
    let answer = server.apply("surrogate", &json!([]));
    if answer.status == 200 {
        assert_eq!(answer.body, br#""\ud800""#);
    } else {
        answer.outcome("result-not-json");
    }
    assert_eq!(server.apply("square", &json!([3])).value(), 9);
}
