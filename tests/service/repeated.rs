//! What a request that is sent again under its key is to find, and what a server that goes down says.

use forkpool::jobs::{IdempotencyKey, State};
use forkpool::service::{Answer, Refusal, Replay, Request, Service};

use super::asking::{SOON, ask, call, ended, submitted, told, with_service};

#[test]
fn what_was_run_is_never_run_again() {
    with_service(&["--result-ttl", "7m", "--failure-ttl", "3m"], async |service| {
        let limits = service.limits();
        let minutes = |n: u64| Replay::For(std::time::Duration::from_secs(60 * n));
        for (function, arguments, replay) in [
            ("square", "[2]", minutes(7)),
            ("fail", "[\"no\"]", minutes(3)),
            ("square", "[{\"$forkpool\":\"/v1/queues/none\"}]", Replay::AskAnew),
        ] {
            let answer = ask(&service, Request::Run(call(&service, function, arguments))).await;
            assert_eq!(answer.expect("it ends").replay(limits), replay, "{function} {arguments}");
        }
        let refusal = ask(&service, Request::Run(call(&service, "no_such", "[]"))).await;
        assert_eq!(refusal.expect_err("refused").replay(limits), Replay::AskAnew);
    });
}

fn key(fingerprint: u8) -> IdempotencyKey {
    IdempotencyKey { text: "k".into(), fingerprint: [fingerprint; 32] }
}

fn keyed(service: &Service, fingerprint: u8) -> Request {
    let mut wanted = call(service, "square", "[2]");
    wanted.key = Some(Box::new(key(fingerprint)));
    Request::Submit(wanted)
}

#[test]
fn the_same_submission_under_its_key_is_the_same_job() {
    with_service(&[], async |service| {
        assert!(matches!(service.recall(&key(1)).await, Ok(None)));
        let Ok(Answer::Accepted(first)) = ask(&service, keyed(&service, 1)).await else {
            panic!("it is new")
        };
        let id = first.handle.id.to_string();
        let result = Request::Result { id: id.clone(), timeout: SOON };
        assert_eq!(told(&ended(&service, result).await), "4");
        // As it was answered first.
        let is_first = |answer: &Answer| {
            matches!(answer, Answer::Accepted(job)
                if job.handle.id == first.handle.id && job.now.state.state() == State::Queued)
        };
        // Of two that come at once, the second comes to the store.
        assert!(is_first(&ask(&service, keyed(&service, 1)).await.expect("the same")));
        assert!(matches!(ask(&service, keyed(&service, 2)).await, Err(Refusal::KeyMismatch)));
        service.refuse_work();
        assert!(matches!(service.recall(&key(1)).await, Ok(Some(answer)) if is_first(&answer)));
        assert!(matches!(service.recall(&key(2)).await, Err(Refusal::KeyMismatch)));
        assert!(matches!(ask(&service, Request::ForgetJob { id }).await, Ok(Answer::Done)));
        assert!(matches!(service.recall(&key(1)).await, Err(Refusal::KeyExpired)));
    });
}

#[test]
fn a_job_that_never_started_is_told_so() {
    with_service(&["--workers", "1"], async |service| {
        let running = submitted(&service, call(&service, "nap", "[0.3]")).await;
        while !running.handle.has_started() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let waiting = call(&service, "square", "[2]");
        let (ending, ()) = tokio::join!(ended(&service, Request::Run(waiting)), async {
            service.refuse_work();
            service.drain().await;
        });
        assert_eq!(told(&ending), "interrupted");
        let answer = forkpool::service::Answer::Ended(ending);
        assert_eq!(answer.replay(service.limits()), Replay::AskAnew, "nothing of it ran");
        assert!(running.handle.state().is_final(), "what had started was let end");
        assert!(matches!(service.admit(), Err(Refusal::Draining)));
    });
}
