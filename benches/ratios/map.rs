//! `map` of a million numbers over HTTP beside `multiprocessing.Pool.map` inside Python: items per second.
//!
//! Ours is timed from sending the first byte of the POST to having read the last of the answer; parsing and
//! checking the answer come after the clock, as they do for the peer.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::Options;
use crate::children::Process;
use crate::client;
use crate::contenders::{self, Server};
use crate::rounds::{Phase, Turn, interleave, repeated, series};
use crate::setup::Machine;
use crate::table::{Goal, Row, Unit};

pub const ROWS: &[&str] = &["map-python", "map-native"];

const ITEMS: u32 = 1_000_000;

pub fn measure(machine: &Machine, options: &Options) -> Vec<Row> {
    let ours = contenders::forkpool(machine, options.workers);
    let pool = contenders::pool(machine, options.workers).map(RefCell::new);
    let repeats = options.repeats();
    let peer = pool.as_ref().map_err(Clone::clone).map(|pool| {
        let turn = move |phase| rate(phase, repeats, || pool_map(&mut pool.borrow_mut()));
        Box::new(turn) as Turn<'_, f64>
    });
    let mut playing = vec![("Pool.map", peer)];
    for (row, name, function) in [
        ("map-python", "forkpool python", "bench_tasks.f"),
        ("map-native", "forkpool native", "builtin.square"),
    ] {
        if options.wants(row) {
            playing.push((
                name,
                ours.as_ref().map_err(Clone::clone).map(|server| turn(server, function, repeats)),
            ));
        }
    }
    let figures = interleave(options.rounds(), playing, |figure| Unit::ItemsPerSecond.words(*figure));
    let items = |name| series(&figures, name, |rate| *rate);
    let row = |name, work, goal, ours| Row {
        name,
        work,
        against: "`multiprocessing.Pool.map`, in memory",
        unit: Unit::ItemsPerSecond,
        goal,
        ours: items(ours),
        theirs: items("Pool.map"),
    };
    vec![
        row("map-python", "`map` of 1,000,000 numbers, Python `x*x`", Goal::AtLeast(1.2), "forkpool python"),
        row("map-native", "`map` of 1,000,000 numbers, native square", Goal::AtLeast(5.0), "forkpool native"),
    ]
}

/// Items per second, by the median of so many maps.
fn rate(phase: Phase, repeats: usize, seconds: impl FnMut() -> Result<f64, String>) -> Result<f64, String> {
    Ok(f64::from(ITEMS) / repeated(phase, repeats, seconds)?)
}

fn pool_map(pool: &mut Process) -> Result<f64, String> {
    pool.send(format!("{ITEMS}\n").as_bytes())?;
    let line = pool.line(Duration::from_secs(60))?;
    line.parse().map_err(|_| format!("says {line} where seconds should be"))
}

fn turn<'a>(server: &'a Server, function: &str, repeats: usize) -> Turn<'a, f64> {
    let numbers: Vec<String> = (0..ITEMS).map(|number| number.to_string()).collect();
    let body = format!(r#"{{"function":"{function}","iterable":[{}]}}"#, numbers.join(","));
    let request = client::request(server.port, "/v1/map", Some(body.as_bytes()));
    let mut answer = Vec::with_capacity(32 << 20);
    Box::new(move |phase| {
        rate(phase, repeats, || {
            answer.clear();
            let mut stream = client::connect(server.port)?;
            let begin = Instant::now();
            client::exchange(&mut stream, &request, &mut answer)?;
            let seconds = begin.elapsed().as_secs_f64();
            check(&client::body_of(&answer)?)?;
            Ok(seconds)
        })
    })
}

fn check(body: &[u8]) -> Result<(), String> {
    let squares: Vec<f64> =
        serde_json::from_slice(body).map_err(|e| format!("the answer is not numbers: {e}"))?;
    let right = (0..ITEMS).map(|number| f64::from(number) * f64::from(number));
    if right.eq(squares) { Ok(()) } else { Err("the answer is wrong".to_owned()) }
}
