//! The native zygote: the program executed again, one thread, forks workers on request. The program may be
//! one of a user's own: what its `main` does before `serve` has been done here too.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getppid};

use super::command;
use super::functions::Functions;
use super::run;
use super::sanitize::{self, Descriptors};
use super::single;
use crate::sys::{self, Forked, PidFd};
use crate::transport::{
    AnnouncedFunction, ForkPurpose, FromZygote, FunctionTypes, LoadCommand, PACKET_BYTES_MAX, ToZygote,
};

/// The hidden argument that makes this binary a zygote.
pub const ZYGOTE_ARGUMENT: &str = "__zygote";

/// The exit status after a refusal.
const REFUSED: i32 = 3;

/// Serves the control socket on descriptor 0 until it ends. Returns the exit status; never returns in a
/// worker.
pub fn run_zygote(functions: Functions) -> i32 {
    match Zygote::start().and_then(|zygote| zygote.serve(functions)) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("forkpool: native zygote: {error}");
            70
        }
    }
}

/// Loads what is named; what speaks against it.
fn refusal(functions: &mut Functions, modules: &[String]) -> io::Result<Option<FromZygote>> {
    let refused = |what: &str, reason: &str, message: String| FromZygote::Refused {
        what: what.into(),
        reason: reason.into(),
        message,
        threads: Vec::new(),
        advice: None,
        traceback: None,
    };
    if let Err(unknown) = functions.load(modules) {
        return Ok(Some(refused(unknown, "not-found", "no native functions have this name".into())));
    }
    let threads = sys::thread_count()?;
    let program = std::env::current_exe()?;
    Ok((threads != 1).then(|| {
        let message = format!(
            "the program has {threads} threads where it serves its functions, and only one with a single \
             thread may fork workers: call forkpool::serve first, or start the threads in the functions"
        );
        refused(&program.display().to_string(), "thread-started", message)
    }))
}

/// Schemas larger than that are left out: the whole announcement is one packet.
const TYPES_BYTES_MAX: usize = 96 << 10;

fn bounded(types: &FunctionTypes) -> FunctionTypes {
    let bytes = serde_json::to_vec(types).map_or(usize::MAX, |text| text.len());
    if bytes <= TYPES_BYTES_MAX { types.clone() } else { FunctionTypes::default() }
}

struct Zygote {
    control: OwnedFd,
    server: Pid,
    result_bytes_max: usize,
}

impl Zygote {
    fn start() -> io::Result<Self> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        let control = sys::take_stdin()?;
        nix::sys::prctl::set_name(c"forkpool-zygote")?;
        Ok(Self { control, server: getppid(), result_bytes_max: usize::MAX })
    }

    fn serve(mut self, mut functions: Functions) -> io::Result<i32> {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        loop {
            let (length, fds) = match sys::receive_packet(self.control.as_fd(), &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            if length == 0 {
                return Ok(0);
            }
            match serde_json::from_slice(&buffer[..length])? {
                ToZygote::Load { server_pid, result_bytes_max, modules, commands, .. } => {
                    self.server = Pid::from_raw(server_pid);
                    self.result_bytes_max = result_bytes_max;
                    if getppid() != self.server {
                        return Ok(0);
                    }
                    if !commands.is_empty() {
                        let Some(made) = self.load_commands(commands)? else { return Ok(REFUSED) };
                        functions = made;
                    } else if let Some(refusal) = refusal(&mut functions, &modules)? {
                        self.say(&refusal)?;
                        return Ok(REFUSED);
                    }
                    self.announce(&functions)?;
                }
                ToZygote::Fork { worker, purpose } => {
                    let descriptors = Descriptors::from_received(fds)?;
                    self.fork_worker(worker, descriptors, &functions, &purpose)?;
                }
            }
        }
    }

    /// `None` when one was refused, which the server has been told.
    fn load_commands(&self, offered: Vec<LoadCommand>) -> io::Result<Option<Functions>> {
        let mut functions = Functions::default();
        for one in offered {
            let what = one.name.clone();
            self.say(&FromZygote::Loading { what: what.clone() })?;
            match command::add(functions, one, self.result_bytes_max) {
                Ok(more) => functions = more,
                Err(command::Refused { reason, message }) => {
                    let reason = reason.to_owned();
                    self.say(&FromZygote::Refused {
                        what,
                        reason,
                        message,
                        traceback: None,
                        threads: Vec::new(),
                        advice: None,
                    })?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(functions))
    }

    fn announce(&self, functions: &Functions) -> io::Result<()> {
        for function in functions.iter() {
            self.say(&FromZygote::Function(AnnouncedFunction {
                name: function.name.clone(),
                doc: function.doc.clone(),
                signature: function.signature.clone(),
                types: bounded(&function.types),
            }))?;
        }
        self.say(&FromZygote::Ready)
    }

    fn fork_worker(
        &self,
        worker: u64,
        descriptors: Descriptors,
        functions: &Functions,
        purpose: &ForkPurpose,
    ) -> io::Result<()> {
        // What the program has printed and not yet written is its own: each worker would write it again.
        let _ = io::stdout().flush();
        match sys::fork() {
            Ok(Forked::Parent(intermediate)) => {
                drop(descriptors);
                waitpid(intermediate, None)?;
                Ok(())
            }
            Ok(Forked::Child(_)) => {
                sanitize::leave(self.intermediate(worker, descriptors, functions, purpose))
            }
            Err(error) => self.say_failed(worker, &error),
        }
    }

    /// Forks the worker and leaves, so that the worker becomes the server's child.
    fn intermediate(
        &self,
        worker: u64,
        descriptors: Descriptors,
        functions: &Functions,
        purpose: &ForkPurpose,
    ) -> i32 {
        let told = match sys::fork() {
            Ok(Forked::Parent(pid)) => PidFd::open(pid).and_then(|pidfd| {
                let packet = serde_json::to_vec(&FromZygote::Forked { worker, pid: pid.as_raw() })?;
                sys::send_packet(self.control.as_fd(), &packet, &[pidfd.as_fd()])
            }),
            Ok(Forked::Child(child)) => {
                let done = sanitize::become_worker(child, self.server, descriptors).and_then(|ends| {
                    if purpose.process.is_some() {
                        return single::run(ends, functions);
                    }
                    run::run(ends, functions, purpose.initializer.as_ref(), self.result_bytes_max).map(|()| 0)
                });
                sanitize::leave(done.unwrap_or(70));
            }
            Err(error) => self.say_failed(worker, &error),
        };
        i32::from(told.is_err()) * 70
    }

    fn say_failed(&self, worker: u64, error: &io::Error) -> io::Result<()> {
        self.say(&FromZygote::ForkFailed { worker, reason: "fork".into(), message: error.to_string() })
    }

    fn say(&self, packet: &FromZygote) -> io::Result<()> {
        sys::send_packet(self.control.as_fd(), &serde_json::to_vec(packet)?, &[])
    }
}
