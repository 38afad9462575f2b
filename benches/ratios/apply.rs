//! `apply` over 32 connections: requests per second beside the echo, `FastAPI` and Mosec.

use crate::Options;
use crate::contenders::{self, NATIVE_CALL, PYTHON_CALL, Server};
use crate::load::{self, Load};
use crate::rounds::{Contender, Figures, Phase, interleave, series};
use crate::setup::Machine;
use crate::table::{Goal, Row, Unit};

pub const ROWS: &[&str] =
    &["apply-native", "apply-python", "apply-fastapi", "apply-fastapi-p99", "apply-mosec"];

const CONNECTIONS: u32 = 32;

pub fn measure(machine: &Machine, options: &Options) -> Vec<Row> {
    let ours = contenders::forkpool(machine, options.workers);
    let echo = contenders::echo(machine);
    let fastapi = contenders::fastapi(machine, options.workers);
    let mosec = contenders::mosec(machine, options.workers);
    let contender = |name, server, body| contend(machine, options, CONNECTIONS, (name, server, body));
    let mut playing = vec![];
    if options.wants("apply-native") || options.wants("apply-python") {
        playing.push(contender("echo", &echo, NATIVE_CALL));
    }
    if options.wants("apply-native") {
        playing.push(contender("forkpool native", &ours, NATIVE_CALL));
    }
    if ROWS.iter().any(|row| *row != "apply-native" && options.wants(row)) {
        playing.push(contender("forkpool python", &ours, PYTHON_CALL));
    }
    if options.wants("apply-fastapi") || options.wants("apply-fastapi-p99") {
        playing.push(contender("fastapi", &fastapi, PYTHON_CALL));
    }
    if options.wants("apply-mosec") {
        playing.push(contender("mosec", &mosec, PYTHON_CALL));
    }
    rows(&interleave(options.rounds(), playing, Load::words))
}

/// A contender whose turn is load by `wrk`.
pub fn contend<'a>(
    machine: &'a Machine,
    options: &'a Options,
    connections: u32,
    (name, server, body): (&'static str, &'a Result<Server, String>, &'a str),
) -> Contender<'a, Load> {
    let turn = server.as_ref().map_err(Clone::clone).map(|server| {
        let turn = move |phase| {
            let seconds = if phase == Phase::WarmUp { 1 } else { options.seconds() };
            load::wrk(machine, server, body, connections, seconds)
        };
        Box::new(turn) as Box<dyn FnMut(Phase) -> Result<Load, String>>
    });
    (name, turn)
}

fn rows(figures: &Figures<Load>) -> Vec<Row> {
    let rate = |name| series(figures, name, |load| load.rate);
    let p99 = |name| series(figures, name, |load| load.p99);
    let row = |name, work, against, goal, ours, theirs| Row {
        name,
        work,
        against,
        unit: Unit::RequestsPerSecond,
        goal,
        ours: rate(ours),
        theirs: rate(theirs),
    };
    let native = "`apply` of a native function, 32 connections";
    let python = "`apply` of a Python function, 32 connections";
    let fastapi = "FastAPI + ProcessPoolExecutor";
    vec![
        row("apply-native", native, "axum echo", Goal::AtLeast(1.0), "forkpool native", "echo"),
        row("apply-python", python, "axum echo", Goal::AtLeast(0.75), "forkpool python", "echo"),
        row("apply-fastapi", python, fastapi, Goal::AtLeast(20.0), "forkpool python", "fastapi"),
        Row {
            name: "apply-fastapi-p99",
            work: "the same, p99",
            against: fastapi,
            unit: Unit::Microseconds,
            goal: Goal::AtMost(0.1),
            ours: p99("forkpool python"),
            theirs: p99("fastapi"),
        },
        row("apply-mosec", python, "Mosec", Goal::AtLeast(5.0), "forkpool python", "mosec"),
    ]
}
