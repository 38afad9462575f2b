//! Many followers, slow ones, and ones that leave: the server keeps nothing for them.

use serde_json::json;

use super::reader::{BOUND, Next, ask, follow, log_text, names, serve};
use crate::support::{Server, proc, wait_until};

#[test]
fn a_thousand_that_leave_leave_nothing_behind() {
    let server = serve(&[]);
    let id = server.submit("nap", &json!([600]));
    server.worker_of(&id);
    let map = json!({"function": "faults.nap", "iterable": [300, 300], "chunksize": 2});
    let map = server.post("/v1/map_async", &map).accepted();
    server.worker_of(&map);
    wait_until(BOUND, "nothing is open but what stays", || connections(&server) == 0);
    // The allocator's own room grows for a few rounds and then stays.
    let mut settled = 0;
    for round in 0..6 {
        let followers: Vec<_> = (0..1_000)
            .map(|number| follow(&server, if number % 2 == 0 { &id } else { &map }, None))
            .collect();
        assert!(connections(&server) >= 1_000, "all of them are in");
        for mut follower in followers {
            assert_eq!(follower.event().name, "state");
            follower.leave();
        }
        wait_until(BOUND, "their connections are gone", || connections(&server) == 0);
        if round == 2 {
            settled = proc::memory(server.pid());
        }
    }
    let grown = proc::memory(server.pid()).saturating_sub(settled);
    assert!(grown < 3 << 20, "three thousand more left {grown} bytes");
    let events = {
        let mut follower = follow(&server, &id, None);
        server.cancel(&id).value();
        follower.rest()
    };
    assert_eq!(names(&events).last(), Some(&"end"));
    server.cancel(&map).value();
}

#[test]
fn a_slow_one_gets_all_output_and_costs_no_memory() {
    let server = serve(&["--log-limit", "16MiB", "--workers", "1", "--worker-output", "job"]);
    let before = proc::memory(server.pid());
    let slow = {
        let nap = server.submit("nap", &json!([1.0]));
        let id = server.submit("print_much", &json!([12]));
        // They ask and take nothing.
        let slow: Vec<_> = (0..8).map(|_| ask(&server, &id, None)).collect();
        server.result(&nap, 10.0).value();
        server.result(&id, 50.0);
        let grown = proc::memory(server.pid()).saturating_sub(before);
        assert!(grown < 64 << 20, "eight that take nothing of 12 MiB cost {grown} bytes");
        slow
    };
    let mut one = slow.into_iter().next().expect("one of them");
    one.read_head();
    let events = one.rest();
    assert_eq!(names(&events).last(), Some(&"end"));
    assert!(log_text(&events).len() >= 12 << 20, "{}", log_text(&events).len());
}

#[test]
fn one_that_takes_nothing_is_left() {
    let server = serve(&["--log-limit", "64MiB", "--write-stall", "1", "--worker-output", "job"]);
    let id = server.submit("print_much", &json!([24]));
    wait_until(BOUND, "nothing is open but what stays", || connections(&server) == 0);
    let mut silent = ask(&server, &id, None);
    server.result(&id, 50.0);
    // Its socket holds less than 24 MiB: the server waits for it, and not for long.
    wait_until(BOUND, "its connection is closed", || connections(&server) == 0);
    silent.read_head();
    let ending = loop {
        match silent.next_within(BOUND) {
            Next::Event(_) | Next::Comment => {}
            ending @ (Next::End | Next::Cut) => break ending,
        }
    };
    assert!(matches!(ending, Next::Cut), "{ending:?}");
}

/// TCP connections that the server holds.
fn connections(server: &Server) -> usize {
    let sockets = proc::descriptors(server.pid());
    let sockets = sockets.iter().filter_map(|line| line.split_once("socket:[")?.1.strip_suffix(']'));
    let mine: std::collections::HashSet<&str> = sockets.collect();
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of connections");
    let established = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_mine =
        |row: &Vec<&str>| row.get(3) == Some(&"01") && row.get(9).is_some_and(|inode| mine.contains(inode));
    established.filter(is_mine).count()
}
