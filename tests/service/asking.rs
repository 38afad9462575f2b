//! A service of its own for a test, and short ways to ask it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use forkpool::app;
use forkpool::config::{Config, ServeFlags};
use forkpool::jobs::{Outcome, Store};
use forkpool::json::Splitter;
use forkpool::process::ProcessTree;
use forkpool::service::{
    Answer, Caller, Ended, JobShown, Refusal, Request, Service, Spread, TermsAsked, WantedJob, WantedWork,
};

/// For what must come soon.
pub const SOON: Duration = Duration::from_secs(20);

/// One service at a time: its tree reaps every child of this process.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    flags: ServeFlags,
}

fn config(arguments: &[&str]) -> Config {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/faults.py");
    let workers: &[&str] = if arguments.contains(&"--workers") { &[] } else { &["--workers", "2"] };
    Flags::parse_from(["forkpool", file].iter().chain(workers).chain(arguments))
        .flags
        .resolve()
        .expect("the flags are good")
}

/// Runs a test against a service that has `faults.py`, with two workers unless `arguments` say another number; ends it
/// afterwards.
pub fn with_service<F, T>(arguments: &[&str], test: F)
where
    F: FnOnce(Arc<Service>) -> T,
    T: Future<Output = ()>,
{
    with_store(arguments, |memory| memory, test);
}

/// The same, with what `store` makes of the store in memory.
pub fn with_store<S, F, T>(arguments: &[&str], store: S, test: F)
where
    S: FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    F: FnOnce(Arc<Service>) -> T,
    T: Future<Output = ()>,
{
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let config = config(arguments);
        let tree = ProcessTree::init().expect("a tree of processes");
        let service =
            app::service(config.limits.clone(), store(app::store(&config.limits, app::keys(&config.limits))));
        assert!(matches!(ask(&service, Request::Functions).await, Err(Refusal::Starting)));
        app::start(&config, &tree, &service).await.expect("it starts");
        test(Arc::clone(&service)).await;
        service.refuse_work();
        tokio::time::timeout(SOON, service.stop(SOON)).await.expect("it stops");
    });
}

pub async fn ask(service: &Arc<Service>, request: Request) -> Result<Answer, Refusal> {
    let caller = Caller::default();
    let asked = service.ask(&caller, request);
    tokio::time::timeout(SOON, asked).await.expect("an answer comes soon")
}

/// One call of a function of `faults.py`.
pub fn call(service: &Service, function: &str, arguments: &'static str) -> Box<WantedJob> {
    let work = WantedWork::Call {
        arguments: Bytes::from_static(arguments.as_bytes()),
        keywords: None,
        typed: false,
    };
    wanted_job(service, function, work, arguments.len())
}

/// A map of a function of `faults.py`.
pub fn map(service: &Service, function: &str, items: String, count: usize) -> Box<WantedJob> {
    let body_bytes = items.len();
    let items = Splitter::new(items.into());
    let work = WantedWork::Map { items, count, chunksize: None, spread: Spread::Whole, collect: false };
    wanted_job(service, function, work, body_bytes)
}

fn wanted_job(service: &Service, function: &str, work: WantedWork, body_bytes: usize) -> Box<WantedJob> {
    let (function, terms) = (format!("faults.{function}"), TermsAsked::default());
    let room = service.admit().expect("work is taken");
    Box::new(WantedJob { function, work, terms, body_bytes, room, key: None })
}

pub async fn submitted(service: &Arc<Service>, wanted: Box<WantedJob>) -> JobShown {
    match ask(service, Request::Submit(wanted)).await {
        Ok(Answer::Accepted(job)) => *job,
        other => panic!("{other:?}"),
    }
}

/// The value's text, or the failure's code.
pub fn told(ended: &Ended) -> String {
    match &ended.outcome {
        Outcome::Value(value) => String::from_utf8(value.pieces.concat()).expect("JSON is UTF-8"),
        Outcome::Failure(failure) => failure.code.as_str().to_owned(),
    }
}

pub async fn ended(service: &Arc<Service>, request: Request) -> Ended {
    match ask(service, request).await {
        Ok(Answer::Ended(ended)) => ended,
        other => panic!("{other:?}"),
    }
}
