//! `imap_unordered` with a line per item both ways, beside `Pool.imap_unordered` inside Python: items per second.
//!
//! Ours is timed from the first byte sent to the last one read, sending and reading at once; taking the answer
//! apart comes after the clock.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::Options;
use crate::children::Process;
use crate::client;
use crate::contenders::{self, Server};
use crate::rounds::{Phase, Turn, interleave, repeated, series};
use crate::setup::Machine;
use crate::table::{Goal, Row, Unit};

pub const ROWS: &[&str] = &["imap-1", "imap-100", "imap-1000"];

/// A chunksize, and how many items make a turn long enough.
struct Size {
    row: &'static str,
    work: &'static str,
    ours: &'static str,
    theirs: &'static str,
    chunksize: u32,
    items: u32,
    goal: f64,
}

const SIZES: [Size; 3] = [
    Size {
        row: "imap-1",
        work: "`imap_unordered`, a line per item both ways, Python `x*x`, chunksize 1",
        ours: "forkpool, by 1",
        theirs: "Pool, by 1",
        chunksize: 1,
        items: 50_000,
        goal: 1.0,
    },
    Size {
        row: "imap-100",
        work: "the same, chunksize 100",
        ours: "forkpool, by 100",
        theirs: "Pool, by 100",
        chunksize: 100,
        items: 500_000,
        goal: 1.0,
    },
    Size {
        row: "imap-1000",
        work: "the same, chunksize 1,000",
        ours: "forkpool, by 1000",
        theirs: "Pool, by 1000",
        chunksize: 1_000,
        items: 1_000_000,
        goal: 0.5,
    },
];

pub fn measure(machine: &Machine, options: &Options) -> Vec<Row> {
    let server = contenders::forkpool(machine, options.workers);
    let pool = contenders::pool(machine, options.workers).map(RefCell::new);
    let wanted: Vec<&Size> = SIZES.iter().filter(|size| options.wants(size.row)).collect();
    let mut playing = Vec::new();
    for size in &wanted {
        let peer = pool.as_ref().map_err(Clone::clone).map(|pool| {
            let turn = move |phase| rate(phase, size, || of_pool(&mut pool.borrow_mut(), size));
            Box::new(turn) as Turn<'_, f64>
        });
        playing.push((size.theirs, peer));
        playing.push((size.ours, server.as_ref().map_err(Clone::clone).map(|server| turn(server, size))));
    }
    let figures = interleave(options.rounds(), playing, |figure| Unit::ItemsPerSecond.words(*figure));
    let row = |size: &&Size| Row {
        name: size.row,
        work: size.work,
        against: "`Pool.imap_unordered`, in memory, the same chunksize",
        unit: Unit::ItemsPerSecond,
        goal: Goal::AtLeast(size.goal),
        ours: series(&figures, size.ours, |rate| *rate),
        theirs: series(&figures, size.theirs, |rate| *rate),
    };
    wanted.iter().map(row).collect()
}

/// Items per second, by the median of three.
fn rate(phase: Phase, size: &Size, seconds: impl FnMut() -> Result<f64, String>) -> Result<f64, String> {
    Ok(f64::from(size.items) / repeated(phase, 3, seconds)?)
}

fn of_pool(pool: &mut Process, size: &Size) -> Result<f64, String> {
    pool.send(format!("{} {}\n", size.items, size.chunksize).as_bytes())?;
    let line = pool.line(Duration::from_secs(60))?;
    line.parse().map_err(|_| format!("says {line} where seconds should be"))
}

fn turn<'a>(server: &'a Server, size: &'a Size) -> Turn<'a, f64> {
    let path = format!("/v1/imap_unordered/stream?function=bench_tasks.f&chunksize={}", size.chunksize);
    let body: String = (0..size.items).map(|number| format!("{number}\n")).collect();
    let request = client::typed_request(server.port, &path, "application/x-ndjson", body.as_bytes());
    let mut answer = Vec::with_capacity(64 << 20);
    Box::new(move |phase| {
        rate(phase, size, || {
            answer.clear();
            let mut stream = client::connect(server.port)?;
            let mut sending = stream.try_clone().map_err(|e| e.to_string())?;
            let begin = Instant::now();
            thread::scope(|scope| {
                let sender = scope.spawn(|| sending.write_all(&request));
                let read = stream.read_to_end(&mut answer);
                let sent = sender.join().map_err(|_| "the sender panicked".to_owned())?;
                sent.and(read.map(drop)).map_err(|e| e.to_string())
            })?;
            let seconds = begin.elapsed().as_secs_f64();
            check(&client::body_of(&answer)?, size.items)?;
            Ok(seconds)
        })
    })
}

/// A line of the answer.
#[derive(Deserialize)]
struct Line {
    index: Option<u32>,
    value: Option<u64>,
    done: Option<u32>,
}

/// Each item once, with its own value, and an end that counts them.
fn check(body: &[u8], items: u32) -> Result<(), String> {
    let mut seen = vec![false; items as usize];
    let mut done = None;
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let text = || String::from_utf8_lossy(line).into_owned();
        let read: Line = serde_json::from_slice(line).map_err(|e| format!("{e}: {}", text()))?;
        match (read.index, read.value) {
            (Some(index), Some(value)) if value == u64::from(index) * u64::from(index) => {
                let seen = seen.get_mut(index as usize).ok_or_else(text)?;
                if std::mem::replace(seen, true) {
                    return Err(format!("twice: {}", text()));
                }
            }
            (None, None) => done = read.done,
            _ => return Err(format!("a wrong line: {}", text())),
        }
    }
    if done == Some(items) && seen.iter().all(|seen| *seen) {
        return Ok(());
    }
    Err(format!("not all items came; the last line counts {done:?}"))
}
