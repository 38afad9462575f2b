//! What code prints while it is loaded, and between the fork and a worker's own log: lines of the server's log, where
//! the program has one.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::BytesMut;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;
use tracing::dispatcher;

use super::lines::{Lines, log_output};

const READ_BYTES: usize = 16 << 10;
/// For what a zygote that has failed still said: something that it started may hold its pipe for longer.
const REST_MAX: Duration = Duration::from_millis(200);

/// The output of one zygote.
#[derive(Debug)]
pub(super) struct Printed {
    /// `None`: it goes to standard error as it is.
    output: Option<pipe::Receiver>,
}

/// The same while it is read.
#[derive(Debug)]
pub(super) struct Reading(Option<JoinHandle<()>>);

impl Printed {
    /// Takes the output of a program that is about to be executed. Standard output is the server's ready line's alone.
    pub fn of(command: &mut Command) -> io::Result<Self> {
        if !dispatcher::has_been_set() {
            command.stdout(io::stderr());
            return Ok(Self { output: None });
        }
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        command.stdout(Stdio::from(write.try_clone()?)).stderr(Stdio::from(write));
        Ok(Self { output: Some(pipe::Receiver::from_owned_fd(read)?) })
    }

    /// Reads it for as long as it is open.
    pub fn read(self, pid: i32) -> Reading {
        Reading(self.output.map(|output| tokio::spawn(log(output, pid))))
    }
}

impl Reading {
    /// Waits for the last that was printed, if nothing more comes.
    pub async fn rest(&mut self) {
        if let Some(reading) = &mut self.0 {
            let _ = tokio::time::timeout(REST_MAX, reading).await;
        }
    }
}

async fn log(mut output: pipe::Receiver, pid: i32) {
    let (mut lines, mut buffer) = (Lines::default(), BytesMut::with_capacity(READ_BYTES));
    while let Ok(1..) = output.read_buf(&mut buffer).await {
        lines.push(&buffer, |level, line| log_output!(level, pid, "{line}"));
        buffer.clear();
        // Others have their turn before more is read.
        tokio::task::yield_now().await;
    }
    lines.finish(|level, line| log_output!(level, pid, "{line}"));
}
