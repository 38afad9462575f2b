//! The ratios of speed and size between forkpool and its peers, in one run on one machine.
//!
//! `cargo bench --bench ratios` measures every row in interleaved rounds and prints a Markdown table. It
//! judges against the goals and says aloud what was missed or could not be measured; a missed goal is no
//! failure of the run. It does not test behaviour beyond checking that each contender answers rightly.
//! See `benches/README.md`.

mod apply;
mod children;
mod client;
mod contenders;
mod idle;
mod imap;
mod latency;
mod load;
mod map;
mod ready;
mod roles;
mod rounds;
mod setup;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::setup::Machine;
use crate::table::Row;

/// What the command line chooses.
#[derive(Parser, Debug)]
#[command(name = "ratios", about = "Measure forkpool beside its peers and print the ratios")]
pub struct Options {
    /// Two rounds of one second: for trying things out, not for publishing
    #[arg(long)]
    quick: bool,
    /// Measure only the rows whose name begins so (may be repeated)
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Rounds [default: 5, quick: 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of load per contender and round [default: 5, quick: 1]
    #[arg(long)]
    seconds: Option<u64>,
    /// Worker processes of every contender
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// The Python of every contender
    #[arg(long, default_value = "python3", value_name = "INTERPRETER")]
    python: String,
    /// Print the names of the rows and leave
    #[arg(long)]
    list: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Be a helper process of the run
    #[arg(long, hide = true)]
    role: Option<roles::Role>,
}

impl Options {
    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }

    /// How often one turn repeats something short; the turn's figure is the median.
    fn repeats(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| row.starts_with(start.as_str()))
    }
}

/// A group of rows that share their contenders and rounds.
type Group = (&'static [&'static str], fn(&Machine, &Options) -> Vec<Row>);

const GROUPS: [Group; 6] = [
    (apply::ROWS, apply::measure),
    (latency::ROWS, latency::measure),
    (map::ROWS, map::measure),
    (imap::ROWS, imap::measure),
    (idle::ROWS, idle::measure),
    (ready::ROWS, ready::measure),
];

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(role) = options.role {
        return roles::play(role);
    }
    let names: Vec<&str> = GROUPS.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
    if options.list {
        println!("{}", names.join("\n"));
        return ExitCode::SUCCESS;
    }
    if !options.bench {
        // `cargo test --all-targets` starts benches too; measuring is not testing.
        println!("nothing measured: run `cargo bench --bench ratios`");
        return ExitCode::SUCCESS;
    }
    if !names.iter().any(|name| options.wants(name)) {
        eprintln!("no row begins with {}; the rows are: {}", options.only.join(" or "), names.join(", "));
        return ExitCode::from(2);
    }
    match run(&options) {
        Ok(complete) if complete => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ratios: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the wanted rows and prints them; whether each row of forkpool's own got a figure.
fn run(options: &Options) -> Result<bool, String> {
    children::end_all_on_signals()?;
    let machine = Machine::prepare(options)?;
    let mut rows = Vec::new();
    for (names, measure) in GROUPS {
        if names.iter().any(|name| options.wants(name)) {
            eprintln!("\n{}", names.join(", "));
            rows.extend(measure(&machine, options).into_iter().filter(|row| options.wants(row.name)));
        }
    }
    println!("\n{}\n", table::markdown(&rows));
    println!("{}", machine.footnote(options));
    println!("\n{}", table::verdict(&rows));
    Ok(rows.iter().all(|row| row.ours.is_ok()))
}
