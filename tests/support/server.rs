//! A real `forkpool serve` on a free port. When a test ends well it must also end well: exit 0 within its
//! drain limit, and no process of it left.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::output::{Tail, lines};
use super::seat::Seat;
use super::{Client, Worker, proc, wait_from, wait_until};

const READY_BOUND: Duration = Duration::from_secs(30);
/// The documented default of the drain limit, and some time to leave.
const END_BOUND: Duration = Duration::from_secs(22);

/// The binary under test: the one that was built with the tests, or that of `TEST_BINARY`.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        std::env::var("TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_forkpool").to_owned())
    });
    &BINARY
}

/// A file below `tests/fixtures`.
pub fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect();
    path.to_string_lossy().into_owned()
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: i32,
    port: u16,
    client: Client,
    errors: Tail,
    tag: String,
    over: bool,
    _seat: Seat,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Server {
    /// Serves `faults.py`, with two workers unless `args` say another number.
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        Self::launch(args, &[], true, Seat::take(false))
    }

    /// The same, with no other test of this binary beside it: for those that assert milliseconds.
    #[track_caller]
    pub fn alone(args: &[&str]) -> Self {
        Self::launch(args, &[], true, Seat::take(true))
    }

    /// The same with more in its environment.
    #[track_caller]
    pub fn with_environment(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::launch(args, environment, true, Seat::take(false))
    }

    /// Serves what `args` say and nothing else.
    #[track_caller]
    pub fn bare(args: &[&str]) -> Self {
        Self::launch(args, &[], false, Seat::take(false))
    }

    /// The same with more in its environment.
    #[track_caller]
    pub fn bare_with_environment(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::launch(args, environment, false, Seat::take(false))
    }

    /// Starts another program, which serves functions of its own.
    #[track_caller]
    pub fn of(program: &Path, args: &[&str]) -> Self {
        Self::launched(Command::new(program), args, &[], Seat::take(false))
    }

    #[track_caller]
    fn launch(args: &[&str], environment: &[(&str, &str)], faults: bool, seat: Seat) -> Self {
        let mut command = Command::new(binary());
        command.arg("serve");
        if faults {
            command.arg(fixture("faults.py"));
        }
        Self::launched(command, args, environment, seat)
    }

    #[track_caller]
    fn launched(mut command: Command, args: &[&str], environment: &[(&str, &str)], seat: Seat) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("TEST_SERVER_TAG={}-{number}", std::process::id());
        if !args.contains(&"--workers") && !environment.iter().any(|(name, _)| *name == "FORKPOOL_WORKERS") {
            command.args(["--workers", "2"]);
        }
        command.args(args).args(["--bind", "127.0.0.1:0"]);
        command.envs(environment.iter().copied()).envs(tag.split_once('='));
        // A group of its own: what a terminal's Ctrl-C would reach, without the test itself.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be started");
        let pid = i32::try_from(child.id()).expect("a pid fits");
        let errors = Tail::follow(child.stderr.take().expect("stderr is piped"));
        let lines = lines(child.stdout.take().expect("stdout is piped"));
        let port = ready_port(&lines).unwrap_or_else(|problem| {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{problem} (arguments {args:?})\n{}", errors.text());
        });
        let client = Client::new(&format!("http://127.0.0.1:{port}"), false);
        Self { child, pid, port, client, errors, tag, over: false, _seat: seat }
    }

    /// The server's process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The TCP port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it wrote to standard error, the last part.
    pub fn errors(&self) -> String {
        self.errors.text()
    }

    /// The worker that runs this job; waits until one does.
    #[track_caller]
    pub fn worker_of(&self, id: &str) -> Worker {
        let mut found = None;
        wait_until(Duration::from_secs(10), "a worker shows the job as its current one", || {
            found = self.workers().into_iter().find(|worker| worker.all["current_job"] == id);
            found.is_some()
        });
        found.expect("the wait ended with a worker")
    }

    /// Waits, from `start` on, until `count` workers are idle or busy and none of them is in `without`.
    #[track_caller]
    pub fn whole_again(&self, start: Instant, bound: Duration, count: usize, without: &[i32]) {
        let mut workers = Vec::new();
        let is_whole = |workers: &[Worker]| {
            let is_up = |worker: &&Worker| worker.state == "idle" || worker.state == "busy";
            let up: Vec<i32> = workers.iter().filter(is_up).map(|worker| worker.pid).collect();
            up.len() == count && up.iter().all(|pid| !without.contains(pid) && !proc::is_gone(*pid))
        };
        let mut elapsed = Duration::ZERO;
        while elapsed <= bound {
            workers = self.workers();
            if is_whole(&workers) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
            elapsed = start.elapsed();
        }
        super::late(&format!(
            "the pool is not whole again {elapsed:?} later (without {without:?}): {workers:#?}"
        ));
    }

    /// The zygotes: children of the server that are no workers of the Python pool, nor its keeper.
    #[track_caller]
    pub fn zygotes(&self) -> Vec<i32> {
        let workers: Vec<i32> = self.workers().iter().map(|worker| worker.pid).collect();
        let is_other = |pid: &i32| !workers.contains(pid) && proc::name(*pid) != "forkpool-keeper";
        proc::children(self.pid).into_iter().filter(is_other).collect()
    }

    /// The one zygote of a server that serves Python alone.
    #[track_caller]
    pub fn zygote(&self) -> i32 {
        let mut found = Vec::new();
        wait_until(Duration::from_secs(10), "the server has one child that is no worker", || {
            found = self.zygotes();
            found.len() == 1
        });
        found[0]
    }

    /// How many descriptors the server has open once its number rests (closed connections are seen a moment
    /// later).
    #[track_caller]
    pub fn fds(&self) -> usize {
        let mut last = usize::MAX;
        let mut same = 0;
        wait_until(Duration::from_secs(10), "the number of descriptors comes to rest", || {
            let now = proc::descriptors(self.pid).len();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            thread::sleep(Duration::from_millis(10));
            same >= 5
        });
        last
    }

    /// Waits until no descriptor more is open than `before`, and no child is a zombie.
    #[track_caller]
    pub fn nothing_left(&self, before: usize) {
        let bound = Duration::from_secs(5);
        let zombies = || proc::zombies(self.pid);
        wait_until(bound, "no zombie", || zombies().is_empty());
        let mut now = Vec::new();
        let start = Instant::now();
        while start.elapsed() < bound {
            now = proc::descriptors(self.pid);
            if now.len() <= before {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{} descriptors, {before} before: {now:#?}", now.len());
    }

    /// Every process of this server, itself included.
    pub fn processes(&self) -> Vec<i32> {
        let mut all = proc::tagged(&self.tag);
        all.extend(proc::children(self.pid));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Waits until no process of this server runs.
    #[track_caller]
    pub fn all_gone(&self, start: Instant, bound: Duration, processes: &[i32]) {
        wait_from(start, bound, "every process of the server is gone", || {
            processes.iter().all(|pid| proc::is_gone(*pid)) && proc::tagged(&self.tag).is_empty()
        });
    }

    /// Signals the server.
    #[track_caller]
    pub fn signal(&self, what: Signal) {
        proc::signal(self.pid, what);
    }

    /// Signals its process group, as a terminal does.
    #[track_caller]
    pub fn signal_group(&self, what: Signal) {
        proc::signal(-self.pid, what);
    }

    /// Waits for its end. Nothing of it is signalled or checked afterwards.
    #[track_caller]
    pub fn ended(&mut self, bound: Duration) -> ExitStatus {
        let mut status = None;
        wait_until(bound, "the server ends", || {
            status = self.child.try_wait().expect("the server can be waited for");
            status.is_some()
        });
        self.over = true;
        status.expect("the wait ended with a status")
    }

    fn end_well(&mut self) -> Result<(), String> {
        let processes = self.processes();
        self.signal(Signal::SIGTERM);
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() > END_BOUND => {
                    return Err("it outlives its drain limit".to_owned());
                }
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                Err(error) => return Err(error.to_string()),
            }
        };
        self.over = true;
        if !status.success() {
            return Err(format!("it ended with {status}"));
        }
        let left = Instant::now();
        while left.elapsed() < Duration::from_secs(10) {
            let strays = proc::tagged(&self.tag);
            if strays.is_empty() && processes.iter().all(|pid| proc::is_gone(*pid)) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err(format!("it left processes behind: {:?}", proc::tagged(&self.tag)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let outcome = if self.over || thread::panicking() { Ok(()) } else { self.end_well() };
        if !self.over {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("--- the server's standard error ---\n{}---", self.errors());
        } else if let Err(problem) = outcome {
            panic!("the server did not end well: {problem}\n{}", self.errors());
        }
    }
}

fn ready_port(lines: &Receiver<String>) -> Result<u16, String> {
    let line = lines.recv_timeout(READY_BOUND).map_err(|error| format!("no ready line: {error}"))?;
    line.strip_prefix("forkpool listening on http://127.0.0.1:")
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| format!("not a ready line: {line:?}"))
}
