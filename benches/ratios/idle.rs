//! What an idle server and an idle Python worker hold of memory.
//!
//! The server: `Rss` of its process alone. A worker beyond its zygote: the pages that no other process
//! maps (`Private_Clean` + `Private_Dirty`), which is what one worker more costs; its whole `Pss` would
//! add its share of the pages it has in common with the zygote, which are there anyway. The largest
//! worker counts. Both from `/proc/PID/smaps_rollup`, of a server that has answered one call of each
//! kind and rested for a second.

use std::thread;
use std::time::Duration;

use crate::Options;
use crate::client;
use crate::contenders;
use crate::rounds::{Phase, Turn, interleave, series};
use crate::setup::Machine;
use crate::table::{Goal, Row, Unit};

pub const ROWS: &[&str] = &["idle-server", "idle-worker"];

const REST: Duration = Duration::from_secs(1);

/// In MiB.
struct Memory {
    server: f64,
    worker: f64,
    /// The same worker's whole `Pss`, for the progress lines.
    worker_pss: f64,
}

pub fn measure(machine: &Machine, options: &Options) -> Vec<Row> {
    let turn: Turn<'_, Memory> = Box::new(|phase| match phase {
        // Nothing to warm: every turn starts a server of its own.
        Phase::WarmUp => Ok(Memory { server: 0.0, worker: 0.0, worker_pss: 0.0 }),
        Phase::Counted => look(machine, options.workers),
    });
    let figures = interleave(options.rounds(), vec![("forkpool", Ok(turn))], |m| {
        format!("server {:.1} MiB, worker {:.1} MiB (its Pss {:.1} MiB)", m.server, m.worker, m.worker_pss)
    });
    let row = |name, work, goal, ours| Row {
        name,
        work,
        against: "",
        unit: Unit::Mebibytes,
        goal,
        ours,
        theirs: Err("there is none".to_owned()),
    };
    let server = series(&figures, "forkpool", |memory| memory.server);
    let worker = series(&figures, "forkpool", |memory| memory.worker);
    vec![
        row("idle-server", "idle server, RSS", Goal::Within(20.0), server),
        row("idle-worker", "idle Python worker beyond the zygote, PSS", Goal::Within(6.0), worker),
    ]
}

fn look(machine: &Machine, workers: usize) -> Result<Memory, String> {
    let server = contenders::forkpool(machine, workers)?;
    let list = client::call(server.port, "/v1/pools/python/workers", None)?;
    let list: serde_json::Value = serde_json::from_slice(&list).map_err(|e| e.to_string())?;
    let items = list["items"].as_array().ok_or("a list of workers without items")?;
    let pids: Vec<u64> = items.iter().filter_map(|worker| worker["pid"].as_u64()).collect();
    if pids.len() != workers {
        return Err(format!("{} workers are listed, not {workers}", pids.len()));
    }
    thread::sleep(REST);
    let mut memory =
        Memory { server: rollup(server.process.pid().into(), &["Rss"])?, worker: 0.0, worker_pss: 0.0 };
    for pid in pids {
        let private = rollup(pid, &["Private_Clean", "Private_Dirty"])?;
        if private > memory.worker {
            memory.worker = private;
            memory.worker_pss = rollup(pid, &["Pss"])?;
        }
    }
    Ok(memory)
}

/// The sum of some members of a process's memory, in MiB.
fn rollup(pid: u64, members: &[&str]) -> Result<f64, String> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let kibibytes = |member: &&str| {
        let line = text.lines().find_map(|line| line.strip_prefix(*member)?.strip_prefix(':'));
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok())
    };
    let sum: Option<f64> = members.iter().map(kibibytes).sum();
    sum.map(|kibibytes| kibibytes / 1024.0).ok_or_else(|| format!("{path} lacks {}", members.join(" or ")))
}
