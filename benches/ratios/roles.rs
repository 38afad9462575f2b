//! What this binary is when the run executes it again: the echo server, or the far end of a pipe.
//!
//! Both end with their standard input, so none outlives the run.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, ExitCode};
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;

/// A helper process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// An axum handler that answers with the request's body
    Echo,
    /// Writes back each packet that it reads
    Pipe,
}

/// The command that starts this binary in a role.
pub fn command(role: Role) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
    command.args([
        "--role",
        match role {
            Role::Echo => "echo",
            Role::Pipe => "pipe",
        },
    ]);
    Ok(command)
}

pub fn play(role: Role) -> ExitCode {
    let played = match role {
        Role::Echo => echo(),
        Role::Pipe => pipe(),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// axum as anyone would start it: `axum::serve` on tokio's default multi-thread runtime.
fn echo() -> io::Result<()> {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = Router::new().route("/v1/apply", post(|body: Bytes| async { body }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, app).await
    })
}

fn pipe() -> io::Result<()> {
    // The descriptors themselves: the library's buffers would only be in the way.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut packet = [0; 4096];
    loop {
        match input.read(&mut packet)? {
            0 => return Ok(()),
            count => output.write_all(&packet[..count])?,
        }
    }
}
