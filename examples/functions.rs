//! A program's own functions as a service: `cargo run --example functions -- --bind 127.0.0.1:0`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use forkpool::{Array, Bytes, Dict, Functions, ObjectError, ProgressError, Queue, Value, Yielded};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Point {
    x: f64,
    y: f64,
}

fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// How often each word occurs.
#[expect(clippy::needless_pass_by_value, reason = "an argument belongs to the function")]
fn word_count(text: String) -> BTreeMap<String, usize> {
    text.split_whitespace().fold(BTreeMap::new(), |mut counts, word| {
        *counts.entry(word.to_lowercase()).or_default() += 1;
        counts
    })
}

/// Adds to a number that all workers share, under its lock.
#[expect(clippy::needless_pass_by_value, reason = "an argument belongs to the function")]
fn count_up(value: Value<i64>, times: u32) -> Result<(), ObjectError> {
    for _ in 0..times {
        let _guard = value.lock()?;
        value.set(value.get() + 1);
    }
    Ok(())
}

/// How often each word was ever seen.
#[expect(clippy::needless_pass_by_value, reason = "an argument belongs to the function")]
fn tally(counts: Dict<String, u64>, words: Vec<String>) -> Result<Vec<(String, u64)>, ObjectError> {
    for word in words {
        let before = counts.get(&word)?.unwrap_or(0);
        counts.insert(&word, &(before + 1))?;
    }
    counts.items()
}

#[expect(clippy::needless_pass_by_value, reason = "an argument belongs to the function")]
fn scale_all(numbers: Array<f64>, factor: f64) -> Vec<f64> {
    for index in 0..numbers.len() {
        if let Some(number) = numbers.get(index) {
            let _ = numbers.set(index, number * factor);
        }
    }
    numbers.to_vec()
}

/// Says how far it is, and of which job.
fn slow_sum(items: Vec<f64>) -> Result<f64, ProgressError> {
    let total = items.len() as f64;
    let mut sum = 0.0;
    for (done, item) in (1..).zip(items) {
        sum += item;
        forkpool::progress(f64::from(done), total, "adding")?;
    }
    Ok(sum)
}

/// Beats for as long as somebody listens, with a file that is there meanwhile.
struct Heartbeat {
    file: PathBuf,
    beats: u64,
}

impl Heartbeat {
    fn new(file: PathBuf) -> io::Result<Self> {
        fs::write(&file, "")?;
        Ok(Self { file, beats: 0 })
    }
}

impl Iterator for Heartbeat {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        thread::sleep(Duration::from_millis(20));
        self.beats += 1;
        Some(self.beats)
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn main() -> ExitCode {
    let functions = Functions::new()
        .register("square", |x: f64| x * x)
        .register("add", add)
        .register("word_count", word_count)
        .describe("How often each word occurs.")
        // An error is an answer: 422 `function-raised`, with its type and what it says.
        .register("parse", |text: String| text.parse::<i64>())
        .register("sqrt", |x: f64| if x < 0.0 { Err(format!("{x} is negative")) } else { Ok(x.sqrt()) })
        // So is a panic, and a value that JSON can't say: 422 `result-not-json`.
        .register("nth", |items: Vec<String>, n: usize| items[n].clone())
        .register("divide", |a: f64, b: f64| a / b)
        .register("sleep", |seconds: f64| thread::sleep(Duration::from_secs_f64(seconds)))
        // Called with positions or names; an `Option` may be left out.
        .register_named("scale", ["point", "factor"], |point: Point, factor: Option<f64>| {
            let factor = factor.unwrap_or(2.0);
            Point { x: point.x * factor, y: point.y * factor }
        })
        .describe("Moves a point away from the origin.")
        // The server's shared objects are arguments like any others: `{"$forkpool": "/v1/queues/q"}`.
        .register("enqueue", |queue: Queue<i64>, items: Vec<i64>| {
            items.iter().try_for_each(|item| queue.put(item))?;
            queue.qsize()
        })
        .register("dequeue", |queue: Queue<i64>, seconds: f64| {
            queue.get_timeout(Duration::from_secs_f64(seconds))
        })
        .register("count_up", count_up)
        .register("tally", tally)
        .register("scale_all", scale_all)
        // What a function has inside: its job, its progress; what it yields is a list.
        .register("slow_sum", slow_sum)
        .register("whose", || {
            let job = forkpool::current_job().ok_or("this is no task")?;
            Ok::<_, &str>((job.id, job.attempt, job.function, job.tags))
        })
        .register("countdown", |from: u32| Yielded((0..from).rev()))
        // A client that asks for lines gets each at once, and ends it by leaving.
        .register("heartbeat", |path: PathBuf| Heartbeat::new(path).map(Yielded))
        .register("parse_all", |texts: Vec<String>| {
            Yielded(texts.into_iter().map(|text| text.parse::<i64>()))
        })
        .register("reverse", |bytes: Bytes| Bytes(bytes.0.into_iter().rev().collect()));
    forkpool::serve(functions)
}
