//! Many at once: sums that must be exact, items that must neither vanish nor double.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{asked, call, make, server, shown, value};
use crate::support::{Noise, scaled};

const BOUND: Duration = Duration::from_secs(30);

#[test]
fn adds_from_32_connections_are_exact() {
    let server = server(&[]);
    make(&server, "values/v", &json!({"typecode": "q"}));
    let each = scaled(1_000);
    thread::scope(|scope| {
        for _ in 0..32 {
            let client = server.keeping();
            scope.spawn(move || {
                for _ in 0..each {
                    call(&client, "values/v/add", &json!({})).value();
                }
            });
        }
    });
    assert_eq!(value(&server, "values/v/get", &json!({})), json!(32 * each));
}

#[test]
fn a_lock_keeps_read_and_write_together() {
    let server = server(&[]);
    make(&server, "values/v", &json!({"typecode": "i"}));
    make(&server, "locks/l", &json!({}));
    thread::scope(|scope| {
        for number in 0..8 {
            let client = server.keeping();
            scope.spawn(move || {
                for _ in 0..10 {
                    let got = value(
                        &client,
                        "locks/l/acquire",
                        &json!({"owner": number.to_string(), "timeout": 50}),
                    );
                    assert_eq!(got["acquired"], true);
                    let now = value(&client, "values/v/get", &json!({})).as_i64().expect("a number");
                    value(&client, "values/v/set", &json!({"value": now + 1}));
                    value(&client, "locks/l/release", &json!({"token": got["token"]}));
                }
            });
        }
    });
    assert_eq!(value(&server, "values/v/get", &json!({})), 80);
}

/// A `get` that says soon that it sends nothing more, and reads on: it is answered all the same, after a question
/// whether it still reads.
fn get_and_half_close(port: u16, pause: Duration) -> Option<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts a connection");
    let body = "{\"timeout\":0.3}";
    let head = format!(
        "Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("POST /v1/queues/q/get HTTP/1.1\r\n{head}{body}").as_bytes())
        .expect("it can be sent");
    thread::sleep(pause);
    stream.shutdown(Shutdown::Write).expect("it can be shut");
    stream.set_read_timeout(Some(BOUND)).expect("a timeout can be set");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server ends the connection");
    let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    if head.starts_with("HTTP/1.1 409 ") {
        return None;
    }
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    Some(body.parse().expect("a number"))
}

/// A quarter of the requests half-closes at random.
#[test]
fn nothing_vanishes_or_doubles_between_8_producers_and_8_consumers() {
    let server = Arc::new(server(&[]));
    make(&server, "queues/q", &json!({"maxsize": 50}));
    let total = 8 * scaled(2_500) as u64;
    let taken = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..8_u64)
        .map(|number| {
            let client = server.keeping();
            thread::spawn(move || {
                for item in (number..total).step_by(8) {
                    call(&client, "queues/q/put", &json!({"obj": item, "timeout": 50})).value();
                }
            })
        })
        .collect();
    let consumers: Vec<_> = (0..8_u64)
        .map(|number| {
            let (server, taken, over) = (Arc::clone(&server), Arc::clone(&taken), Arc::clone(&over));
            thread::spawn(move || {
                let client = server.keeping();
                let mut noise = Noise::new(number + 7);
                let mut got = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    if noise.below(4) == 0 {
                        if let Some(item) =
                            get_and_half_close(server.port(), Duration::from_micros(noise.below(3_000)))
                        {
                            got.push(item);
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                        continue;
                    }
                    let answer = call(&client, "queues/q/get", &json!({"timeout": 0.2}));
                    if answer.status == 200 {
                        got.push(answer.value().as_u64().expect("a number"));
                        taken.fetch_add(1, Ordering::Relaxed);
                    } else {
                        answer.problem(409, "empty");
                    }
                }
                got
            })
        })
        .collect();
    for producer in producers {
        producer.join().expect("no panic");
    }
    crate::support::wait_until(BOUND, "every item was taken", || taken.load(Ordering::Relaxed) >= total);
    over.store(true, Ordering::Relaxed);
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for consumer in consumers {
        for item in consumer.join().expect("no panic") {
            *seen.entry(item).or_default() += 1;
        }
    }
    assert_eq!(seen.len() as u64, total, "some vanished");
    assert!(seen.values().all(|count| *count == 1), "some came twice");
    assert_eq!(shown(&server, "queues/q", "size"), 0);
}

/// What comes once the server has seen its clients leave is for the next one who asks.
#[test]
fn an_item_for_a_client_that_has_left_is_back() {
    let server = server(&[]);
    make(&server, "queues/q", &json!({}));
    for round in 0..scaled(300) {
        let leavers: Vec<_> =
            (0..4).map(|_| asked(&server, "queues/q/get", &json!({"timeout": 60}))).collect();
        let wait = |count: usize, what| {
            crate::support::wait_until(BOUND, what, || shown(&server, "queues/q", "getters") == count);
        };
        wait(4, "they wait");
        for leaver in leavers {
            leaver.leave();
        }
        wait(0, "nobody waits any more");
        value(&server, "queues/q/put", &json!({"obj": round}));
        assert_eq!(value(&server, "queues/q/get", &json!({"timeout": 20})), round);
    }
}
