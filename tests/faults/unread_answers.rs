//! Answers that nobody takes: what they hold of the server's memory is bounded over all callers (`--answer-bytes`),
//! and nothing hangs by that.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Gate, Server, proc, wait_until};

const BOUND: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;
const LIMITS: [&str; 12] = [
    "--answer-bytes",
    "8MiB",
    "--queue-bytes",
    "8MiB",
    "--finished-bytes",
    "8MiB",
    "--object-bytes",
    "16MiB",
    "--write-stall",
    "120s",
    "--body-stall",
    "120s",
];
/// What the server may grow by under these limits: two of them, the tasks that were with workers when one was
/// reached, and what the connections cost.
const GROWTH: u64 = 48 << 20;

/// A client that asks and reads nothing.
fn unread(server: &Server, line: &str, headers: &str, body: &[u8]) -> TcpStream {
    let mut stream =
        TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts a connection");
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).expect("the request is taken");
    stream
}

fn unread_post(server: &Server, path: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    unread(server, &format!("POST {path}"), &headers, body.as_bytes())
}

/// Reads the answer to its end.
fn read(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(BOUND)).expect("a timeout can be set");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer is read");
    text
}

fn asked(server: &Server) -> Answer {
    server.post("/v1/apply", &json!({"function": "faults.square", "args": [3], "queue_timeout": 0.5}))
}

#[track_caller]
fn is_overloaded(answer: &Answer, knob: &str, limit: usize) -> bool {
    if answer.status != 503 {
        return false;
    }
    let problem = answer.problem(503, "overloaded");
    assert_eq!((&problem["knob"], &problem["limit"]), (&json!(knob), &json!(limit)), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(knob)), "{problem}");
    true
}

/// New work is refused, and the server answers what costs nothing.
#[track_caller]
fn fills(server: &Server) {
    wait_until(BOUND, "new work is refused", || {
        assert_eq!(server.get("/livez").status, 200);
        is_overloaded(&asked(server), "--answer-bytes", 8 * MIB)
    });
    let process = json!({"target": "faults.square", "args": [3]});
    for (path, body) in [
        ("/v1/map_async", json!({"function": "faults.square", "iterable": [1]})),
        ("/v1/imap", json!({"function": "faults.square", "iterable": [1]})),
        ("/v1/functions/faults.square/call", json!({"x": 1})),
        ("/v1/processes", process),
    ] {
        assert!(is_overloaded(&server.post(path, &body), "--answer-bytes", 8 * MIB), "{path}");
    }
}

#[track_caller]
fn takes_work_again(server: &Server) {
    wait_until(BOUND, "work is taken again", || asked(server).status == 200);
}

#[track_caller]
fn stays_small(server: &Server, before: u64) {
    let grown = proc::peak_memory(server.pid()).saturating_sub(before);
    assert!(grown < GROWTH, "{} MiB more", grown >> 20);
}

#[test]
fn maps_whose_values_nobody_reads() {
    let server = Server::start(&LIMITS);
    let before = proc::peak_memory(server.pid());
    let map = json!({"function": "faults.huge", "iterable": vec![65_536; 64], "chunksize": 8});
    let clients: Vec<TcpStream> = (0..60).map(|_| unread_post(&server, "/v1/map", &map)).collect();
    fills(&server);
    stays_small(&server, before);
    // The others have to wait, and are answered: 240 MiB.
    let readers: Vec<_> = clients.into_iter().map(|client| thread::spawn(move || read(client))).collect();
    let answers: Vec<String> = readers.into_iter().map(|reader| reader.join().expect("it reads")).collect();
    let (mut whole, mut refused) = (0, 0);
    for answer in &answers {
        let is_whole = answer.starts_with("HTTP/1.1 200") && answer.matches("\"x").count() == 64;
        whole += usize::from(is_whole);
        refused += usize::from(answer.starts_with("HTTP/1.1 503"));
    }
    assert!(whole + refused == 60 && whole > 2, "{whole} of 60 are whole, {refused} refused");
    takes_work_again(&server);
    stays_small(&server, before);
}

#[test]
fn maps_whose_values_do_not_fit_together_end() {
    let server = Server::start(&["--answer-bytes", "1MiB", "--workers", "3"]);
    let gate = Gate::shut();
    // Each key has its turn: all gather at once, 6 MiB.
    let held = (0..3).map(|_| server.submit("hold", &json!([gate.path()]))).collect::<Vec<_>>();
    held.iter().for_each(|id| drop(server.worker_of(id)));
    let map = |key: usize| {
        let items = vec![100_000; 10];
        json!({"function": "faults.huge", "iterable": items, "chunksize": 1, "key": key.to_string()})
    };
    let maps: Vec<String> = (0..6).map(|key| server.post("/v1/map_async", &map(key)).accepted()).collect();
    gate.open();
    for id in held {
        server.result(&id, 30.0).value();
    }
    for id in maps {
        let values = server.result(&id, 30.0).value();
        assert_eq!(values.as_array().map(Vec::len), Some(10));
    }
    takes_work_again(&server);
}

#[test]
fn streams_whose_clients_read_slowly() {
    let server = Server::start(&LIMITS);
    let before = proc::peak_memory(server.pid());
    let head = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n";
    let line = format!("\"{}\"\n", "z".repeat(20_000));
    let chunk = format!("{:x}\r\n{line}\r\n", line.len()).repeat(8).into_bytes();
    let mut clients: Vec<TcpStream> = Vec::new();
    for _ in 0..16 {
        let stream = unread(&server, "POST /v1/imap/stream?function=faults.echo", head, b"");
        stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a timeout can be set");
        clients.push(stream);
    }
    let pressing: Vec<_> = clients
        .iter()
        .map(|client| {
            let (mut client, chunk) = (client.try_clone().expect("a connection is shared"), chunk.clone());
            thread::spawn(move || {
                let mut sent = 0;
                // 20 MiB each, unless the server takes no more.
                for _ in 0..130 {
                    match client.write_all(&chunk) {
                        Ok(()) => sent += chunk.len(),
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                            break;
                        }
                        Err(error) => panic!("{error}"),
                    }
                    thread::yield_now();
                }
                sent
            })
        })
        .collect();
    let sent: usize = pressing.into_iter().map(|pressing| pressing.join().expect("it writes")).sum();
    assert_eq!(server.get("/livez").status, 200);
    assert!(sent < 310 * MIB, "{sent} bytes were taken: all of them");
    stays_small(&server, before);
    drop(clients);
    takes_work_again(&server);
    stays_small(&server, before);
}

#[test]
fn a_shared_list_that_many_ask_for_and_nobody_reads() {
    let server = Server::start(&LIMITS);
    server.send("PUT", "/v1/lists/l", &[("content-type", "application/json")], Some(b"{}")).value();
    server.post("/v1/lists/l/append", &json!({"object": "x".repeat(6 * MIB)}));
    let before = proc::peak_memory(server.pid());
    let mut clients = Vec::new();
    wait_until(BOUND, "a reader is refused", || {
        clients.push(unread(&server, "GET /v1/lists/l", "", b""));
        is_overloaded(&asked(&server), "--answer-bytes", 8 * MIB)
    });
    assert!(is_overloaded(&server.get("/v1/lists/l"), "--answer-bytes", 8 * MIB));
    assert!(is_overloaded(&server.post("/v1/lists/l/copy", &json!({})), "--answer-bytes", 8 * MIB));
    stays_small(&server, before);
    assert!(read(clients.remove(0)).len() > 6 * MIB);
    drop(clients);
    takes_work_again(&server);
    assert_eq!(server.get("/v1/lists/l").status, 200);
}

#[test]
fn items_of_streams_count_as_queued() {
    let server = Server::start(&LIMITS);
    let gate = Gate::shut();
    let held: Vec<String> = (0..2).map(|_| server.submit("hold", &json!([gate.path()]))).collect();
    held.iter().for_each(|id| drop(server.worker_of(id)));
    let head = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n";
    let line = format!("\"{}\"\n", "z".repeat(3 * MIB));
    let chunk = format!("{:x}\r\n{line}\r\n0\r\n\r\n", line.len()).into_bytes();
    let before = proc::peak_memory(server.pid());
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let client = unread(&server, "POST /v1/imap/stream?function=faults.echo", head, b"");
            let (mut writing, chunk) = (client.try_clone().expect("a connection is shared"), chunk.clone());
            thread::spawn(move || drop(writing.write_all(&chunk)));
            client
        })
        .collect();
    wait_until(BOUND, "there is no room for more arguments", || {
        let large = json!({"function": "faults.echo", "args": ["x".repeat(2 * MIB)]});
        is_overloaded(&server.post("/v1/apply_async", &large), "--queue-bytes", 8 * MIB)
    });
    stays_small(&server, before);
    gate.open();
    let ends: Vec<String> = clients.into_iter().map(read).collect();
    let whole = ends.iter().filter(|end| end.contains("\"end\":true")).count();
    assert!(whole >= 2, "{whole} of {} are whole", ends.len());
    takes_work_again(&server);
}
