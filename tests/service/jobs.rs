//! Submissions and the jobs that they make.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forkpool::jobs::{Filter, JobId, JobKind, State};
use forkpool::service::{
    Answer, Caller, Cursor, ItemStream, JobUpdate, Refusal, Request, StreamEnd, TermsAsked,
};

use super::asking::{SOON, ask, call, ended, map, submitted, told, with_service};

#[test]
fn values_and_failures_come_back() {
    with_service(&[], async |service| {
        let run = |function, arguments| Request::Run(call(&service, function, arguments));
        assert_eq!(told(&ended(&service, run("square", "[7]")).await), "49");
        assert_eq!(told(&ended(&service, run("fail", "[\"no\"]")).await), "function-raised");
        assert_eq!(told(&ended(&service, run("exit_now", "[3]")).await), "worker-died");
        let items = Request::Run(map(&service, "square", "[1,2,3]".into(), 3));
        assert_eq!(told(&ended(&service, items).await), "[1,4,9]");
        assert_eq!(service.unfinished(), 0);
        let Ok(Answer::Jobs(page)) = ask(&service, all_jobs()).await else { panic!("a list") };
        assert!(page.items.is_empty(), "what its caller waited for is forgotten");
    });
}

fn all_jobs() -> Request {
    Request::Jobs { filter: Filter::default(), limit: 10, cursor: None }
}

#[test]
fn a_job_is_asked_for_by_its_id_and_forgotten() {
    with_service(&[], async |service| {
        let job = submitted(&service, call(&service, "square", "[3]")).await;
        assert_eq!(job.now.state.state(), State::Queued, "as it was before its pool could start it");
        let id = job.handle.id.to_string();
        let result = || Request::Result { id: id.clone(), timeout: SOON };
        assert_eq!(told(&ended(&service, result()).await), "9");
        assert_eq!(told(&ended(&service, result()).await), "9", "as often as wanted");
        let shown = ask(&service, Request::Job { id: id.clone(), wait: Duration::ZERO }).await;
        assert!(matches!(shown, Ok(Answer::Job(job)) if job.now.state.state() == State::Succeeded));
        assert!(matches!(ask(&service, Request::ForgetJob { id: id.clone() }).await, Ok(Answer::Done)));
        assert!(matches!(ask(&service, result()).await, Err(Refusal::UnknownJob)));
        for id in ["", "x", &JobId::new().to_string()] {
            let refusal = ask(&service, Request::Job { id: id.into(), wait: SOON }).await;
            assert!(matches!(refusal, Err(Refusal::UnknownJob)), "{id:?}");
        }
    });
}

#[test]
fn what_runs_is_not_ready_and_is_cancelled() {
    with_service(&[], async |service| {
        let job = submitted(&service, call(&service, "nap", "[60]")).await;
        let id = job.handle.id.to_string();
        let early = Request::Result { id: id.clone(), timeout: Duration::ZERO };
        assert!(matches!(ask(&service, early).await, Err(Refusal::ResultTimeout(..))));
        let forget = ask(&service, Request::ForgetJob { id: id.clone() }).await;
        assert!(matches!(forget, Err(Refusal::NotFinished(_))));
        let cancelled = ask(&service, Request::CancelJob { id }).await;
        assert!(matches!(cancelled, Ok(Answer::Job(job)) if job.now.state.state() == State::Cancelled));
    });
}

#[test]
fn those_that_match_are_cancelled() {
    with_service(&[], async |service| {
        for _ in 0..5 {
            submitted(&service, call(&service, "nap", "[60]")).await;
        }
        let kept = submitted(&service, call(&service, "nap_pid", "[60]")).await;
        let filter = Filter { function: Some("faults.nap".into()), ..Filter::default() };
        let cancelled = ask(&service, Request::CancelJobs(filter)).await;
        assert!(matches!(cancelled, Ok(Answer::Cancelled(5))), "{cancelled:?}");
        assert!(!kept.handle.state().is_final());
    });
}

#[test]
fn a_caller_that_leaves_abandons_its_job() {
    with_service(&[], async |service| {
        let mut asking = Box::pin(ask(&service, Request::Run(call(&service, "nap", "[0.5]"))));
        let soon = tokio::time::timeout(Duration::from_millis(50), &mut asking).await;
        assert!(soon.is_err() && service.unfinished() == 1);
        drop(asking);
        let gone = async {
            while service.unfinished() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, gone).await.expect("its place is free once its task has ended");
        let Ok(Answer::Jobs(page)) = ask(&service, all_jobs()).await else { panic!("a list") };
        assert!(page.items.is_empty());
    });
}

#[test]
fn names_that_are_unknown_are_refused_with_those_near() {
    with_service(&[], async |service| {
        match ask(&service, Request::Run(call(&service, "sqare", "[1]"))).await {
            Err(Refusal::UnknownFunction { name, near }) => {
                assert_eq!(
                    (name.as_str(), near.first().map(String::as_str)),
                    ("faults.sqare", Some("faults.square"))
                );
            }
            other => panic!("{other:?}"),
        }
        let mut elsewhere = call(&service, "square", "[1]");
        elsewhere.terms.pool = Some("nowhere".into());
        let refusal = ask(&service, Request::Run(elsewhere)).await;
        assert!(matches!(refusal, Err(Refusal::UnknownPool { known, .. }) if *known[0] == *"python"));
    });
}

#[test]
fn who_asks_is_kept_with_the_job() {
    with_service(&[], async |service| {
        let caller = Caller { name: Some("ann".into()), request_id: None };
        let request = Request::Submit(call(&service, "square", "[1]"));
        let Ok(Answer::Accepted(job)) = service.ask(&caller, request).await else { panic!("it is accepted") };
        assert_eq!(job.handle.owner.as_deref(), Some("ann"));
    });
}

#[test]
fn records_come_in_order_and_with_what_broke_the_input() {
    with_service(&[], async |service| {
        for broken in [false, true] {
            let (lines, end) = streamed(&service, broken).await;
            assert_eq!(lines, ["0 {\"value\":1}", "1 {\"value\":4}", "2 {\"value\":9}"]);
            match &end {
                StreamEnd::Whole { done: 3, failed: 0 } => assert!(!broken),
                StreamEnd::Broken { index: 3, error } => assert!(broken && *error == *"{}"),
                StreamEnd::Whole { .. }
                | StreamEnd::Broken { .. }
                | StreamEnd::Failed { .. }
                | StreamEnd::Cut => panic!("{end:?}"),
            }
        }
    });
}

pub async fn streamed(service: &Arc<forkpool::service::Service>, broken: bool) -> (Vec<String>, StreamEnd) {
    let stream = ItemStream {
        function: "faults.square".into(),
        kind: JobKind::Imap,
        chunksize: 2,
        terms: TermsAsked::default(),
        room: service.admit().expect("work is taken"),
        is_whole: true,
        feed: Box::new(move |feeder| {
            Box::pin(async move {
                assert!(feeder.feed(Bytes::from_static(b"1,2"), 2).await);
                assert!(feeder.feed(Bytes::from_static(b"3"), 1).await);
                if broken { feeder.break_off(3, Bytes::from_static(b"{}")) } else { feeder.end() }
            })
        }),
    };
    let Ok(Answer::Records(mut records)) = ask(service, Request::Stream(Box::new(stream))).await else {
        panic!("records")
    };
    let mut lines = Vec::new();
    let taking = async {
        loop {
            let written = std::future::poll_fn(|cx| {
                records.poll_write(cx, |index, record| {
                    lines.push(format!("{index} {}", String::from_utf8_lossy(record)));
                    true
                })
            });
            if let Some(end) = written.await {
                return end;
            }
        }
    };
    let end = tokio::time::timeout(SOON, taking).await.expect("the stream ends");
    (lines, end)
}

#[test]
fn a_follower_is_told_a_life() {
    with_service(&[], async |service| {
        let job = submitted(&service, call(&service, "square", "[3]")).await;
        let request = Request::FollowJob { id: job.handle.id.to_string(), from: Cursor::start() };
        let Ok(Answer::Following(mut follower)) = ask(&service, request).await else { panic!("a follower") };
        let mut told = Vec::new();
        let until = std::time::Instant::now() + SOON;
        while let Some(event) = follower.next(until).await {
            match event {
                JobUpdate::State { state, .. } => told.push(state.as_str()),
                JobUpdate::End => told.push("end"),
                JobUpdate::Log { .. } | JobUpdate::Progress { .. } | JobUpdate::Draining => {}
            }
        }
        assert_eq!(told, ["queued", "running", "succeeded", "end"]);
        assert!(follower.has_ended());
    });
}
