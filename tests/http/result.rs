//! `GET /v1/jobs/{id}/result`: AsyncResult.get.

use std::time::Duration;

use serde_json::json;

use crate::support::{Gate, Server, on_time, promised};

#[test]
fn the_result_may_be_read_again() {
    let server = Server::start(&[]);
    let id = server.submit("echo", &json!([{"a": [1, 2, "ü"]}]));
    let first = server.result(&id, 5.0);
    assert_eq!(first.value(), json!({"a": [1, 2, "ü"]}));
    for timeout in ["?timeout=0", "?timeout=1", "?timeout=86400", ""] {
        let again = server.get(&format!("/v1/jobs/{id}/result{timeout}"));
        assert_eq!((again.status, &again.body), (200, &first.body), "{timeout}");
    }
}

#[test]
fn not_ready_in_time_is_a_timeout_error_and_the_job_goes_on() {
    on_time(|| {
        let server = Server::start(&[]);
        let gate = Gate::shut();
        let id = server.submit("hold", &json!([gate.path()]));
        let early = server.result(&id, 0.2);
        let problem = early.problem(408, "result-timeout");
        assert_eq!(problem["title"], "TimeoutError");
        assert!(
            early.header("retry-after").is_some_and(|text| text.parse::<u64>().is_ok()),
            "Retry-After in seconds"
        );
        assert!(early.took >= Duration::from_millis(200), "it waited {:?}", early.took);
        promised(early.took, Duration::from_millis(900), "a wait of 0.2 s");
        server.result(&id, 0.0).problem(408, "result-timeout");
        gate.open();
        assert_eq!(server.result(&id, 10.0).value(), gate.path());
    });
}

#[test]
fn a_wait_ends_as_soon_as_the_value_is_there() {
    on_time(|| {
        let server = Server::start(&[]);
        let id = server.submit("nap", &json!([0.3]));
        let answer = server.result(&id, 50.0);
        assert_eq!(answer.value(), 0.3);
        promised(answer.took, Duration::from_secs(2), "the value of a nap of 0.3 s");
    });
}

#[test]
fn without_a_timeout_the_wait_ends_at_max_wait() {
    on_time(|| {
        let server = Server::start(&["--max-wait", "1"]);
        let id = server.submit("nap", &json!([30]));
        let answer = server.get(&format!("/v1/jobs/{id}/result"));
        assert_eq!(answer.problem(408, "result-timeout")["title"], "TimeoutError");
        assert!(answer.took >= Duration::from_secs(1), "{:?}", answer.took);
        promised(answer.took, Duration::from_secs(5), "a wait of at most 1 s");
        // A number that is given may be longer than that.
        let longer = server.result(&id, 1.5);
        longer.problem(408, "result-timeout");
        assert!(longer.took >= Duration::from_millis(1_500), "{:?}", longer.took);
        server.cancel(&id).value();
    });
}

#[test]
fn many_may_wait_for_one_result() {
    let server = Server::start(&[]);
    let id = server.submit("nap", &json!([0.5]));
    std::thread::scope(|scope| {
        let waits: Vec<_> = (0..20).map(|_| scope.spawn(|| server.result(&id, 20.0).value())).collect();
        for wait in waits {
            assert_eq!(wait.join().expect("the client thread ends well"), 0.5);
        }
    });
}

#[test]
fn an_end_without_a_value_is_422_each_time() {
    let server = Server::start(&[]);
    let id = server.submit("fail", &json!(["no"]));
    for _ in 0..3 {
        let problem = server.result(&id, 5.0).outcome("function-raised");
        assert_eq!(problem["instance"], format!("/v1/jobs/{id}"));
        assert_eq!(problem["exception"]["message"], "no");
    }
}
