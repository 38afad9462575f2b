//! The same objects from several threads at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{
    Call, ErrorCode, ObjectCaller, ObjectError, Objects, at, calling, done, make, now, objects, shown,
    waiting, worker,
};
use crate::objects::{Delivery, ObjectLimits};

const THREADS: usize = 4;
/// Whatever waits in these tests waits no longer.
const BOUND: Duration = Duration::from_secs(60);

fn limited(objects_max: usize, bytes_max: usize) -> Objects {
    let timeout_max = Duration::from_secs(86_400);
    Objects::new(ObjectLimits {
        objects_max,
        bytes_max,
        depth_max: 64,
        answer_bytes_max: 1 << 20,
        timeout_max,
    })
}

/// The same by several threads that begin together; how many of them could.
fn at_once(act: impl Fn(usize) -> Result<(), ObjectError> + Sync) -> usize {
    let (begin, could) = (Barrier::new(THREADS), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (begin, could, act) = (&begin, &could, &act);
            scope.spawn(move || {
                begin.wait();
                could.fetch_add(usize::from(act(number).is_ok()), Ordering::SeqCst);
            });
        }
    });
    could.into_inner()
}

#[test]
fn the_last_place_is_given_once() {
    let items = json!({"values": vec![1; 5_000]}).to_string();
    for _ in 0..10 {
        let objects = limited(1, usize::MAX);
        let made = at_once(|number| {
            done(objects.make(&at(&format!("lists/l{number}")), items.clone().into())).map(drop)
        });
        assert_eq!((made, objects.taken().0), (1, 1));
    }
}

#[test]
fn the_last_bytes_are_given_once() {
    let items = json!({"iterable": vec![1; 5_000]});
    for _ in 0..10 {
        let bytes_max = 700_000;
        let objects = limited(100, bytes_max);
        for number in 0..THREADS {
            make(&objects, &format!("lists/l{number}"), &json!({}));
        }
        let could = at_once(|number| {
            now(&objects, &format!("lists/l{number}/extend"), &items, ObjectCaller::default()).map(drop)
        });
        let taken = objects.taken().1;
        assert!(could == 1 && taken <= bytes_max, "{could} could, {taken} bytes are taken");
    }
}

#[test]
fn what_is_made_is_shown_whoever_removes_it() {
    let objects = objects();
    let could = at_once(|number| {
        for _ in 0..500 {
            if number % 2 == 0 {
                done(objects.make(&at("events/e"), Bytes::new()))?;
            } else {
                let _ = objects.remove(&at("events/e"));
            }
        }
        Ok(())
    });
    assert_eq!(could, THREADS);
    let _ = objects.remove(&at("events/e"));
    assert_eq!(objects.taken(), (0, 0));
}

#[tokio::test]
async fn a_lease_ends_on_time_when_its_callers_runtime_is_no_more() {
    let objects = objects();
    make(&objects, "locks/l", &json!({}));
    let calling = objects.clone();
    let caller = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            now(&calling, "locks/l/acquire", &json!({"lease": 1}), ObjectCaller::default())
                .expect("it is free");
        });
    });
    caller.join().expect("it ends");
    let next = waiting(&objects, "locks/l/acquire", &json!({}), ObjectCaller::default());
    timeout(BOUND, next).await.expect("the lease ends").expect("acquired").taken();
}

/// A call over HTTP, from wherever it is polled.
fn hand_over(
    objects: &Objects,
    path: &str,
    arguments: &Value,
) -> impl Future<Output = Result<Delivery, ObjectError>> + use<> {
    let (at_path, method) = path.rsplit_once('/').expect("a method");
    objects.hand_over(Call {
        at: at(at_path),
        method: method.to_owned(),
        arguments: arguments.to_string().into(),
        caller: ObjectCaller::default(),
        max_wait: None,
    })
}

/// Calls and loses patience now and then, a little later each time; an answer may get lost, too.
async fn patiently(
    objects: &Objects,
    path: &str,
    arguments: &Value,
    round: &mut u64,
) -> Result<Bytes, ObjectError> {
    loop {
        *round += 1;
        let patience = Duration::from_micros(*round % 7 * 50);
        let answered = timeout(patience, hand_over(objects, path, arguments)).await;
        match answered {
            Ok(answer) if !round.is_multiple_of(5) => return answer.map(Delivery::taken),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
}

async fn all(mut tasks: JoinSet<()>) {
    let end = async {
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no task panics");
        }
    };
    timeout(BOUND, end).await.expect("nobody waits for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn items_come_once_whoever_leaves() {
    const ITEMS: usize = 500;
    let objects = objects();
    make(&objects, "queues/q", &json!({"kind": "joinable", "maxsize": 3}));
    let got: std::sync::Arc<Mutex<Vec<u64>>> = std::sync::Arc::default();
    let mut tasks = JoinSet::new();
    for part in 0..THREADS {
        let (objects, got) = (objects.clone(), std::sync::Arc::clone(&got));
        let putting = objects.clone();
        tasks.spawn(async move {
            for number in 0..ITEMS {
                let item = json!({"obj": part * ITEMS + number});
                hand_over(&putting, "queues/q/put", &item).await.expect("it is put").taken();
            }
        });
        tasks.spawn(async move {
            let mut round = part as u64;
            for _ in 0..ITEMS {
                let item =
                    patiently(&objects, "queues/q/get", &json!({}), &mut round).await.expect("an item");
                got.lock().push(serde_json::from_slice(&item).expect("a number"));
                hand_over(&objects, "queues/q/task_done", &json!({})).await.expect("it was got").taken();
            }
        });
    }
    all(tasks).await;
    hand_over(&objects, "queues/q/join", &json!({"timeout": 0})).await.expect("all are done").taken();
    let mut got = std::mem::take(&mut *got.lock());
    got.sort_unstable();
    assert_eq!(got, (0..(THREADS * ITEMS) as u64).collect::<Vec<_>>());
    let left = shown(&objects, "queues/q");
    assert_eq!((&left["size"], &left["getters"], &left["putters"]), (&json!(0), &json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_holds_a_lock_whoever_leaves() {
    let objects = objects();
    make(&objects, "locks/l", &json!({}));
    let held = std::sync::Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for part in 0..2 * THREADS {
        let (objects, held) = (objects.clone(), std::sync::Arc::clone(&held));
        tasks.spawn(async move {
            let mut round = part as u64;
            for _ in 0..200 {
                patiently(&objects, "locks/l/acquire", &json!({}), &mut round).await.expect("it is had");
                assert!(!held.swap(true, Ordering::SeqCst), "another one has it, too");
                tokio::task::yield_now().await;
                held.store(false, Ordering::SeqCst);
                hand_over(&objects, "locks/l/release", &json!({})).await.expect("it is held").taken();
            }
        });
    }
    all(tasks).await;
    let left = shown(&objects, "locks/l");
    assert_eq!((&left["locked"], &left["waiting"]), (&json!(false), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_what_is_removed_or_closed() {
    for round in 0..50 {
        let objects = objects();
        make(&objects, "events/e", &json!({}));
        let mut tasks = JoinSet::new();
        for _ in 0..THREADS {
            let objects = objects.clone();
            tasks.spawn(async move {
                let told = hand_over(&objects, "events/e/wait", &json!({})).await.map(Delivery::taken);
                let code = told.expect_err("it is never set").code;
                assert!(matches!(code, ErrorCode::UnknownObject | ErrorCode::Draining), "{code:?}");
            });
        }
        tasks.spawn(async move {
            if round % 2 == 0 {
                objects.close();
            } else {
                objects.remove(&at("events/e")).expect("it is there");
            }
        });
        all(tasks).await;
    }
}

#[test]
fn what_the_dead_held_comes_back_once() {
    for _ in 0..100 {
        let objects = objects();
        make(&objects, "bounded_semaphores/s", &json!({"value": THREADS}));
        for number in 0..THREADS {
            let caller = worker(Some(number as u64), "1:1");
            now(&objects, "bounded_semaphores/s/acquire", &json!({}), caller).expect("one is free");
        }
        // Some die, the others release, at once.
        at_once(|number| {
            let holder = crate::objects::HolderId(number as u64);
            if number % 2 == 0 {
                objects.died(holder);
                return Ok(());
            }
            let caller = worker(Some(number as u64), "1:1");
            done(calling(&objects, "bounded_semaphores/s/release", &json!({}), caller)).map(drop)
        });
        assert_eq!(shown(&objects, "bounded_semaphores/s")["free"], THREADS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_notification_wakes_one_who_stays() {
    const STAY: usize = 20;
    let objects = objects();
    make(&objects, "conditions/c", &json!({}));
    let asleep = || shown(&objects, "conditions/c")["sleeping"].as_u64().unwrap_or(0);
    let sleep = |owner: String| {
        let objects = objects.clone();
        async move {
            let owner = json!({"owner": owner});
            hand_over(&objects, "conditions/c/acquire", &owner).await.expect("it is had").taken();
            let woken = hand_over(&objects, "conditions/c/wait", &owner).await.expect("it is its own");
            woken.taken();
            hand_over(&objects, "conditions/c/release", &owner).await.expect("it is its own").taken();
        }
    };
    let (mut stay, mut leave, mut leavers) = (JoinSet::new(), JoinSet::new(), Vec::new());
    for number in 0..STAY {
        stay.spawn(sleep(format!("stays {number}")));
        while asleep() < 2 * number as u64 + 1 {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        // It falls asleep and never looks again.
        let mut leaver = Box::pin(sleep(format!("leaves {number}")));
        while asleep() < 2 * number as u64 + 2 {
            assert!(timeout(Duration::from_micros(100), &mut leaver).await.is_err(), "nobody notifies yet");
        }
        leavers.push(leaver);
    }
    for (number, leaver) in leavers.into_iter().enumerate() {
        leave.spawn(async move {
            tokio::time::sleep(Duration::from_micros(number as u64 * 20)).await;
            drop(leaver);
        });
    }
    let notifier = json!({"owner": "notifier"});
    let notifying = async {
        for _ in 0..STAY {
            for method in ["acquire", "notify", "release"] {
                let call = hand_over(&objects, &format!("conditions/c/{method}"), &notifier);
                call.await.expect(method).taken();
            }
        }
    };
    timeout(BOUND, notifying).await.expect("nobody keeps the lock");
    all(leave).await;
    all(stay).await;
    assert_eq!(asleep(), 0);
}
