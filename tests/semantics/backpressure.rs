//! Memory is bounded both ways, whatever the length of a stream.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::exchange::{End, Receiver, Sender, begin, chunk_of};
use crate::support::{Server, fixture, proc, scaled};

const MIB: u64 = 1 << 20;
/// What the server may grow by, however much passes.
const GROWTH: u64 = 20 * MIB;
/// What may lie in the sockets of both sides besides.
const SOCKETS: usize = 24 << 20;
const PATIENCE: Duration = Duration::from_secs(2);

fn server() -> Server {
    let file = fixture("verbs.py");
    let server = Server::start(&[&file, "--builtin", "--write-stall", "60s", "--body-stall", "60s"]);
    // What it needs once is there before it is measured.
    for function in ["faults.square", "builtin.square"] {
        for path in ["imap", "imap_unordered"] {
            let target = format!("/v1/{path}/stream?function={function}&chunksize=1000");
            let (sender, receiver) = begin(&server, &target);
            flows(sender, receiver, 3_000, path == "imap");
        }
    }
    server
}

fn grown(server: &Server, before: u64) -> u64 {
    proc::peak_memory(server.pid()).saturating_sub(before)
}

/// Streams `0..n` through `square` and checks every line.
fn flows(mut sender: Sender, mut receiver: Receiver, n: usize, ordered: bool) {
    let sending = thread::spawn(move || {
        let mut text = String::new();
        for i in 0..n {
            text.push_str(&format!("{i}\n"));
            if text.len() > 60_000 {
                sender.send(&text);
                text.clear();
            }
        }
        if !text.is_empty() {
            sender.send(&text);
        }
        sender.finish();
        sender
    });
    let mut seen = vec![false; n];
    for at in 0..n {
        let line = receiver.line().unwrap_or_else(|| panic!("it ended before item {at}"));
        let index = line.strip_prefix("{\"index\":").and_then(|rest| rest.split(',').next()?.parse().ok());
        let index: usize = index.unwrap_or_else(|| panic!("no index: {line}"));
        assert!(!ordered || index == at, "item {at}: {line}");
        assert!(!std::mem::replace(&mut seen[index], true), "twice: {line}");
        let value = line.strip_suffix('}').and_then(|rest| rest.rsplit(':').next()?.parse().ok());
        assert_eq!(value, Some(index * index), "{line}");
    }
    let end = format!("{{\"end\":true,\"done\":{n},\"failed\":0}}");
    assert_eq!(receiver.line(), Some(end));
    assert_eq!(receiver.rest(), (vec![], End::Whole));
    sending.join().expect("the sender ends well");
}

/// `scaled` of so many items through one stream.
fn stays_flat(path: &str, function: &str, full: usize) {
    let server = server();
    let before = proc::peak_memory(server.pid());
    let n = scaled(full);
    let start = std::time::Instant::now();
    let target = format!("/v1/{path}/stream?function={function}&chunksize=1000");
    let (sender, receiver) = begin(&server, &target);
    flows(sender, receiver, n, path == "imap");
    let grown = grown(&server, before);
    println!("{path} of {n} items by {function}: {grown} bytes more, {:?}", start.elapsed());
    assert!(grown < GROWTH, "{path} of {n} items by {function}: {} KiB more", grown / 1024);
}

#[test]
fn millions_of_items_through_imap() {
    stays_flat("imap", "faults.square", 1_000_000);
}

#[test]
fn millions_of_items_through_imap_unordered() {
    stays_flat("imap_unordered", "builtin.square", 10_000_000);
}

/// Lines of about this size are pressed in by a client that reads nothing; then it reads all.
fn is_held_back(path: &str, function: &str, line_bytes: usize, lines: usize, chunksize: usize) {
    let server = server();
    let before = proc::peak_memory(server.pid());
    let target = format!("/v1/{path}/stream?function={function}&chunksize={chunksize}");
    let (mut sender, mut receiver) = begin(&server, &target);
    let item = "x".repeat(line_bytes);
    let piece = chunk_of(format!("[0, \"{item}\"]\n").as_bytes());
    let bytes = piece.repeat(lines);
    let taken = sender.press(&bytes, PATIENCE);
    let about = format!("{path}, {lines} lines of {line_bytes} bytes, chunksize {chunksize}");
    let held = grown(&server, before);
    println!("{about}: took {} KiB, {} KiB more memory", taken >> 10, held >> 10);
    assert!(held < GROWTH, "{about}: {} KiB more", held / 1024);
    assert!(taken < bytes.len(), "{about}: it took all of it");
    assert!(taken < SOCKETS + usize::try_from(GROWTH).unwrap_or(0), "{about}: it took {taken} bytes");
    assert_eq!(server.apply("square", &json!([3])).value(), 9, "others are served meanwhile");
    let rest = thread::spawn(move || {
        sender.send_raw(&bytes[taken..]);
        sender.finish();
    });
    let (read, end) = receiver.rest();
    rest.join().expect("the sender ends well");
    assert_eq!((read.len(), end), (lines + 1, End::Whole), "{about}: all of it comes once it is read");
    assert!(read[..lines].iter().all(|line| line.len() > line_bytes), "{about}: whole");
    let wanted = format!("{{\"end\":true,\"done\":{lines},\"failed\":0}}");
    assert_eq!(read.last(), Some(&wanted), "{about}");
    assert!(grown(&server, before) < GROWTH, "{about}: {} KiB more at last", grown(&server, before) / 1024);
}

#[test]
fn a_client_that_does_not_read_is_not_read() {
    is_held_back("imap", "verbs.nap_echo", 4_000, 15_000, 100);
}

#[test]
fn nor_is_it_by_the_unordered_one() {
    is_held_back("imap_unordered", "verbs.nap_echo", 4_000, 15_000, 1);
}

#[test]
fn nor_is_it_when_its_items_are_large() {
    is_held_back("imap_unordered", "verbs.nap_echo", 200_000, 500, 1);
}

#[test]
fn slow_workers_hold_a_quick_client_back() {
    let server = server();
    let before = proc::peak_memory(server.pid());
    let (mut sender, receiver) = begin(&server, "/v1/imap/stream?function=verbs.nap_echo");
    let piece = chunk_of(format!("[30, \"{}\"]\n", "x".repeat(100_000)).as_bytes());
    let bytes = piece.repeat(1_000);
    let taken = sender.press(&bytes, PATIENCE);
    let grown = grown(&server, before);
    println!("took {} KiB while nothing was answered, {} KiB more memory", taken >> 10, grown >> 10);
    assert!(grown < 2 * GROWTH, "{} KiB more", grown / 1024);
    assert!(taken < bytes.len(), "it took all of it");
    drop(receiver);
    sender.leave();
}
