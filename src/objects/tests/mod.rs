//! What only workers do: they hold, wait and die. And what a call gives back that is dropped.

mod long;
mod threads;

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Address, Call, Calling, ErrorCode, HolderId, Limit, ObjectCaller, ObjectError, ObjectLimits, Objects,
};

fn objects() -> Objects {
    Objects::new(ObjectLimits {
        objects_max: 100,
        bytes_max: 1 << 20,
        depth_max: 64,
        answer_bytes_max: 1 << 20,
        timeout_max: Duration::from_secs(86_400),
    })
}

fn at(path: &str) -> Address {
    Address::parse(path).expect("an address")
}

/// What another thread may hold up for a moment, and no task.
fn done<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        std::thread::yield_now();
    }
}

fn make(objects: &Objects, path: &str, arguments: &Value) {
    done(objects.make(&at(path), arguments.to_string().into())).expect("it can be made");
}

/// A thread of this process; none is a client over HTTP.
fn worker(process: Option<u64>, thread: &str) -> ObjectCaller {
    ObjectCaller { holder: process.map(HolderId), owner: Some(thread.into()) }
}

fn calling(objects: &Objects, path: &str, arguments: &Value, caller: ObjectCaller) -> Pin<Box<Calling>> {
    let (at_path, method) = path.rsplit_once('/').expect("a method");
    let call = Call {
        at: at(at_path),
        method: method.to_owned(),
        arguments: if *arguments == json!({}) { Bytes::new() } else { arguments.to_string().into() },
        caller,
        max_wait: None,
    };
    Box::pin(objects.hand_over(call))
}

fn poll(calling: &mut Pin<Box<Calling>>) -> Poll<Result<Value, ObjectError>> {
    let polled = calling.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    polled.map(|handed| handed.map(|handed| serde_json::from_slice(&handed.taken()).expect("JSON")))
}

/// A call that needn't wait.
fn now(objects: &Objects, path: &str, arguments: &Value, caller: ObjectCaller) -> Result<Value, ObjectError> {
    match poll(&mut calling(objects, path, arguments, caller)) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("{path} waits"),
    }
}

/// A call that waits.
fn waiting(objects: &Objects, path: &str, arguments: &Value, caller: ObjectCaller) -> Pin<Box<Calling>> {
    let mut calling = calling(objects, path, arguments, caller);
    assert!(poll(&mut calling).is_pending(), "{path} does not wait");
    calling
}

fn is_recovered(result: Poll<Result<Value, ObjectError>>) -> bool {
    let Poll::Ready(Ok(value)) = result else { panic!("not acquired: {result:?}") };
    assert_eq!(value["acquired"], true);
    value["recovered"] == true
}

fn shown(objects: &Objects, path: &str) -> Value {
    serde_json::from_slice(&done(objects.show(&at(path))).expect("it is there")).expect("JSON")
}

#[tokio::test]
async fn a_dead_holders_locks_come_back_and_the_next_is_told() {
    let objects = objects();
    for path in ["locks/l", "rlocks/r", "semaphores/s", "bounded_semaphores/b", "conditions/c"] {
        make(&objects, path, &json!({}));
        let acquire = format!("{path}/acquire");
        now(&objects, &acquire, &json!({}), worker(Some(1), "1:1")).expect("free");
        if path == "rlocks/r" {
            now(&objects, &acquire, &json!({}), worker(Some(1), "1:1")).expect("again");
        }
        let mut next = waiting(&objects, &acquire, &json!({}), worker(Some(2), "2:1"));
        objects.died(HolderId(3));
        assert!(poll(&mut next).is_pending(), "{path}: another death");
        objects.died(HolderId(1));
        assert!(is_recovered(poll(&mut next)), "{path}");
        now(&objects, &format!("{path}/release"), &json!({}), worker(Some(2), "2:1")).expect("its own");
        let after = now(&objects, &acquire, &json!({}), worker(None, "http")).expect("free");
        assert_eq!(after["recovered"], false, "{path}: told once");
    }
}

#[tokio::test]
async fn that_a_lock_came_back_is_told_to_the_next_who_can_be() {
    let objects = objects();
    let (dying, http) = (worker(Some(1), "1:1"), worker(None, "h"));
    // To an addition it can't be said.
    make(&objects, "values/v", &json!({"typecode": "i"}));
    now(&objects, "values/v/acquire", &json!({}), dying.clone()).expect("free");
    let mut adding = waiting(&objects, "values/v/add", &json!({}), http.clone());
    // Nor to one who wakes up.
    make(&objects, "conditions/c", &json!({}));
    now(&objects, "conditions/c/acquire", &json!({}), http.clone()).expect("free");
    let mut sleeping = waiting(&objects, "conditions/c/wait", &json!({}), http.clone());
    now(&objects, "conditions/c/acquire", &json!({}), dying.clone()).expect("free");
    now(&objects, "conditions/c/notify", &json!({}), dying.clone()).expect("its own");
    // Nor to one who has left.
    make(&objects, "locks/l", &json!({}));
    now(&objects, "locks/l/acquire", &json!({}), dying).expect("free");
    let leaver = waiting(&objects, "locks/l/acquire", &json!({}), http.clone());
    objects.died(HolderId(1));
    drop(leaver);
    assert!(matches!(poll(&mut adding), Poll::Ready(Ok(Value::Number(_)))));
    assert!(matches!(poll(&mut sleeping), Poll::Ready(Ok(Value::Bool(true)))));
    now(&objects, "conditions/c/release", &json!({}), http).expect("its own");
    for path in ["values/v", "conditions/c", "locks/l"] {
        for recovered in [true, false] {
            let next = || worker(None, "next");
            let had = now(&objects, &format!("{path}/acquire"), &json!({}), next()).expect("free");
            assert_eq!(had["recovered"], recovered, "{path}");
            now(&objects, &format!("{path}/release"), &json!({}), next()).expect("its own");
        }
    }
}

#[tokio::test]
async fn what_was_released_by_another_does_not_come_back() {
    let objects = objects();
    make(&objects, "locks/l", &json!({}));
    now(&objects, "locks/l/acquire", &json!({}), worker(Some(1), "1:1")).expect("free");
    now(&objects, "locks/l/release", &json!({}), worker(Some(2), "2:1")).expect("anyone may");
    now(&objects, "locks/l/acquire", &json!({}), worker(Some(2), "2:1")).expect("free");
    objects.died(HolderId(1));
    assert_eq!(shown(&objects, "locks/l")["locked"], true);
    let error =
        now(&objects, "locks/l/acquire", &json!({"block": false}), worker(None, "x")).expect("an answer");
    assert_eq!(error, json!({"acquired": false}));
}

#[tokio::test]
async fn a_barrier_breaks_when_one_who_waits_dies() {
    for is_dropped in [false, true] {
        let objects = objects();
        make(&objects, "barriers/b", &json!({"parties": 3}));
        let dying = waiting(&objects, "barriers/b/wait", &json!({}), worker(Some(1), "1:1"));
        let mut other = waiting(&objects, "barriers/b/wait", &json!({}), worker(Some(2), "2:1"));
        if is_dropped {
            drop(dying);
        } else {
            objects.died(HolderId(1));
        }
        let Poll::Ready(Err(error)) = poll(&mut other) else { panic!("it goes on waiting") };
        assert_eq!(error.code, ErrorCode::BrokenBarrier);
    }
}

#[tokio::test]
async fn conditions_forget_the_dead() {
    let objects = objects();
    make(&objects, "conditions/c", &json!({}));
    let mut sleepers = Vec::new();
    for process in 1..=2 {
        let caller = worker(Some(process), "t");
        now(&objects, "conditions/c/acquire", &json!({}), caller.clone()).expect("free");
        sleepers.push(waiting(&objects, "conditions/c/wait", &json!({}), caller));
    }
    objects.died(HolderId(1));
    now(&objects, "conditions/c/acquire", &json!({}), worker(None, "n")).expect("free");
    now(&objects, "conditions/c/notify", &json!({}), worker(None, "n")).expect("its own");
    now(&objects, "conditions/c/release", &json!({}), worker(None, "n")).expect("its own");
    assert_eq!(shown(&objects, "conditions/c")["depth"], 1, "the living one was notified");
    let Poll::Ready(Ok(Value::Bool(true))) = poll(&mut sleepers[1]) else { panic!("it goes on sleeping") };
}

#[tokio::test]
async fn a_notification_does_not_leave_with_who_had_it() {
    let notifier = || worker(None, "n");
    for how in ["withdrawn", "undone", "died", "drained"] {
        let objects = objects();
        make(&objects, "conditions/c", &json!({}));
        let run = |method: &str, caller: ObjectCaller| {
            now(&objects, &format!("conditions/c/{method}"), &json!({}), caller).expect(method);
        };
        let sleep = |caller: ObjectCaller| {
            run("acquire", caller.clone());
            waiting(&objects, "conditions/c/wait", &json!({}), caller)
        };
        let leaver = sleep(worker(if how == "drained" { None } else { Some(1) }, "leaver"));
        let mut other = sleep(worker(Some(2), "other"));
        run("acquire", notifier());
        run("notify", notifier());
        match how {
            "withdrawn" => drop(leaver),
            "undone" => {
                // The lock was handed to it by the release, and nobody has looked.
                run("release", notifier());
                drop(leaver);
            }
            "died" => objects.died(HolderId(1)),
            _ => objects.close(),
        }
        if how != "undone" {
            run("release", notifier());
        }
        let Poll::Ready(Ok(Value::Bool(true))) = poll(&mut other) else { panic!("{how}: it sleeps on") };
    }
}

#[tokio::test]
async fn a_pipes_end_closes_with_its_only_user() {
    let objects = objects();
    make(&objects, "pipes/p", &json!({}));
    now(&objects, "pipes/p/1/send", &json!({"obj": 1}), worker(Some(1), "1:1")).expect("sent");
    let mut parent = waiting(&objects, "pipes/p/1/recv", &json!({}), worker(Some(1), "1:1"));
    objects.died(HolderId(2));
    assert_eq!(now(&objects, "pipes/p/0/recv", &json!({}), worker(None, "h")).expect("it is there"), 1);
    let mut waits = waiting(&objects, "pipes/p/0/recv", &json!({}), worker(None, "h"));
    objects.died(HolderId(1));
    let Poll::Ready(Err(error)) = poll(&mut waits) else { panic!("it goes on waiting") };
    assert_eq!(error.exception.map(|exception| exception.kind).as_deref(), Some("EOFError"));
    assert!(poll(&mut parent).is_pending(), "the dead get no answer");
}

#[tokio::test]
async fn what_was_handed_to_a_call_that_is_dropped_goes_back() {
    let objects = objects();
    make(&objects, "queues/q", &json!({}));
    make(&objects, "locks/l", &json!({}));
    let (one, two) = (worker(Some(1), "1:1"), worker(Some(2), "2:1"));
    // Handed over while it waited, never polled again.
    let leaver = waiting(&objects, "queues/q/get", &json!({}), one.clone());
    for item in 1..=2 {
        now(&objects, "queues/q/put", &json!({"obj": item}), two.clone()).expect("put");
    }
    drop(leaver);
    // Answered, but the answer got nowhere.
    let mut answered = calling(&objects, "queues/q/get", &json!({}), one.clone());
    let polled = answered.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(handed)) = polled else { panic!("it waits") };
    assert_eq!(&handed.text()[..], b"1");
    drop(handed);
    for item in 1..=2 {
        assert_eq!(
            now(&objects, "queues/q/get", &json!({}), two.clone()).expect("there"),
            item,
            "in their order"
        );
    }
    now(&objects, "locks/l/acquire", &json!({}), two.clone()).expect("free");
    let leaver = waiting(&objects, "locks/l/acquire", &json!({}), one);
    let mut next = waiting(&objects, "locks/l/acquire", &json!({}), worker(None, "h"));
    now(&objects, "locks/l/release", &json!({}), two).expect("held");
    assert!(poll(&mut next).is_pending());
    drop(leaver);
    assert!(!is_recovered(poll(&mut next)));
}

#[tokio::test]
async fn workers_wait_on_in_a_drain_and_clients_do_not() {
    let objects = objects();
    make(&objects, "events/e", &json!({}));
    let mut in_worker = waiting(&objects, "events/e/wait", &json!({}), worker(Some(1), "1:1"));
    let mut over_http = waiting(&objects, "events/e/wait", &json!({}), worker(None, "h"));
    objects.close();
    let Poll::Ready(Err(error)) = poll(&mut over_http) else { panic!("it goes on waiting") };
    assert_eq!(error.code, ErrorCode::Draining);
    let late = now(&objects, "events/e/wait", &json!({}), worker(None, "h")).expect_err("it would wait");
    assert_eq!(late.code, ErrorCode::Draining);
    now(&objects, "events/e/set", &json!({}), worker(None, "h")).expect("it needn't wait");
    let Poll::Ready(Ok(Value::Bool(true))) = poll(&mut in_worker) else { panic!("it goes on waiting") };
}

#[tokio::test]
async fn timeouts_of_workers_are_the_librarys() {
    let objects = objects();
    make(&objects, "queues/q", &json!({}));
    let one = worker(Some(1), "1:1");
    let error = now(&objects, "queues/q/get", &json!({"timeout": -5}), one.clone()).expect_err("at once");
    assert_eq!(error.code, ErrorCode::Empty);
    drop(waiting(&objects, "queues/q/get", &json!({"timeout": 1e30}), one));
    let error =
        now(&objects, "queues/q/get", &json!({"timeout": -5}), worker(None, "h")).expect_err("refused");
    assert_eq!(error.member.as_deref(), Some("timeout"));
}

#[tokio::test]
async fn the_memory_of_a_value_is_the_servers() {
    let objects = objects();
    make(&objects, "values/v", &json!({"typecode": "i", "value": 258}));
    make(&objects, "dicts/d", &json!({}));
    let memory = done(objects.memory(&at("values/v"))).expect("a value has memory");
    assert_eq!((memory.typecode, memory.item_bytes, memory.length), ('i', 4, 1));
    let mut bytes = [0; 4];
    let file = std::fs::File::from(memory.fd);
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).expect("it can be read");
    assert_eq!(i32::from_ne_bytes(bytes), 258);
    std::os::unix::fs::FileExt::write_all_at(&file, &77_i32.to_ne_bytes(), 0).expect("it can be written");
    assert_eq!(now(&objects, "values/v/get", &json!({}), worker(None, "h")).expect("there"), 77);
    assert!(file.set_len(0).is_err(), "its size is sealed");
    assert!(done(objects.memory(&at("dicts/d"))).is_err());
}

#[tokio::test]
async fn everything_that_was_taken_is_given_back() {
    let objects = objects();
    make(&objects, "queues/q", &json!({"maxsize": 1}));
    make(&objects, "dicts/d", &json!({}));
    make(&objects, "lists/l", &json!({}));
    make(&objects, "namespaces/n", &json!({}));
    let at_first = objects.taken();
    let caller = || worker(Some(1), "1:1");
    let run = |path: &str, arguments: Value| now(&objects, path, &arguments, caller()).expect(path);
    run("queues/q/put", json!({"obj": "x".repeat(100)}));
    let mut putter = waiting(&objects, "queues/q/put", &json!({"obj": "y"}), caller());
    let mut getters = Vec::new();
    for _ in 0..2 {
        run("queues/q/get", json!({}));
    }
    assert!(poll(&mut putter).is_ready());
    getters.push(waiting(&objects, "queues/q/get", &json!({}), caller()));
    drop(getters);
    for key in [json!(1), json!(1.0), json!("a"), json!(123_456_789_012_345_678_i64)] {
        run("dicts/d/__setitem__", json!({"key": key, "value": [1, 2]}));
    }
    run("dicts/d/pop", json!({"key": true}));
    run("dicts/d/popitem", json!({}));
    run("dicts/d/popitem", json!({}));
    run("lists/l/extend", json!({"iterable": [1, 22, 333, 4]}));
    run("lists/l/__setitem__", json!({"index": 0, "value": "longer"}));
    run("lists/l/__imul__", json!({"value": 3}));
    run("lists/l/__delitem__", json!({"start": 1}));
    run("lists/l/pop", json!({}));
    run("namespaces/n/__setattr__", json!({"name": "x", "value": 1}));
    run("namespaces/n/__setattr__", json!({"name": "x", "value": "longer"}));
    run("namespaces/n/__delattr__", json!({"name": "x"}));
    assert_eq!(objects.taken(), at_first);
    for path in ["queues/q", "dicts/d", "lists/l", "namespaces/n"] {
        objects.remove(&at(path)).expect("it is there");
    }
    assert_eq!(objects.taken(), (0, 0));
}

#[tokio::test]
async fn a_wait_ends_when_its_time_is_up() {
    let objects = objects();
    make(&objects, "queues/q", &json!({}));
    let call = calling(&objects, "queues/q/get", &json!({"timeout": 0.05}), worker(None, "h"));
    let error = call.await.map(|handed| handed.taken()).expect_err("nothing comes");
    assert_eq!(error.code, ErrorCode::Empty);
    assert_eq!(shown(&objects, "queues/q")["getters"], 0);
}

#[tokio::test]
async fn what_many_hold_or_sent_costs_one_call_no_more() {
    let (few, many) = (taken_with(2_000), taken_with(16_000));
    // Eight times as many take eight times as long; with a look at each for each it would be 64 times.
    assert!(many < few * 30, "{few:?} for 2,000, {many:?} for 16,000");
}

/// How long it takes to acquire and release so many permits, and to send and receive so many values.
fn taken_with(many: u64) -> Duration {
    let objects = Objects::new(ObjectLimits {
        objects_max: 100,
        bytes_max: usize::MAX,
        depth_max: 64,
        answer_bytes_max: 1 << 20,
        timeout_max: Duration::from_secs(86_400),
    });
    make(&objects, "semaphores/s", &json!({"value": many}));
    make(&objects, "pipes/p", &json!({}));
    let run = |path: &str, arguments: Value| now(&objects, path, &arguments, worker(None, "h")).expect(path);
    let begun = std::time::Instant::now();
    let mut tokens = Vec::new();
    for number in 0..many {
        tokens.push(run("semaphores/s/acquire", json!({"lease": 1_000 + number}))["token"].clone());
        run("pipes/p/0/send", json!({"obj": number}));
    }
    for token in tokens.iter().rev() {
        run("semaphores/s/renew", json!({"token": token}));
        run("semaphores/s/release", json!({"token": token}));
    }
    for number in 0..many {
        assert_eq!(run("pipes/p/1/recv", json!({})), number);
    }
    let took = begun.elapsed();
    assert_eq!(shown(&objects, "semaphores/s")["free"], many);
    took
}

#[tokio::test]
async fn a_waiting_addition_keeps_nothing_of_its_body() {
    let objects = objects();
    make(&objects, "values/v", &json!({"typecode": "d", "value": 1}));
    now(&objects, "values/v/acquire", &json!({}), worker(None, "me")).expect("free");
    // However long a number is written.
    let body: std::sync::Arc<str> = format!("{{\"amount\":2.{}}}", "0".repeat(1 << 19)).into();
    let call = Call {
        at: at("values/v"),
        method: "add".to_owned(),
        arguments: Bytes::from_owner(Body(std::sync::Arc::clone(&body))),
        caller: worker(None, "other"),
        max_wait: None,
    };
    let mut adding = Box::pin(objects.hand_over(call));
    let at_first = objects.taken().1;
    while std::sync::Arc::strong_count(&body) > 1 || objects.taken().1 == at_first {
        assert!(poll(&mut adding).is_pending());
        tokio::task::yield_now().await;
    }
    now(&objects, "values/v/release", &json!({}), worker(None, "me")).expect("its own");
    assert_eq!(adding.await.expect("the lock is free").taken(), "3.0");
}

struct Body(std::sync::Arc<str>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[test]
fn an_array_is_bounded_however_it_is_made() {
    let objects = Objects::new(ObjectLimits {
        objects_max: 1,
        bytes_max: usize::MAX,
        depth_max: 64,
        answer_bytes_max: 1 << 20,
        timeout_max: Duration::from_secs(86_400),
    });
    let zeros = format!("{{\"typecode\":\"b\",\"values\":[{}0]}}", "0,".repeat(1 << 24));
    let error = done(objects.make(&at("arrays/a"), zeros.into())).expect_err("one too many");
    assert_eq!((error.code, error.member.as_deref()), (ErrorCode::InvalidRequest, Some("values")));
}

#[test]
fn a_small_request_is_not_answered_at_any_length() {
    let objects = Objects::new(ObjectLimits {
        objects_max: 10,
        bytes_max: usize::MAX,
        depth_max: 64,
        answer_bytes_max: 1 << 20,
        timeout_max: Duration::from_secs(86_400),
    });
    let caller = || worker(None, "h");
    let many = json!({"typecode": "d", "length": 1 << 24});
    let made = done(objects.make(&at("arrays/a"), many.to_string().into())).expect("there is room");
    assert_eq!(&made[..], b"{\"name\":\"a\",\"typecode\":\"d\",\"length\":16777216}");
    make(&objects, "lists/l", &json!({"values": vec!["x".repeat(1_000); 2_000]}));
    make(&objects, "dicts/d", &json!({"items": [[1, "x".repeat(1 << 20)]]}));
    let calls = [
        ("arrays/a/get", json!({})),
        ("lists/l/copy", json!({})),
        ("lists/l/__reversed__", json!({})),
        ("lists/l/__mul__", json!({"value": 1_000})),
        ("lists/l/__add__", json!({"value": [1]})),
        ("lists/l/__getitem__", json!({"start": 1})),
        ("dicts/d/items", json!({})),
        ("dicts/d/values", json!({})),
    ];
    for (path, arguments) in calls {
        let error = now(&objects, path, &arguments, caller()).expect_err(path);
        assert_eq!(
            (error.code, error.limit),
            (ErrorCode::ResultTooLarge, Some((Limit::AnswerBytes, 1 << 20)))
        );
    }
    for path in ["arrays/a", "lists/l", "dicts/d"] {
        assert_eq!(done(objects.show(&at(path))).expect_err(path).code, ErrorCode::ResultTooLarge);
        assert!(done(objects.summary(&at(path))).is_ok());
    }
    let part = now(&objects, "arrays/a/get", &json!({"start": -2}), caller()).expect("a part");
    assert_eq!(part, json!([0.0, 0.0]));
    assert_eq!(now(&objects, "dicts/d/keys", &json!({}), caller()).expect("they are small"), json!([1]));
    // What is taken out or stood in it as one is answered whole.
    assert!(now(&objects, "dicts/d/popitem", &json!({}), caller()).is_ok());
}
