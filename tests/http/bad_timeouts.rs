//! f71: durations that are none.

use serde_json::json;

use crate::support::Server;

const WRONG: [&str; 16] = [
    "NaN", "nan", "-1", "-0.001", "1e308", "86401", "x", "%225%22", "inf", "-inf", "Infinity", "", "%20",
    "5s", "null", "0x10",
];

#[test]
fn f71_wrong_timeouts_are_named() {
    let server = Server::start(&[]);
    let done = server.submit("square", &json!([3]));
    let running = server.submit("nap", &json!([60]));
    server.result(&done, 5.0).value();
    for id in [&done, &running] {
        for wrong in WRONG {
            let answer = server.get(&format!("/v1/jobs/{id}/result?timeout={wrong}"));
            assert_eq!(answer.status, 400, "timeout={wrong}: {}", answer.text());
            assert_eq!(answer.problem(400, "invalid-request")["member"], "timeout", "timeout={wrong}");
            let answer = server.get(&format!("/v1/jobs/{id}?wait={wrong}"));
            assert_eq!(answer.status, 400, "wait={wrong}: {}", answer.text());
            assert_eq!(answer.problem(400, "invalid-request")["member"], "wait", "wait={wrong}");
        }
    }
    server.cancel(&running).value();
}

#[test]
fn f71_good_timeouts_are_taken() {
    let server = Server::start(&[]);
    let done = server.submit("square", &json!([3]));
    server.result(&done, 5.0).value();
    for good in ["0", "0.0", "5", "0.5", "1e2", "86400", "00.25"] {
        assert_eq!(
            server.get(&format!("/v1/jobs/{done}/result?timeout={good}")).value(),
            9,
            "timeout={good}"
        );
        assert_eq!(server.get(&format!("/v1/jobs/{done}?wait={good}")).value()["ready"], true, "wait={good}");
    }
}

#[test]
fn f71_unknown_query_members_are_named() {
    let server = Server::start(&[]);
    let done = server.submit("square", &json!([3]));
    server.result(&done, 5.0).value();
    for (path, member) in
        [("/result?tiemout=1", "tiemout"), ("/result?wait=1", "wait"), ("?timeout=1", "timeout")]
    {
        let problem = server.get(&format!("/v1/jobs/{done}{path}")).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{path}: {problem}");
    }
    server.get(&format!("/v1/jobs/{done}/result?timeout=1&timeout=2")).problem(400, "invalid-request");
}
