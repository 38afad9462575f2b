//! The binary as a program: any subcommand, what it writes, how it ends. For what `Server` cannot start:
//! commands that end by themselves, servers on Unix sockets, servers that never become ready.

use std::io::Read;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::output::lines;
use super::seat::Seat;
use super::{binary, proc};

/// No line may be waited for longer.
const LINE_BOUND: Duration = Duration::from_secs(30);

/// A started program.
#[derive(Debug)]
pub struct Program {
    child: Child,
    pid: i32,
    lines: Receiver<String>,
    errors: Arc<Mutex<Vec<u8>>>,
    errors_end: Receiver<()>,
    tag: String,
    over: bool,
    _seat: Seat,
}

/// How a program ended, and what it wrote that nobody had read before.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub errors: String,
}

/// Runs a command that ends by itself.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let _seat = Seat::take(false);
    command.stdin(Stdio::null()).output().expect("the binary can be started")
}

impl Program {
    /// Starts the binary, without any `FORKPOOL_` variable of the test's own environment, in a process group
    /// of its own; `adjust` may change anything before.
    #[track_caller]
    pub fn start(args: &[&str], adjust: impl FnOnce(&mut Command)) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let seat = Seat::take(false);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("TEST_PROGRAM_TAG={}-{number}", std::process::id());
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FORKPOOL_") {
                command.env_remove(name);
            }
        }
        command.args(args).envs(tag.split_once('='));
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        adjust(&mut command);
        let mut child = command.spawn().expect("the binary can be started");
        let pid = i32::try_from(child.id()).expect("a pid fits");
        let (errors, errors_end) = follow(child.stderr.take().expect("stderr is piped"));
        // Without a pipe of ours there are no lines.
        let lines = child.stdout.take().map_or_else(|| channel().1, lines);
        Self { child, pid, lines, errors, errors_end, tag, over: false, _seat: seat }
    }

    /// Runs the binary to its end, which must come within `bound`, and leave no process.
    #[track_caller]
    pub fn run(args: &[&str], bound: Duration, adjust: impl FnOnce(&mut Command)) -> Ended {
        let mut program = Self::start(args, adjust);
        let ended = program.ended(bound);
        program.nothing_left();
        ended
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What it wrote to standard error.
    pub fn errors(&self) -> String {
        let bytes = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The next line of its standard output.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines
            .recv_timeout(LINE_BOUND)
            .unwrap_or_else(|error| panic!("no line came ({error}): {}", self.errors()))
    }

    /// Whether it still runs.
    #[track_caller]
    pub fn is_running(&mut self) -> bool {
        !self.over && self.child.try_wait().expect("the program can be looked at").is_none()
    }

    /// Signals it alone.
    #[track_caller]
    pub fn signal(&self, what: Signal) {
        proc::signal(self.pid, what);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self, bound: Duration) -> Ended {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("the program can be waited for") {
                Some(status) => break status,
                None if start.elapsed() > bound => panic!("it runs after {bound:?}: {}", self.errors()),
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        self.over = true;
        // The readers end with the pipes, soon after the last process that holds them.
        let mut out = String::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            out.push_str(&line);
            out.push('\n');
        }
        let end = self.errors_end.recv_timeout(Duration::from_secs(5));
        assert_eq!(end, Err(RecvTimeoutError::Disconnected), "something still holds its standard error");
        Ended { status, out, errors: self.errors() }
    }

    /// Waits until no process that it started runs, itself included.
    #[track_caller]
    pub fn nothing_left(&self) {
        let start = Instant::now();
        let mut left = proc::tagged(&self.tag);
        while !left.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "it left processes: {left:?}");
            thread::sleep(Duration::from_millis(2));
            left = proc::tagged(&self.tag);
        }
    }

    /// SIGTERM: it must end with 0 and leave nothing.
    #[track_caller]
    pub fn stops_well(&mut self) -> Ended {
        self.signal(Signal::SIGTERM);
        let ended = self.ended(Duration::from_secs(22));
        assert!(ended.status.success(), "it ended with {}: {}", ended.status, ended.errors);
        self.nothing_left();
        ended
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("--- the program's standard error ---\n{}---", self.errors());
        }
    }
}

/// Reads a stream to its end; the channel closes then.
fn follow(mut stream: ChildStderr) -> (Arc<Mutex<Vec<u8>>>, Receiver<()>) {
    let read = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&read);
    let (end, is_over) = channel();
    thread::spawn(move || {
        let _end = end;
        let mut buffer = [0_u8; 16 << 10];
        while let Ok(n) = stream.read(&mut buffer) {
            if n == 0 {
                break;
            }
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..n]);
        }
    });
    (read, is_over)
}
