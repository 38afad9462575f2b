//! `apply` over one connection: its median latency beside the echo's median plus one round trip on a pipe.

use std::time::Instant;

use crate::Options;
use crate::apply::contend;
use crate::children::Process;
use crate::contenders::{self, NATIVE_CALL, PYTHON_CALL};
use crate::load::Load;
use crate::roles::{self, Role};
use crate::rounds::{Contender, Phase, interleave, median, series};
use crate::setup::Machine;
use crate::table::{Goal, Row, Unit};

pub const ROWS: &[&str] = &["latency-native", "latency-python"];

/// As long as the frame of a small call: a header and `[7]`.
const PACKET: usize = 27;

pub fn measure(machine: &Machine, options: &Options) -> Vec<Row> {
    let ours = contenders::forkpool(machine, options.workers);
    let echo = contenders::echo(machine);
    let mut playing = vec![contend(machine, options, 1, ("echo", &echo, NATIVE_CALL)), pipe(machine)];
    if options.wants("latency-native") {
        playing.push(contend(machine, options, 1, ("forkpool native", &ours, NATIVE_CALL)));
    }
    if options.wants("latency-python") {
        playing.push(contend(machine, options, 1, ("forkpool python", &ours, PYTHON_CALL)));
    }
    let figures = interleave(options.rounds(), playing, Load::words);
    let p50 = |name| series(&figures, name, |load| load.p50);
    let floor = || match (p50("echo"), p50("pipe round trip")) {
        (Ok(echo), Ok(pipe)) => Ok(echo.iter().zip(&pipe).map(|(echo, pipe)| echo + pipe).collect()),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    };
    let row = |name, work, goal, ours| Row {
        name,
        work,
        against: "axum echo's median + one pipe round trip",
        unit: Unit::Microseconds,
        goal,
        ours: p50(ours),
        theirs: floor(),
    };
    vec![
        row("latency-native", "`apply` native, 1 connection, median", Goal::AtMost(1.1), "forkpool native"),
        row("latency-python", "`apply` Python, 1 connection, median", Goal::AtMost(1.6), "forkpool python"),
    ]
}

/// A packet to a child process and back, one at a time.
fn pipe(machine: &Machine) -> Contender<'_, Load> {
    let turn = roles::command(Role::Pipe).and_then(|command| Process::start(command, &machine.log("pipe")));
    let turn = turn.map(|mut far| {
        let turn = move |phase| {
            let trips: u32 = if phase == Phase::WarmUp { 2_000 } else { 20_000 };
            let mut packet = [0; PACKET];
            let mut times = Vec::new();
            let begin = Instant::now();
            for _ in 0..trips {
                let sent = Instant::now();
                far.send(&packet)?;
                far.receive(&mut packet)?;
                times.push(sent.elapsed().as_secs_f64() * 1e6);
            }
            let rate = f64::from(trips) / begin.elapsed().as_secs_f64();
            times.sort_by(f64::total_cmp);
            Ok(Load { rate, p50: median(&times), p99: times[times.len() * 99 / 100] })
        };
        Box::new(turn) as Box<dyn FnMut(Phase) -> Result<Load, String>>
    });
    ("pipe round trip", turn)
}
