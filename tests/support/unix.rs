//! Requests over a Unix socket, one connection each.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, contract};

/// No answer may take longer.
const BOUND: Duration = Duration::from_secs(30);

/// Speaks to the server behind a socket.
#[derive(Debug)]
pub struct UnixClient {
    path: PathBuf,
}

impl UnixClient {
    /// Connects for each request anew.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Any request; the error says how the connection failed.
    #[track_caller]
    pub fn try_send(&self, method: &str, target: &str, body: Option<&Value>) -> io::Result<Answer> {
        let start = Instant::now();
        let mut stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(BOUND))?;
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if let Some(body) = body {
            let body = body.to_string();
            let length = body.len();
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ));
        } else {
            text.push_str("\r\n");
        }
        stream.write_all(text.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let answer = parse(&bytes, start.elapsed())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no whole answer came"))?;
        contract::hold(method, target, &answer);
        Ok(answer)
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.try_send("GET", target, None).unwrap_or_else(|error| panic!("GET {target}: {error}"))
    }

    /// POST of a JSON body.
    #[track_caller]
    pub fn post(&self, target: &str, body: &Value) -> Answer {
        self.try_send("POST", target, Some(body)).unwrap_or_else(|error| panic!("POST {target}: {error}"))
    }
}

/// An answer whose end was the connection's.
fn parse(bytes: &[u8], took: Duration) -> Option<Answer> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..head_end]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Answer { status, headers, body: bytes[head_end + 4..].to_vec(), took })
}
