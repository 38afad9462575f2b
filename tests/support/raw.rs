//! A bare connection, for what an HTTP client would refuse to send or would tidy up.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{Answer, contract};

/// One connection to a server.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    start: Instant,
    /// Method and target of the last request that was written whole.
    asked: Option<(String, String)>,
}

impl Raw {
    /// Connects to `127.0.0.1:PORT`.
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        Self { stream, start: Instant::now(), asked: None }
    }

    /// Writes bytes. A server that has already answered and closed is no error here: the answer tells.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.set_write_timeout(Some(Duration::from_secs(20))).expect("a write timeout can be set");
        if let Err(error) = self.stream.write_all(bytes) {
            let closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
            assert!(closed, "writing to the server: {error}");
        }
    }

    /// Writes a request with a JSON body and the usual headers, besides `more` (each line ends in CRLF).
    #[track_caller]
    pub fn request(&mut self, line: &str, more: &str, body: &[u8]) {
        self.asked = line.split_once(' ').map(|(method, target)| (method.to_owned(), target.to_owned()));
        let mut text = format!("{line} HTTP/1.1\r\n{more}");
        if !more.to_ascii_lowercase().contains("host:") {
            text.push_str("Host: 127.0.0.1\r\n");
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        self.write(text.as_bytes());
        self.write(body);
    }

    /// The next answer on this connection, within `bound`.
    #[track_caller]
    pub fn answer(&mut self, bound: Duration) -> Answer {
        let until = Instant::now() + bound;
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.more(&mut bytes, until),
                "closed before an answer: {}",
                String::from_utf8_lossy(&bytes)
            );
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let mut rest = bytes.split_off(head_end + 4);
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length =
            headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, v)| v.parse().ok());
        while rest.len() < length.unwrap_or(usize::MAX) && self.more(&mut rest, until) {}
        let answer = Answer { status, headers, body: rest, took: self.start.elapsed() };
        if let Some((method, target)) = &self.asked {
            contract::hold(method, target, &answer);
        }
        answer
    }

    /// Reads some more; `false` at the end of the stream.
    #[track_caller]
    fn more(&mut self, bytes: &mut Vec<u8>, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no answer in time; so far: {}", String::from_utf8_lossy(bytes));
        self.stream.set_read_timeout(Some(left)).expect("a read timeout can be set");
        let mut buffer = [0_u8; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                bytes.extend_from_slice(&buffer[..n]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}; so far: {}", String::from_utf8_lossy(bytes)),
        }
    }

    /// Whether the server closes this connection within `bound`, whatever it says before.
    pub fn is_closed_within(&mut self, bound: Duration) -> bool {
        let until = Instant::now() + bound;
        let mut buffer = [0_u8; 4096];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }

    /// Leaves, as a client does whose user closed the window.
    pub fn leave(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
