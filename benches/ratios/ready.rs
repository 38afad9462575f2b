//! From executing `forkpool serve` with four Python workers to its ready line, beside `python3 -c pass` once.

use std::process::Command;
use std::time::Instant;

use crate::Options;
use crate::children::without_settings;
use crate::contenders;
use crate::rounds::{Turn, interleave, repeated, series};
use crate::setup::Machine;
use crate::table::{Goal, Row, Unit};

pub const ROWS: &[&str] = &["ready"];

const WORKERS: usize = 4;

pub fn measure(machine: &Machine, options: &Options) -> Vec<Row> {
    let repeats = options.repeats();
    let ours: Turn<'_, f64> = Box::new(move |phase| repeated(phase, repeats, || forkpool(machine)));
    let python: Turn<'_, f64> = Box::new(move |phase| repeated(phase, repeats, || python(machine)));
    let playing = vec![("python3 -c pass", Ok(python)), ("forkpool", Ok(ours))];
    let figures = interleave(options.rounds(), playing, |figure| Unit::Milliseconds.words(*figure));
    vec![Row {
        name: "ready",
        work: "ready with 4 Python workers",
        against: "`python3 -c pass`, once",
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(4.0),
        ours: series(&figures, "forkpool", |time| *time),
        theirs: series(&figures, "python3 -c pass", |time| *time),
    }]
}

/// Milliseconds; the server's end is not among them.
fn forkpool(machine: &Machine) -> Result<f64, String> {
    let begin = Instant::now();
    let server = contenders::forkpool_ready(machine, WORKERS, &[])?;
    let time = begin.elapsed();
    drop(server);
    Ok(time.as_secs_f64() * 1e3)
}

fn python(machine: &Machine) -> Result<f64, String> {
    let begin = Instant::now();
    let mut command = Command::new(&machine.python);
    let status = without_settings(command.args(["-c", "pass"])).status().map_err(|e| e.to_string())?;
    let time = begin.elapsed();
    if status.success() { Ok(time.as_secs_f64() * 1e3) } else { Err(format!("ended with {status}")) }
}
