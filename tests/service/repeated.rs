//! What a request that is sent again under its key is to find, and what a server that goes down says.

use forkpool::service::{Refusal, Replay, Request};

use super::asking::{ask, call, ended, submitted, told, with_service};

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
        let job = submitted(&service, call(&service, "square", "[2]")).await;
        let id = job.record.id;
        let answer = ask(&service, Request::Submit(call(&service, "square", "[2]"))).await.expect("accepted");
        assert!(
            matches!(answer.replay(limits), Replay::WithJob(other) if other != id && service.has_job(other))
        );
        let refusal = ask(&service, Request::Run(call(&service, "no_such", "[]"))).await;
        assert_eq!(refusal.expect_err("refused").replay(limits), Replay::AskAnew);
    });
}

#[test]
fn a_job_that_never_started_is_told_so() {
    with_service(&["--workers", "1"], async |service| {
        let running = submitted(&service, call(&service, "nap", "[0.3]")).await;
        while !running.record.has_started() {
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
        assert!(running.record.state().is_final(), "what had started was let end");
        assert!(matches!(service.admit(), Err(Refusal::Draining)));
    });
}
