//! Pools, Processes and shared objects.

use bytes::Bytes;
use forkpool::objects::{Address, Call, Kind};
use forkpool::service::{Answer, ProcessSignal, Refusal, Request, WantedPool, WantedProcess};

use super::asking::{SOON, ask, call, ended, told, with_service};

fn wanted_pool(name: &str) -> Request {
    Request::MakePool(Box::new(WantedPool {
        name: name.into(),
        runtime: None,
        processes: Some(1),
        initializer: None,
        initargs: None,
        maxtasksperchild: None,
        maxtasksperchild_jitter: 0,
        max_rss: None,
        preload: None,
        spare_workers: None,
        keep_threads: None,
    }))
}

#[test]
fn a_pool_lives_from_its_making_to_its_end() {
    with_service(&[], async |service| {
        let made = ask(&service, wanted_pool("mine")).await;
        assert!(matches!(made, Ok(Answer::PoolMade(shown)) if shown.pool.ready() == 1));
        assert!(matches!(ask(&service, wanted_pool("mine")).await, Err(Refusal::PoolExists(_))));
        assert!(matches!(
            ask(&service, wanted_pool("a/b")).await,
            Err(Refusal::Invalid { member: "name", .. })
        ));
        let mut there = call(&service, "square", "[5]");
        there.terms.pool = Some("mine".into());
        assert_eq!(told(&ended(&service, Request::Run(there)).await), "25");
        let name = || "mine".to_owned();
        let join = || Request::JoinPool { name: name(), timeout: SOON };
        assert!(matches!(ask(&service, join()).await, Err(Refusal::PoolRunning(_))));
        assert!(matches!(ask(&service, Request::ClosePool { name: name() }).await, Ok(Answer::Pool(_))));
        assert!(matches!(ask(&service, join()).await, Ok(Answer::Pool(_))));
        assert!(matches!(ask(&service, Request::TerminatePool { name: name() }).await, Ok(Answer::Done)));
        let gone = ask(&service, Request::Pool { name: name() }).await;
        assert!(matches!(gone, Err(Refusal::UnknownPool { .. })));
        let own = ask(&service, Request::TerminatePool { name: "python".into() }).await;
        assert!(matches!(own, Err(Refusal::PoolPermanent(_))));
    });
}

#[test]
fn a_process_is_started_killed_and_joined() {
    with_service(&[], async |service| {
        let wanted = WantedProcess {
            target: "faults.nap".into(),
            arguments: Bytes::from_static(b"[60]"),
            keywords: None,
            name: None,
            daemon: false,
            room: service.admit().expect("work is taken"),
        };
        let started = ask(&service, Request::StartProcess(Box::new(wanted))).await;
        let Ok(Answer::ProcessStarted(handle)) = started else { panic!("{started:?}") };
        let id = || handle.id.to_string();
        assert!(handle.is_alive() && service.living_processes() == 1);
        let kill = Request::SignalProcess { id: id(), signal: ProcessSignal::Kill };
        assert!(matches!(ask(&service, kill).await, Ok(Answer::Process(_))));
        let joined = ask(&service, Request::JoinProcess { id: id(), timeout: SOON }).await;
        assert!(matches!(joined, Ok(Answer::Process(handle)) if handle.exit_code() == Some(-9)));
        let other = Request::Process { id: "none".into() };
        assert!(matches!(ask(&service, other).await, Err(Refusal::UnknownProcess)));
    });
}

#[test]
fn an_object_is_made_called_and_removed() {
    with_service(&[], async |service| {
        let at = || Address::new(Kind::Queues, "q");
        let make = Request::MakeObject { at: at(), arguments: Bytes::new() };
        assert!(matches!(ask(&service, make).await, Ok(Answer::ObjectMade { .. })));
        let method = |method: &str, arguments: &'static str| {
            Request::CallObject(Box::new(Call {
                at: at(),
                method: method.into(),
                arguments: Bytes::from_static(arguments.as_bytes()),
                caller: Default::default(),
                max_wait: Some(SOON),
            }))
        };
        assert!(matches!(ask(&service, method("put", "{\"obj\":[1]}")).await, Ok(Answer::Delivered(_))));
        let taken = ask(&service, method("get", "")).await;
        assert!(matches!(taken, Ok(Answer::Delivered(handed)) if handed.text() == "[1]"));
        assert!(matches!(ask(&service, method("none", "")).await, Err(Refusal::Object(_))));
        assert!(matches!(ask(&service, Request::RemoveObject(at())).await, Ok(Answer::Done)));
        assert!(matches!(ask(&service, Request::Object(at())).await, Err(Refusal::Object(_))));
    });
}
