//! Much work of a function that rests costs the others nothing.

use std::time::Duration;

use serde_json::json;

use super::{server, submit};
use crate::support::{Client, on_time, promised};

/// Jobs that wait until the rest is over.
const WAITING: usize = 3_000;

/// The median time of a call of another function.
fn median(client: &Client) -> Duration {
    let mut took: Vec<Duration> = (0..41)
        .map(|i| {
            let answer = client.apply("square", &json!([i]));
            assert_eq!(answer.value(), i * i);
            answer.took
        })
        .collect();
    took.sort();
    took[took.len() / 2]
}

#[test]
fn calls_of_others_are_as_quick_as_ever() {
    on_time(|| {
        let server = server(&[]);
        let client = server.keeping();
        median(&client);
        let before = median(&client);
        // Both workers are held until all is there.
        let naps = [(); 2].map(|()| submit(&server, "python", "nap_pid", &json!([600])));
        naps.iter().for_each(|id| drop(server.worker_of(id)));
        let dying: Vec<String> = (0..WAITING).map(|_| submit(&client, "python", "die", &json!([]))).collect();
        naps.iter().for_each(|id| drop(server.cancel(id).value()));
        dying[..9].iter().for_each(|id| drop(server.result(id, 20.0).outcome("worker-died")));
        // Whichever way the tenth went, the first call waits until the rest has begun and workers are back.
        client.apply("square", &json!([1])).value();
        let during = median(&client);
        assert_eq!(server.job(&dying[WAITING - 1])["state"], "queued", "the others rest");
        promised(during, before * 4 + Duration::from_millis(1), "a call beside much work that rests");
        assert_eq!(server.post("/v1/jobs/cancel", &json!({"function": "life.die"})).status, 200);
    });
}
