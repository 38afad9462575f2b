//! Starting forkpool and its peers, each as a process on a free port, and checking that it answers rightly.

use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::children::Process;
use crate::client;
use crate::roles::{self, Role};
use crate::setup::Machine;

/// How long a contender may take to start.
const START: Duration = Duration::from_secs(30);

/// A call of the Python function, which all contenders but the echo run.
pub const PYTHON_CALL: &str = r#"{"function":"bench_tasks.f","args":[7]}"#;
/// A call of the native function.
pub const NATIVE_CALL: &str = r#"{"function":"builtin.echo","args":[1]}"#;

/// A contender that serves HTTP.
pub struct Server {
    pub process: Process,
    pub port: u16,
    path: &'static str,
}

impl Server {
    /// Where it takes calls.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    /// Makes sure that it answers `body` with `expected`; one that is still starting is asked again.
    fn answers(self, body: &str, expected: &str) -> Result<Self, String> {
        let deadline = Instant::now() + START;
        loop {
            let ended = self.process.has_ended();
            match client::call(self.port, self.path, Some(body.as_bytes())) {
                Ok(answer) if answer == expected.as_bytes() => return Ok(self),
                Ok(answer) => {
                    return Err(format!("answers {} to {body}", String::from_utf8_lossy(&answer)));
                }
                Err(error) if ended || Instant::now() > deadline => {
                    return Err(format!("{error}{}", self.process.last_words()));
                }
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

/// Starts a server with so many workers and returns at its ready line.
pub fn forkpool_ready(machine: &Machine, workers: usize, flags: &[&str]) -> Result<Server, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkpool"));
    command.arg("serve").arg(machine.peers.join("bench_tasks.py"));
    command.args(["--workers", &workers.to_string(), "--bind", "127.0.0.1:0", "--python"]);
    command.arg(&machine.python).args(flags);
    let mut process = Process::start(command, &machine.log("forkpool"))?;
    let port = port_in(&process.line(START)?)?;
    Ok(Server { process, port, path: "/v1/apply" })
}

/// A server with the Python functions and the native ones.
pub fn forkpool(machine: &Machine, workers: usize) -> Result<Server, String> {
    forkpool_ready(machine, workers, &["--builtin"])?.answers(NATIVE_CALL, "1")?.answers(PYTHON_CALL, "49")
}

/// The axum handler that echoes the body.
pub fn echo(machine: &Machine) -> Result<Server, String> {
    let mut process = Process::start(roles::command(Role::Echo)?, &machine.log("echo"))?;
    let port = port_in(&process.line(START)?)?;
    Server { process, port, path: "/v1/apply" }.answers(NATIVE_CALL, NATIVE_CALL)
}

/// `FastAPI` with a `ProcessPoolExecutor`.
pub fn fastapi(machine: &Machine, workers: usize) -> Result<Server, String> {
    machine.fastapi.as_ref().map_err(Clone::clone)?;
    let port = free_port()?;
    let mut command = Command::new(machine.venv_python());
    command.arg(machine.peers.join("fastapi_pool.py")).args([port.to_string(), workers.to_string()]);
    let process = Process::start(command, &machine.log("fastapi"))?;
    Server { process, port, path: "/v1/apply" }.answers(PYTHON_CALL, "49")
}

/// Mosec with as many workers.
pub fn mosec(machine: &Machine, workers: usize) -> Result<Server, String> {
    machine.mosec.as_ref().map_err(Clone::clone)?;
    let port = free_port()?;
    let mut command = Command::new(machine.venv_python());
    command.arg(machine.peers.join("mosec_server.py")).arg(workers.to_string());
    command.args(["--address", "127.0.0.1", "--log-level", "warning", "--port", &port.to_string()]);
    let process = Process::start(command, &machine.log("mosec"))?;
    Server { process, port, path: "/inference" }.answers(PYTHON_CALL, "49")
}

/// `multiprocessing.Pool` alone, which takes its orders on standard input.
pub fn pool(machine: &Machine, workers: usize) -> Result<Process, String> {
    let mut command = Command::new(&machine.python);
    command.arg(machine.peers.join("pool_map.py")).arg(workers.to_string());
    let mut process = Process::start(command, &machine.log("pool"))?;
    match process.line(START)?.as_str() {
        "ready" => Ok(process),
        other => Err(format!("says {other} at its start")),
    }
}

/// Peers that cannot take a port of the system's choice get one that was free a moment ago.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

fn port_in(line: &str) -> Result<u16, String> {
    let port = line.rsplit_once("http://127.0.0.1:").and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| format!("says `{line}` where its address should be"))
}
