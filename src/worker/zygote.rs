//! The native zygote: this binary executed again, one thread, forks workers on request.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getppid};

use super::native::Functions;
use super::run;
use super::sanitize::{self, Descriptors};
use crate::sys::{self, Forked, PidFd};
use crate::transport::{ForkInitializer, FromZygote, PACKET_BYTES_MAX, ToZygote};

/// The hidden argument that makes this binary a zygote.
pub const ZYGOTE_ARGUMENT: &str = "__zygote";

/// Serves the control socket on descriptor 0 until it ends. Returns the exit status; never returns in a
/// worker.
pub fn run_zygote(functions: &Functions) -> i32 {
    match Zygote::start().and_then(|zygote| zygote.serve(functions)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("forkpool: native zygote: {error}");
            70
        }
    }
}

struct Zygote {
    control: OwnedFd,
    server: Pid,
}

impl Zygote {
    fn start() -> io::Result<Self> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        let control = sys::take_stdin()?;
        nix::sys::prctl::set_name(c"forkpool-zygote")?;
        Ok(Self { control, server: getppid() })
    }

    fn serve(mut self, functions: &Functions) -> io::Result<()> {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        loop {
            let (length, fds) = match sys::receive_packet(self.control.as_fd(), &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            if length == 0 {
                return Ok(());
            }
            match serde_json::from_slice(&buffer[..length])? {
                ToZygote::Load { server_pid, .. } => {
                    self.server = Pid::from_raw(server_pid);
                    if getppid() != self.server {
                        return Ok(());
                    }
                    self.announce(functions)?;
                }
                ToZygote::Fork { worker, initializer } => {
                    let descriptors = Descriptors::from_received(fds)?;
                    self.fork_worker(worker, descriptors, functions, initializer.as_ref())?;
                }
            }
        }
    }

    fn announce(&self, functions: &Functions) -> io::Result<()> {
        for function in functions.iter() {
            self.say(&FromZygote::Function {
                name: function.name.clone(),
                doc: function.doc.clone(),
                signature: function.signature.clone(),
            })?;
        }
        self.say(&FromZygote::Ready)
    }

    fn fork_worker(
        &self,
        worker: u64,
        descriptors: Descriptors,
        functions: &Functions,
        initializer: Option<&ForkInitializer>,
    ) -> io::Result<()> {
        match sys::fork() {
            Ok(Forked::Parent(intermediate)) => {
                drop(descriptors);
                waitpid(intermediate, None)?;
                Ok(())
            }
            Ok(Forked::Child) => {
                sanitize::leave(self.intermediate(worker, descriptors, functions, initializer))
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
        initializer: Option<&ForkInitializer>,
    ) -> i32 {
        let told = match sys::fork() {
            Ok(Forked::Parent(pid)) => PidFd::open(pid).and_then(|pidfd| {
                let packet = serde_json::to_vec(&FromZygote::Forked { worker, pid: pid.as_raw() })?;
                sys::send_packet(self.control.as_fd(), &packet, &[pidfd.as_fd()])
            }),
            Ok(Forked::Child) => {
                let done = sanitize::become_worker(self.server, descriptors)
                    .and_then(|ends| run::run(ends, functions, initializer));
                sanitize::leave(i32::from(done.is_err()) * 70);
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
