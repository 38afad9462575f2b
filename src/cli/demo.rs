//! `forkpool demo`: the bundled examples served by a child process, and the tour of them over real
//! HTTP.
//!
//! The order of start and stop; what is asked and expected is the tour's.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::child::Server;
use super::client::Client;
use super::folder::Folder;
use super::tour::{Outcome, Tour};
use crate::config::quantity::Count;

/// The seed document's functions, as they are in `examples/seed`.
const EXAMPLES: [(&str, &str); 7] = [
    ("pool.py", include_str!("../../examples/seed/pool.py")),
    ("process.py", include_str!("../../examples/seed/process.py")),
    ("queue_example.py", include_str!("../../examples/seed/queue_example.py")),
    ("pipe.py", include_str!("../../examples/seed/pipe.py")),
    ("lock.py", include_str!("../../examples/seed/lock.py")),
    ("shared_state.py", include_str!("../../examples/seed/shared_state.py")),
    ("manager.py", include_str!("../../examples/seed/manager.py")),
];
const GONE: &str =
    "The server is gone; `forkpool demo --keep` keeps it, so that the curl lines can be copied.\n";
/// Ended by Ctrl-C, as shells count it.
const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Go on serving after the tour, until Ctrl-C
    #[arg(long)]
    keep: bool,

    /// Worker processes of each pool
    #[arg(long, value_name = "N", default_value = "5", allow_negative_numbers = true)]
    workers: Count<1, 1_024>,

    /// The Python interpreter, 3.9 or newer [default: that of a virtual environment, else python3]
    #[arg(long, value_name = "INTERPRETER", env = "FORKPOOL_PYTHON")]
    python: Option<String>,
}

pub fn run(demo: &Demo) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    runtime.block_on(conduct(demo)).unwrap_or_else(|reason| failed(&reason))
}

fn failed(reason: &str) -> ExitCode {
    super::tell(reason.trim_end());
    ExitCode::FAILURE
}

/// What asks a program to end; from here on it no longer does by itself.
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn listen() -> io::Result<Self> {
        let listen = |kind| signal(kind);
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

async fn conduct(demo: &Demo) -> Result<ExitCode, String> {
    let mut interrupts = Interrupts::listen().map_err(|error| error.to_string())?;
    let folder = Folder::new().map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let mut args = vec!["--builtin".to_owned()];
    for (name, text) in EXAMPLES {
        let file = folder.write(name, text).map_err(|error| format!("cannot write the examples: {error}"))?;
        args.push(file.display().to_string());
    }
    let workers = demo.workers.get().to_string();
    for (flag, value) in [
        ("--function", "os.getpid"),
        ("--function", "time.sleep"),
        ("--bind", "127.0.0.1:0"),
        ("--workers", &workers),
    ] {
        args.extend([flag.to_owned(), value.to_owned()]);
    }
    args.extend(demo.python.iter().flat_map(|python| ["--python".to_owned(), python.clone()]));
    // Dropping the start kills and reaps a server that isn't ready yet.
    let (mut server, address) = tokio::select! {
        started = Server::start(&args) => started?,
        () = interrupts.next() => return Ok(ExitCode::from(EXIT_INTERRUPTED)),
    };
    let served = serve(demo, address, &mut server, &mut interrupts).await;
    // A second Ctrl-C doesn't wait for the drain: the server is killed when dropped.
    let stopped = tokio::select! {
        status = server.stop() => status.is_some_and(|status| status.success()),
        () = interrupts.next() => false,
    };
    let status = served?;
    if !stopped && status == ExitCode::SUCCESS {
        return Err(format!("the server did not stop as it should\n{}", server.log()));
    }
    if !demo.keep && status == ExitCode::SUCCESS {
        super::print(GONE);
    }
    Ok(status)
}

/// The tour, and what follows it.
async fn serve(
    demo: &Demo,
    address: SocketAddr,
    server: &mut Server,
    interrupts: &mut Interrupts,
) -> Result<ExitCode, String> {
    let (done, is_done) = oneshot::channel();
    let tour = Tour::new(Client::new(address), address, demo.workers.get(), io::stdout().is_terminal());
    // The client blocks; when the demo ends first, its connections break and so does the tour.
    std::thread::spawn(move || done.send(tour.run(&mut io::stdout())));
    let outcome = tokio::select! {
        outcome = is_done => outcome.map_err(|_| "the tour broke off".to_owned())?,
        () = interrupts.next() => return Ok(ExitCode::from(EXIT_INTERRUPTED)),
    };
    let status = match outcome {
        Ok(Outcome { wrong: 0, .. }) => ExitCode::SUCCESS,
        Ok(Outcome { wrong, asked }) => {
            let log = server.log();
            failed(&format!("{wrong} of {asked} answers are wrong\n{log}"))
        }
        // Who reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::FAILURE),
        Err(error) => return Err(format!("the tour broke off: {error}\n{}", server.log())),
    };
    if demo.keep {
        super::print(&format!(
            "\nStill serving at http://{address} until Ctrl-C: copy any curl line into another shell.\n"
        ));
        server.forward();
        tokio::select! {
            () = server.ended() => return Err("the server ended by itself".to_owned()),
            () = interrupts.next() => {}
        }
    }
    Ok(status)
}
