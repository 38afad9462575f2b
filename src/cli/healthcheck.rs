//! `forkpool healthcheck`: asks a running server's `/readyz`, without a token and without curl.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use super::client::{Answer, exchange};
use crate::config::Bind;

/// For the connection, and for each read and write of the answer.
const PATIENCE: Duration = Duration::from_secs(3);
const REQUEST: &str = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[derive(Debug, clap::Args)]
pub struct Healthcheck {
    /// Where the server listens, as its own --bind says [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "FORKPOOL_BIND")]
    bind: Option<Bind>,
}

pub fn run(check: &Healthcheck) -> ExitCode {
    let bind = check.bind.clone().unwrap_or_default();
    match ask(&bind) {
        Ok(answer) if answer.status == 200 => ExitCode::SUCCESS,
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.body);
            super::tell(&format!("{bind} answered {}: {said}", answer.status));
            ExitCode::FAILURE
        }
        Err(error) => {
            super::tell(&format!("{bind} does not answer: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn ask(bind: &Bind) -> io::Result<Answer> {
    match bind {
        Bind::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream, REQUEST)
        }
        Bind::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream, REQUEST)
        }
    }
}

/// Who listens on every address listens on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
