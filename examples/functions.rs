//! A program's own functions as a service: `cargo run --example functions -- --bind 127.0.0.1:0`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use forkpool::{Bytes, Functions};
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
        .register("reverse", |bytes: Bytes| Bytes(bytes.0.into_iter().rev().collect()));
    forkpool::serve(functions)
}
