//! Operations that would keep the server's thread run elsewhere, and their object is theirs meanwhile.

use std::future::Future;
use std::task::{Context, Waker};

use serde_json::{Value, json};

use super::{
    ErrorCode, HolderId, ObjectCaller, Objects, at, calling, done, make, now, poll, shown, waiting, worker,
};
use crate::objects::ObjectLimits;

const MANY: usize = 100_000;

fn limits() -> ObjectLimits {
    ObjectLimits {
        objects_max: 100,
        bytes_max: 1 << 30,
        depth_max: 64,
        answer_bytes_max: 64 << 20,
        timeout_max: std::time::Duration::from_secs(60),
    }
}

fn roomy() -> Objects {
    Objects::new(limits())
}

async fn made(objects: &Objects, path: &str, arguments: Value) {
    objects.make(&at(path), arguments.to_string().into()).await.expect("it can be made");
}

/// One of each kind that can be large.
async fn large() -> Objects {
    let objects = roomy();
    let numbers: Vec<usize> = (0..MANY).rev().collect();
    let pairs: Vec<(String, usize)> = numbers.iter().map(|number| (format!("k{number}"), *number)).collect();
    made(&objects, "lists/l", json!({"values": numbers})).await;
    made(&objects, "lists/texts", json!({"values": ["x".repeat(70_000), "x".repeat(70_000)]})).await;
    made(&objects, "dicts/d", json!({"items": pairs})).await;
    made(&objects, "namespaces/n", json!({"items": pairs})).await;
    made(&objects, "arrays/a", json!({"typecode": "i", "values": numbers})).await;
    made(&objects, "values/v", json!({"typecode": "i"})).await;
    made(&objects, "queues/q", json!({})).await;
    objects
}

fn all_numbers() -> Vec<usize> {
    (0..MANY).collect()
}

#[tokio::test]
async fn what_takes_long_runs_elsewhere() {
    let objects = large().await;
    let text = "x".repeat(300_000);
    let pairs: Vec<(usize, usize)> = all_numbers().into_iter().map(|number| (number, number)).collect();
    for (path, arguments) in [
        ("lists/l/count", json!({"value": [1]})),
        ("lists/l/__contains__", json!({"value": MANY - 1})),
        ("lists/l/index", json!({"value": 1})),
        ("lists/l/remove", json!({"value": 1})),
        ("lists/l/reverse", json!({})),
        ("lists/l/sort", json!({})),
        ("lists/l/extend", json!({"iterable": all_numbers()})),
        ("lists/l/copy", json!({})),
        ("lists/l/__reversed__", json!({})),
        ("lists/l/__add__", json!({"value": [1]})),
        ("lists/l/__mul__", json!({"value": 2})),
        ("lists/l/__imul__", json!({"value": 2})),
        ("lists/l/__getitem__", json!({"start": 0})),
        ("lists/l/__setitem__", json!({"start": 0, "stop": 1, "value": [7]})),
        ("lists/l/__delitem__", json!({"start": 0, "stop": 1})),
        ("lists/l/__delitem__", json!({"index": 0})),
        ("lists/l/pop", json!({"index": 0})),
        ("lists/l/insert", json!({"index": 0, "object": 0})),
        ("lists/texts/__getitem__", json!({"start": 0, "stop": 1})),
        ("lists/texts/count", json!({"value": 1})),
        ("dicts/d/keys", json!({})),
        ("dicts/d/values", json!({})),
        ("dicts/d/items", json!({})),
        ("dicts/d/copy", json!({})),
        ("dicts/d/__iter__", json!({})),
        ("dicts/d/update", json!({"items": pairs})),
        ("dicts/d/get", json!({"key": text})),
        ("namespaces/n/__setattr__", json!({"name": "x", "value": text})),
        ("arrays/a/get", json!({})),
        ("arrays/a/set", json!({"value": all_numbers()})),
    ] {
        let mut call = calling(&objects, path, &arguments, ObjectCaller::default());
        let full = objects.common().elsewhere.occupied().await;
        assert!(poll(&mut call).is_pending(), "{path}");
        drop(full);
        call.await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    for path in ["lists/l", "dicts/d", "namespaces/n", "arrays/a"] {
        let address = at(path);
        let full = objects.common().elsewhere.occupied().await;
        let mut show = Box::pin(objects.show(&address));
        let waits = show.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(waits.is_pending(), "{path}");
        drop(full);
        show.await.unwrap_or_else(|error| panic!("{path}: {error}"));
        done(objects.summary(&address)).expect("without its content it costs nothing");
    }
}

#[tokio::test]
async fn what_is_short_is_answered_at_once_however_large_the_object() {
    let objects = large().await;
    for (path, arguments) in [
        ("lists/l/__len__", json!({})),
        ("lists/l/append", json!({"object": 1})),
        ("lists/l/pop", json!({})),
        ("lists/l/__getitem__", json!({"index": 50_000})),
        ("lists/l/__getitem__", json!({"start": 50_000, "stop": 50_010})),
        ("lists/l/__setitem__", json!({"index": 50_000, "value": 1})),
        ("lists/l/insert", json!({"index": 200_000, "object": 0})),
        ("dicts/d/get", json!({"key": "k7"})),
        ("dicts/d/popitem", json!({})),
        ("dicts/d/__setitem__", json!({"key": "k7", "value": 8})),
        ("namespaces/n/__getattr__", json!({"name": "k7"})),
        ("arrays/a/get", json!({"index": 7})),
        ("arrays/a/get", json!({"start": 7, "stop": 17})),
        ("dicts/d/clear", json!({})),
        ("lists/l/clear", json!({})),
    ] {
        now(&objects, path, &arguments, ObjectCaller::default())
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// Whatever comes while an object is elsewhere comes after it, in order; other objects are free.
#[tokio::test]
async fn an_operation_that_takes_long_is_atomic() {
    let objects = large().await;
    let full = objects.common().elsewhere.occupied().await;
    let mut sort = waiting(&objects, "lists/l/sort", &json!({}), ObjectCaller::default());
    let mut append = waiting(&objects, "lists/l/append", &json!({"object": "last"}), ObjectCaller::default());
    let left = waiting(&objects, "lists/l/clear", &json!({}), ObjectCaller::default());
    let mut length = waiting(&objects, "lists/l/__len__", &json!({}), worker(Some(1), "1:1"));
    now(&objects, "dicts/d/get", &json!({"key": "k7"}), ObjectCaller::default())
        .expect("another object is free");
    // Reading a large body waits for no operation.
    let put =
        calling(&objects, "queues/q/put", &json!({"obj": "x".repeat(1 << 20)}), ObjectCaller::default());
    put.await.expect("it is read meanwhile").taken();
    drop(left);
    objects.died(HolderId(1));
    objects.close();
    let address = at("lists/l");
    let mut show = Box::pin(objects.show(&address));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(show.as_mut().poll(&mut cx).is_pending());
    assert!(poll(&mut sort).is_pending() && poll(&mut append).is_pending() && poll(&mut length).is_pending());
    drop(full);
    let (sorted, appended, length, shown) = tokio::join!(sort, append, length, show);
    assert_eq!((&sorted.unwrap().taken()[..], &appended.unwrap().taken()[..]), (&b"null"[..], &b"null"[..]));
    assert_eq!(length.unwrap().taken(), (MANY + 1).to_string());
    let shown: Value = serde_json::from_slice(&shown.unwrap()).unwrap();
    let mut expected: Vec<Value> = all_numbers().into_iter().map(Value::from).collect();
    expected.push("last".into());
    assert_eq!(shown["values"], Value::Array(expected));
}

/// As a worker that has not read its answers: nothing of it is polled until it has.
#[tokio::test]
async fn who_does_not_look_for_the_answer_holds_up_nobody() {
    let objects = large().await;
    let full = objects.common().elsewhere.occupied().await;
    let sort = waiting(&objects, "lists/l/sort", &json!({}), ObjectCaller::default());
    let append = waiting(&objects, "lists/l/append", &json!({"object": 1}), worker(Some(1), "1:1"));
    let count = waiting(&objects, "lists/l/count", &json!({"value": 1}), worker(Some(1), "1:1"));
    let length = waiting(&objects, "lists/l/__len__", &json!({}), ObjectCaller::default());
    drop(full);
    assert_eq!(length.await.expect("the others are over").taken(), (MANY + 1).to_string());
    for (call, answer) in [(sort, "null"), (append, "null"), (count, "2")] {
        assert_eq!(call.await.expect("it is over").taken(), answer);
    }
}

#[tokio::test]
async fn what_is_removed_meanwhile_is_gone_afterwards() {
    let objects = roomy();
    made(&objects, "lists/l", json!({"values": all_numbers()})).await;
    let before = objects.taken().1;
    let full = objects.common().elsewhere.occupied().await;
    let sort = waiting(&objects, "lists/l/sort", &json!({}), ObjectCaller::default());
    objects.remove(&at("lists/l")).expect("it is there");
    assert_eq!(done(objects.summary(&at("lists/l"))).unwrap_err().code, ErrorCode::UnknownObject);
    make(&objects, "lists/l", &json!({}));
    assert_eq!(shown(&objects, "lists/l")["length"], 0);
    assert!(objects.taken().1 > before, "it is counted until it is back");
    drop(full);
    sort.await.expect("it was there when it began").taken();
    while objects.taken().1 > before / 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn arguments_that_wait_are_counted() {
    let objects = large().await;
    let before = objects.taken().1;
    let full = objects.common().elsewhere.occupied().await;
    let sort = waiting(&objects, "lists/l/sort", &json!({}), ObjectCaller::default());
    let calls: Vec<_> = (0..10)
        .map(|_| {
            waiting(
                &objects,
                "lists/l/append",
                &json!({"object": "x".repeat(50_000)}),
                ObjectCaller::default(),
            )
        })
        .collect();
    assert!(objects.taken().1 >= before + 10 * 50_000);
    let large =
        waiting(&objects, "dicts/d/get", &json!({"key": "x".repeat(1 << 20)}), ObjectCaller::default());
    assert!(objects.taken().1 >= before + 10 * 50_000 + (1 << 20));
    drop((calls, large));
    while objects.taken().1 != before {
        tokio::task::yield_now().await;
    }
    drop((sort, full));
}

/// Large arguments are read, and an object is made, on another thread: that goes on when the caller has left.
#[test]
fn arguments_count_until_the_work_on_them_is_over() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let objects = roomy();
        made(&objects, "dicts/d", json!({})).await;
        let before = objects.taken();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let only_thread = tokio::task::spawn_blocking(move || gate.recv());
        let text = "x".repeat(1 << 20);
        let call = waiting(&objects, "dicts/d/get", &json!({"key": text}), ObjectCaller::default());
        let (path, values) = (at("lists/l"), json!({"values": [text]}).to_string());
        let mut making = Box::pin(objects.make(&path, values.into()));
        assert!(making.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        // The driven call has begun its reading, too.
        tokio::task::yield_now().await;
        drop((call, making));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(objects.taken().1 >= before.1 + (2 << 20), "both wait for the only thread");
        drop(release);
        assert!(only_thread.await.expect("it ends").is_err());
        let given_back = async {
            while objects.taken() != before {
                // Made for a caller that has left.
                let _ = objects.remove(&at("lists/l"));
                tokio::task::yield_now().await;
            }
        };
        let soon = std::time::Duration::from_secs(20);
        tokio::time::timeout(soon, given_back).await.expect("all is given back");
    });
}

/// What a sort takes beside the list is counted, and a text without escapes is not copied.
#[tokio::test]
async fn a_sort_takes_counted_memory() {
    let objects = Objects::new(ObjectLimits { bytes_max: 3 << 20, ..limits() });
    let text = |number: usize| format!("{}{number}", "x".repeat(500_000));
    made(&objects, "lists/l", json!({"values": [text(3), text(1), text(2)]})).await;
    let taken = objects.taken();
    calling(&objects, "lists/l/sort", &json!({}), ObjectCaller::default())
        .await
        .expect("there is room")
        .taken();
    let sorted: Value = serde_json::from_slice(&objects.show(&at("lists/l")).await.unwrap()).unwrap();
    assert_eq!(sorted["values"], json!([text(1), text(2), text(3)]));
    let escaped = |number: usize| format!("\n{}", text(number));
    for list in [json!([escaped(2), escaped(1), escaped(4), escaped(3)]), json!([vec![1; 50_000], vec![0]])] {
        now(&objects, "lists/l/clear", &json!({}), ObjectCaller::default()).expect("it is short");
        let extend = calling(&objects, "lists/l/extend", &json!({"iterable": list}), ObjectCaller::default());
        extend.await.expect("there is room").taken();
        let sort = calling(&objects, "lists/l/sort", &json!({}), ObjectCaller::default());
        assert_eq!(sort.await.unwrap_err().code, ErrorCode::Overloaded);
        let shown: Value = serde_json::from_slice(&objects.show(&at("lists/l")).await.unwrap()).unwrap();
        assert_eq!(shown["values"], list, "nothing was done");
    }
    now(&objects, "lists/l/clear", &json!({}), ObjectCaller::default()).expect("it is short");
    assert!(objects.taken().1 < taken.1 / 100);
}
