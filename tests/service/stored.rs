//! Jobs whose store takes its time: nothing is told, run or lost before its time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forkpool::jobs::{Filter, State, Store};
use forkpool::service::{Answer, Request, Service, StreamEnd};

use super::asking::{SOON, ask, call, ended, map, submitted, told, with_store};
use super::deferred::{Deferred, Step};
use super::jobs::streamed;

/// Long enough for what must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(200);

/// Runs a test against a service whose store is deferred.
fn with_deferred<F, T>(arguments: &[&str], test: F)
where
    F: FnOnce(Arc<Service>, Arc<Deferred>) -> T,
    T: Future<Output = ()>,
{
    let made = OnceLock::new();
    let store = |memory| Arc::clone(made.get_or_init(|| Deferred::new(memory))) as Arc<dyn Store>;
    with_store(arguments, store, async |service| {
        test(service, Arc::clone(made.get().expect("the service has it"))).await;
    });
}

async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.expect("it holds soon");
}

async fn listed(service: &Arc<Service>) -> usize {
    match ask(service, Request::Jobs { filter: Filter::default(), limit: 10, cursor: None }).await {
        Ok(Answer::Jobs(page)) => page.items.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_is_as_with_a_store_that_answers_at_once() {
    with_deferred(&[], async |service, _| {
        let run = |function, arguments| Request::Run(call(&service, function, arguments));
        assert_eq!(told(&ended(&service, run("square", "[7]")).await), "49");
        assert_eq!(told(&ended(&service, run("fail", "[\"no\"]")).await), "function-raised");
        assert_eq!(told(&ended(&service, run("exit_now", "[3]")).await), "worker-died");
        let items = (0..100).map(|item| item.to_string()).collect::<Vec<_>>().join(",");
        let squares = (0..100).map(|item| (item * item).to_string()).collect::<Vec<_>>().join(",");
        let values = ended(&service, Request::Run(map(&service, "square", format!("[{items}]"), 100))).await;
        assert_eq!(told(&values), format!("[{squares}]"));
        // What its caller waited for is forgotten.
        while listed(&service).await > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let job = submitted(&service, call(&service, "square", "[3]")).await;
        let result = Request::Result { id: job.handle.id.to_string(), timeout: SOON };
        assert_eq!(told(&ended(&service, result).await), "9");
        let (lines, end) = streamed(&service, false).await;
        assert!(lines.len() == 3 && matches!(end, StreamEnd::Whole { done: 3, failed: 0 }), "{end:?}");
    });
}

#[test]
fn nothing_runs_before_it_has_begun() {
    with_deferred(&["--workers", "1"], async |service, store| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mark");
        let arguments: &'static str = format!("[{:?}]", path.display().to_string()).leak();
        store.hold(Some(Step::Begin));
        let held = submitted(&service, call(&service, "mark", arguments)).await;
        let cancelled = submitted(&service, call(&service, "mark", arguments)).await;
        until(|| store.attempts_of(cancelled.handle.id) == [1]).await;
        tokio::time::sleep(A_WHILE).await;
        assert!(!path.exists() && held.handle.state() == State::Queued);
        let id = cancelled.handle.id.to_string();
        assert!(matches!(ask(&service, Request::CancelJob { id }).await, Ok(Answer::Job(_))));
        assert_eq!(cancelled.handle.state(), State::Cancelled);
        store.hold(None);
        until(|| held.handle.state() == State::Succeeded).await;
        assert_eq!(std::fs::read_to_string(&path).expect("it was run").lines().count(), 1, "once, and alone");
        assert_eq!(store.attempts_of(held.handle.id), [1]);
    });
}

#[test]
fn each_attempt_begins_and_no_more_than_four_a_worker_wait() {
    with_deferred(&["--workers", "1"], async |service, store| {
        let mut dying = call(&service, "exit_now", "[3]");
        dying.terms.retries = Some(2);
        let job = submitted(&service, dying).await;
        until(|| job.handle.state() == State::Failed).await;
        assert_eq!((store.attempts_of(job.handle.id), job.handle.attempts()), (vec![1, 2, 3], 3));
        store.hold(Some(Step::Begin));
        let mut jobs = Vec::new();
        for _ in 0..9 {
            jobs.push(submitted(&service, call(&service, "square", "[3]")).await);
        }
        let begun = |jobs: &[forkpool::service::JobShown]| {
            jobs.iter().filter(|job| !store.attempts_of(job.handle.id).is_empty()).count()
        };
        until(|| begun(&jobs) >= 4).await;
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(begun(&jobs), 4);
        store.hold(None);
        until(|| jobs.iter().all(|job| job.handle.state() == State::Succeeded)).await;
        assert_eq!(begun(&jobs), 9);
    });
}

#[test]
fn nobody_is_told_an_end_that_is_not_kept_and_a_drain_waits_for_it() {
    with_deferred(&[], async |service, store| {
        store.hold(Some(Step::End));
        let job = submitted(&service, call(&service, "square", "[3]")).await;
        until(|| job.handle.has_started()).await;
        service.refuse_work();
        let drain = service.drain();
        tokio::pin!(drain);
        assert!(tokio::time::timeout(A_WHILE, &mut drain).await.is_err(), "an end is still being kept");
        assert_eq!(job.handle.state(), State::Running);
        store.hold(None);
        tokio::time::timeout(SOON, drain).await.expect("it ends");
        assert_eq!(job.handle.state(), State::Succeeded);
    });
}

#[test]
fn what_was_accepted_is_run_though_its_caller_left_meanwhile() {
    with_deferred(&[], async |service, store| {
        store.hold(Some(Step::Accept));
        for request in
            [Request::Submit(call(&service, "square", "[3]")), Request::Run(call(&service, "square", "[3]"))]
        {
            let asking = ask(&service, request);
            assert!(tokio::time::timeout(A_WHILE, asking).await.is_err(), "it is still being accepted");
        }
        assert_eq!((service.unfinished(), listed(&service).await), (2, 0));
        store.hold(None);
        until(|| service.unfinished() == 0).await;
        assert_eq!(listed(&service).await, 1, "the one is kept, the other was its caller's alone");
    });
}
