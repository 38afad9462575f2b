//! What every store must do, whatever keeps its jobs. [`run`] takes a way to make one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::handle::{Ending, JobHandle};
use super::id::JobId;
use super::idempotency_keys::{IdempotencyKey, KeyBounds, KeysFull};
use super::memory::Retention;
use super::outcome::{Failure, FailureCode, Outcome, Value};
use super::spec::{JobSpec, Work};
use super::state::{JobEvent, State};
use super::store::{Acceptance, Attempt, Filter, HandlePage, Lookup, Recalled, Store};

pub(super) use super::spec::tests::example;

const LONG: Duration = Duration::from_secs(3_600);

/// What a store is made with.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub retention: Retention,
    pub keys: KeyBounds,
}

impl Default for Setup {
    fn default() -> Self {
        let retention = Retention {
            result_ttl: LONG,
            failure_ttl: LONG,
            finished_jobs_max: usize::MAX,
            finished_bytes_max: usize::MAX,
        };
        Self { retention, keys: KeyBounds { keys_max: 1_000, bytes_max: 1 << 20, ttl: LONG } }
    }
}

impl Setup {
    pub fn expiring_after(mut self, ttl: Duration) -> Self {
        (self.retention.result_ttl, self.retention.failure_ttl) = (ttl, ttl);
        self
    }

    fn keeping(mut self, jobs: usize, bytes: usize) -> Self {
        (self.retention.finished_jobs_max, self.retention.finished_bytes_max) = (jobs, bytes);
        self
    }

    fn with_keys(mut self, keys_max: usize, ttl: Duration) -> Self {
        (self.keys.keys_max, self.keys.ttl) = (keys_max, ttl);
        self
    }
}

/// Tests a store that `make` makes.
pub(super) async fn run<S: Store + 'static>(make: impl Fn(Setup) -> Arc<S>) {
    a_job_is_found_until_it_is_forgotten(&*make(Setup::default())).await;
    nobody_is_told_before_the_end_is_kept(&*make(Setup::default())).await;
    a_job_ends_once(&*make(Setup::default())).await;
    an_attempt_may_begin(&*make(Setup::default())).await;
    lists_go_from_new_to_old_in_pages(&*make(Setup::default())).await;
    lists_are_filtered(&*make(Setup::default())).await;
    what_is_not_retained_does_not_expire(&*make(Setup::default().expiring_after(Duration::ZERO))).await;
    results_expire(&*make(Setup::default().expiring_after(Duration::ZERO))).await;
    a_job_has_its_own_time(&*make(Setup::default().expiring_after(Duration::ZERO))).await;
    the_oldest_expire_early(&*make(Setup::default().keeping(2, usize::MAX))).await;
    the_oldest_expire_early(&*make(Setup::default().keeping(usize::MAX, 250_000))).await;
    late_output_counts(&*make(Setup::default().keeping(usize::MAX, 250_000))).await;
    a_key_is_one_job(&*make(Setup::default())).await;
    of_several_at_once_one_is_new(&make(Setup::default())).await;
    a_key_outlives_its_job(&*make(Setup::default())).await;
    a_key_that_cannot_be_kept_accepts_nothing(&*make(Setup::default().with_keys(1, LONG))).await;
    a_key_ends_with_its_time(&*make(Setup::default().with_keys(1, Duration::ZERO))).await;
}

/// Has a job accepted that must be new.
pub(super) async fn accepted(store: &dyn Store, spec: JobSpec) -> Arc<JobHandle> {
    match store.accept(spec).await {
        Acceptance::New(handle, _) => handle,
        other @ (Acceptance::Known(_) | Acceptance::KeysFull(_)) => panic!("it is new: {other:?}"),
    }
}

fn value(bytes: usize) -> Outcome {
    Outcome::Value(Value::from(vec![Bytes::from(vec![b'1'; bytes])]))
}

async fn end(store: &dyn Store, handle: &Arc<JobHandle>, outcome: Outcome) -> Ending {
    let ending = store.end(handle, &outcome).await;
    handle.end(outcome, &ending);
    ending
}

async fn ended(store: &dyn Store, bytes: usize) -> JobId {
    let handle = accepted(store, example()).await;
    end(store, &handle, value(bytes)).await;
    handle.id
}

async fn finds(store: &dyn Store, id: JobId) -> bool {
    matches!(store.read(id).await, Lookup::Found(handle) if handle.id == id)
}

async fn is_expired(store: &dyn Store, id: JobId) -> bool {
    matches!(store.read(id).await, Lookup::Expired)
}

fn ids(page: &HandlePage) -> Vec<JobId> {
    page.items.iter().map(|handle| handle.id).collect()
}

async fn all(store: &dyn Store) -> Vec<JobId> {
    ids(&store.list(&Filter::default(), 1_000, None).await)
}

async fn a_job_is_found_until_it_is_forgotten(store: &dyn Store) {
    let spec = example();
    let Acceptance::New(handle, work) = store.accept(spec.clone()).await else { panic!("it is new") };
    assert_eq!((&**handle, &work), (&spec.info, &spec.work), "what was asked for comes back whole");
    assert!(finds(store, handle.id).await);
    assert_eq!(all(store).await, [handle.id]);
    end(store, &handle, value(3)).await;
    assert!(finds(store, handle.id).await);
    assert!(store.forget(handle.id).await && !store.forget(handle.id).await);
    assert!(matches!(store.read(handle.id).await, Lookup::Unknown));
    assert!(matches!(store.read(JobId::new()).await, Lookup::Unknown));
    assert!(all(store).await.is_empty());
}

async fn nobody_is_told_before_the_end_is_kept(store: &dyn Store) {
    let handle = accepted(store, example()).await;
    let waiting = tokio::spawn({
        let handle = Arc::clone(&handle);
        async move { handle.ended().await }
    });
    let outcome = value(3);
    let ending = store.end(&handle, &outcome).await;
    tokio::task::yield_now().await;
    assert!(!handle.has_ended() && !waiting.is_finished());
    handle.end(outcome, &ending);
    assert!(matches!(waiting.await, Ok(Outcome::Value(value)) if value.len() == 3));
    let shown = handle.snapshot();
    assert_eq!(shown.state.state(), State::Succeeded);
    let kept = shown.expires_at.and_then(|at| at.duration_since(ending.at).ok());
    assert_eq!(kept, Some(LONG), "it says for how long it is kept");
}

async fn a_job_ends_once(store: &dyn Store) {
    let handle = accepted(store, example()).await;
    let first = end(store, &handle, value(3)).await;
    let failure = Failure::new(FailureCode::WorkerDied, "too late");
    end(store, &handle, Outcome::Failure(Arc::new(failure))).await;
    let shown = handle.snapshot();
    assert_eq!((shown.state.state(), shown.state.finished_at), (State::Succeeded, Some(first.at)));
}

async fn an_attempt_may_begin(store: &dyn Store) {
    let handle = accepted(store, example()).await;
    for number in 1..3 {
        store.begin(Attempt { job: handle.id, first_item: 0, number }).await;
    }
    handle.apply(JobEvent::Started, SystemTime::now());
    assert!(matches!(store.read(handle.id).await, Lookup::Found(handle) if handle.state() == State::Running));
}

async fn lists_go_from_new_to_old_in_pages(store: &dyn Store) {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(ended(store, 1).await);
    }
    let first = store.list(&Filter::default(), 3, None).await;
    assert_eq!(ids(&first), [made[4], made[3], made[2]]);
    let second = store.list(&Filter::default(), 3, first.next).await;
    assert_eq!(ids(&second), [made[1], made[0]]);
    assert!(second.next.is_none());
}

async fn lists_are_filtered(store: &dyn Store) {
    let mut other = example();
    (other.info.function, other.info.terms.tags) = ("g".into(), vec!["t".into()]);
    let (one, other) = (accepted(store, example()).await, accepted(store, other).await);
    end(store, &one, value(1)).await;
    for (filter, wanted) in [
        (Filter { state: Some(State::Succeeded), ..Filter::default() }, one.id),
        (Filter { state: Some(State::Queued), ..Filter::default() }, other.id),
        (Filter { function: Some("g".into()), ..Filter::default() }, other.id),
        (Filter { tag: Some("t".into()), ..Filter::default() }, other.id),
    ] {
        assert_eq!(ids(&store.list(&filter, 10, None).await), [wanted], "{filter:?}");
    }
}

async fn what_is_not_retained_does_not_expire(store: &dyn Store) {
    let mut spec = example();
    spec.info.retained = false;
    let handle = accepted(store, spec).await;
    assert_eq!(end(store, &handle, value(3)).await.expires_at, None);
    while store.expire().await {}
    assert!(finds(store, handle.id).await, "whoever asked for it lets it go");
    assert!(store.forget(handle.id).await);
}

async fn results_expire(store: &dyn Store) {
    let id = ended(store, 1).await;
    assert!(is_expired(store, id).await, "at once, before it is let go");
    assert!(all(store).await.is_empty());
    while store.expire().await {}
    assert!(is_expired(store, id).await);
    let waiting = accepted(store, example()).await;
    assert!(finds(store, waiting.id).await, "what has not ended does not expire");
}

async fn a_job_has_its_own_time(store: &dyn Store) {
    let mut spec = example();
    spec.info.terms.result_ttl = Some(LONG);
    let (one, other) = (accepted(store, spec.clone()).await, example());
    spec.info.id = other.info.id;
    let other = accepted(store, spec).await;
    end(store, &one, value(1)).await;
    let failure = Failure::new(FailureCode::Cancelled, "no value");
    end(store, &other, Outcome::Failure(Arc::new(failure))).await;
    assert!(finds(store, one.id).await);
    assert!(is_expired(store, other.id).await, "the time is a value's");
}

async fn the_oldest_expire_early(store: &dyn Store) {
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(ended(store, 100_000).await);
    }
    while store.expire().await {}
    assert!(is_expired(store, made[0]).await);
    assert!(finds(store, made[1]).await && finds(store, made[2]).await);
}

async fn late_output_counts(store: &dyn Store) {
    let (first, second) = (ended(store, 100_000).await, ended(store, 100_000).await);
    assert!(finds(store, first).await);
    store.grow(second, 100_000);
    while store.expire().await {}
    assert!(is_expired(store, first).await && finds(store, second).await);
}

fn keyed(text: &str, fingerprint: u8) -> JobSpec {
    JobSpec { key: Some(Box::new(key(text, fingerprint))), ..example() }
}

fn key(text: &str, fingerprint: u8) -> IdempotencyKey {
    IdempotencyKey { text: text.into(), fingerprint: [fingerprint; 32] }
}

async fn a_key_is_one_job(store: &dyn Store) {
    assert!(store.recall(&key("k", 1)).await.is_none());
    let first = accepted(store, keyed("k", 1)).await;
    let again = store.accept(keyed("k", 1)).await;
    assert!(matches!(again, Acceptance::Known(Recalled::Same(handle)) if handle.id == first.id));
    assert!(
        matches!(store.recall(&key("k", 1)).await, Some(Recalled::Same(handle)) if handle.id == first.id)
    );
    let other = store.accept(keyed("k", 2)).await;
    assert!(matches!(other, Acceptance::Known(Recalled::Mismatch)));
    assert!(matches!(store.recall(&key("k", 2)).await, Some(Recalled::Mismatch)));
    accepted(store, keyed("l", 1)).await;
    assert_eq!(all(store).await.len(), 2, "what was refused is not there");
}

async fn of_several_at_once_one_is_new<S: Store + 'static>(store: &Arc<S>) {
    let accepts = (0..20).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.accept(keyed("k", 1)).await })
    });
    let (mut new, mut same) = (Vec::new(), Vec::new());
    for accept in accepts.collect::<Vec<_>>() {
        match accept.await {
            Ok(Acceptance::New(handle, Work::Call { .. })) => new.push(handle.id),
            Ok(Acceptance::Known(Recalled::Same(handle))) => same.push(handle.id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new.len(), same.len()), (1, 19));
    assert!(same.iter().all(|id| *id == new[0]));
}

async fn a_key_outlives_its_job(store: &dyn Store) {
    let handle = accepted(store, keyed("k", 1)).await;
    end(store, &handle, value(1)).await;
    store.forget(handle.id).await;
    let again = store.accept(keyed("k", 1)).await;
    assert!(matches!(again, Acceptance::Known(Recalled::Gone)));
    assert!(matches!(store.accept(keyed("k", 2)).await, Acceptance::Known(Recalled::Mismatch)));
    assert!(all(store).await.is_empty());
}

async fn a_key_that_cannot_be_kept_accepts_nothing(store: &dyn Store) {
    let first = accepted(store, keyed("k", 1)).await;
    assert!(matches!(store.accept(keyed("l", 1)).await, Acceptance::KeysFull(KeysFull::Keys(_))));
    assert_eq!(all(store).await, [first.id]);
    accepted(store, example()).await;
}

async fn a_key_ends_with_its_time(store: &dyn Store) {
    let first = accepted(store, keyed("k", 1)).await;
    let second = accepted(store, keyed("k", 2)).await;
    assert!(finds(store, first.id).await && finds(store, second.id).await);
}
