//! Load by `wrk`, one thread, and what it says of it.

use std::process::Command;
use std::time::Duration;

use crate::children::Process;
use crate::contenders::Server;
use crate::setup::Machine;

/// What `wrk` measured of one contender in one turn.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    /// Latencies in microseconds.
    pub p50: f64,
    pub p99: f64,
}

impl Load {
    pub fn words(&self) -> String {
        format!("{:>9.0} /s   p50 {:>6.0} µs   p99 {:>6.0} µs", self.rate, self.p50, self.p99)
    }
}

/// POSTs `body` over `connections` for so many seconds. Any failed request fails the whole turn.
pub fn wrk(
    machine: &Machine,
    server: &Server,
    body: &str,
    connections: u32,
    seconds: u64,
) -> Result<Load, String> {
    machine.wrk.as_ref().map_err(Clone::clone)?;
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"]);
    command.arg(machine.peers.join("post.lua")).args([&server.url(), "--", body]);
    let mut process = Process::start(command, &machine.log("wrk"))?;
    let limit = Duration::from_secs(seconds + 30);
    let figures = loop {
        // Its own report comes before the script's line.
        if let Some(figures) = process.line(limit)?.strip_prefix("figures ") {
            break figures.to_owned();
        }
    };
    let numbers: Vec<f64> = figures.split(' ').filter_map(|number| number.parse().ok()).collect();
    let &[requests, microseconds, errors, p50, p99] = numbers.as_slice() else {
        return Err(format!("wrk's figures cannot be read: {figures}"));
    };
    if errors > 0.0 || requests < 1.0 {
        return Err(format!("{errors} of {requests} requests failed"));
    }
    Ok(Load { rate: requests * 1e6 / microseconds, p50, p99 })
}
