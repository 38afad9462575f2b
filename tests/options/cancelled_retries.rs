//! Retries never follow a cancel, whatever comes in at that moment.

use std::time::Duration;

use serde_json::json;

use super::verbs::Verbs;

/// Cancels, each at another moment of a run.
const CANCELS: usize = 60;

#[test]
fn a_job_that_fails_without_end_ends_with_its_cancel() {
    let server = Verbs::start(1);
    let client = server.keeping();
    for _ in 0..200 {
        client.apply("square", &json!([2])).value();
    }
    let options = json!({"retries": 1000});
    for cancel in 0..CANCELS {
        // Quick ones of others lie before and behind it in the pipe.
        let id =
            server.job_of("apply_async", "raise_until", &json!([server.path("count"), 1 << 30]), &options);
        let others: Vec<String> = (0..10).map(|i| client.submit("square", &json!([i]))).collect();
        let answer = client.cancel(&id);
        let job = answer.value();
        assert_eq!(job["ready"], true, "{job}");
        assert!(answer.took < Duration::from_secs(20), "cancel {cancel}: {:?}", answer.took);
        let attempts = server.job(&id)["attempts"].clone();
        for (i, other) in others.iter().enumerate() {
            assert_eq!(client.result(other, 10.0).value(), i * i);
        }
        assert_eq!(server.job(&id)["attempts"], attempts, "nothing of it runs any more");
    }
}
