//! One request whose body and answer are streams of lines, both at once: an HTTP client reads no answer
//! while it still sends. Also the small things that the tests of imap share.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Server, fixture};

/// No line of a test may take longer.
pub const BOUND: Duration = Duration::from_secs(20);

/// A server that offers `verbs.py` besides.
#[track_caller]
pub fn serve(workers: usize) -> Server {
    let (file, workers) = (fixture("verbs.py"), workers.to_string());
    Server::start(&[&file, "--workers", &workers])
}

/// How a stream of lines ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As HTTP ends a body.
    Whole,
    /// The connection broke.
    Cut,
}

/// The sending half.
#[derive(Debug)]
pub struct Sender(TcpStream);

/// The receiving half.
#[derive(Debug)]
pub struct Receiver {
    stream: TcpStream,
    /// Bytes as they came, from `at` on not yet looked at.
    raw: Vec<u8>,
    at: usize,
    /// What is left of the chunk that is being read.
    chunk: usize,
    body: Vec<u8>,
    lines: VecDeque<String>,
    end: Option<End>,
    /// Of the answer's head.
    pub status: u16,
    /// Of the answer's head, in lower case.
    pub head: String,
}

/// Begins a POST whose body comes in pieces.
#[track_caller]
pub fn begin(server: &Server, target: &str) -> (Sender, Receiver) {
    let head = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (sender, receiver) = connect(server);
    write_all(&sender.0, format!("POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}").as_bytes());
    (sender, receiver)
}

/// POST of a JSON body; its answer is read line by line.
#[track_caller]
pub fn post(server: &Server, target: &str, body: &Value) -> Receiver {
    post_with(server, target, "", body)
}

/// The same with headers besides (each line ends in CRLF).
#[track_caller]
pub fn post_with(server: &Server, target: &str, more: &str, body: &Value) -> Receiver {
    let body = body.to_string();
    let (sender, receiver) = connect(server);
    let head = format!("{more}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    write_all(&sender.0, format!("POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}{body}").as_bytes());
    receiver
}

#[track_caller]
fn connect(server: &Server) -> (Sender, Receiver) {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY can be set");
    let receiver = Receiver {
        stream: stream.try_clone().expect("a connection can be shared"),
        raw: Vec::new(),
        at: 0,
        chunk: 0,
        body: Vec::new(),
        lines: VecDeque::new(),
        end: None,
        status: 0,
        head: String::new(),
    };
    (Sender(stream), receiver)
}

/// A server that has answered and closed is no error here: the answer tells.
#[track_caller]
fn write_all(mut stream: &TcpStream, bytes: &[u8]) {
    stream.set_write_timeout(Some(Duration::from_secs(60))).expect("a write timeout can be set");
    if let Err(error) = stream.write_all(bytes) {
        let closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        assert!(closed, "writing to the server: {error}");
    }
}

/// Bytes as a chunk of a body.
pub fn chunk_of(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

impl Sender {
    /// A piece of the body, as it is.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        write_all(&self.0, &chunk_of(text.as_bytes()));
    }

    /// The body's end.
    #[track_caller]
    pub fn finish(&mut self) {
        write_all(&self.0, b"0\r\n\r\n");
    }

    /// Writes as much as the server takes; stops when it has taken nothing for `patience`. Answers how much.
    pub fn press(&mut self, bytes: &[u8], patience: Duration) -> usize {
        self.0.set_write_timeout(Some(patience)).expect("a write timeout can be set");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.0.write(&bytes[sent..]) {
                Ok(n) => sent += n,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("writing to the server: {error}"),
            }
        }
        sent
    }

    /// The rest of what `press` began.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        write_all(&self.0, bytes);
    }

    /// Leaves, as a client does whose user closed the window.
    pub fn leave(self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Receiver {
    /// The next line, `None` at the end.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        self.line_within(BOUND)
    }

    /// The next line within `bound`.
    #[track_caller]
    pub fn line_within(&mut self, bound: Duration) -> Option<String> {
        let until = Instant::now() + bound;
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.end.is_some() {
                return None;
            }
            self.more(until);
        }
    }

    /// The next line as JSON; there must be one.
    #[track_caller]
    pub fn record(&mut self) -> Value {
        let line = self.line().unwrap_or_else(|| panic!("no line, but its end: {:?}", self.end));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// All lines that are left, and how it ended.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<String>, End) {
        let lines = std::iter::from_fn(|| self.line()).collect();
        (lines, self.end.unwrap_or(End::Cut))
    }

    /// Whether no line comes for so long.
    #[track_caller]
    pub fn is_silent_for(&mut self, span: Duration) -> bool {
        let until = Instant::now() + span;
        while self.lines.is_empty() && self.end.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            self.stream.set_read_timeout(Some(left)).expect("a read timeout can be set");
            let mut byte = [0_u8; 1];
            if self.stream.peek(&mut byte).is_err() {
                return true;
            }
            // Maybe the head, or half a line.
            self.more(Instant::now() + BOUND);
        }
        false
    }

    /// Leaves.
    pub fn leave(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    #[track_caller]
    fn more(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no line in time; the head: {}", self.head);
        self.stream.set_read_timeout(Some(left)).expect("a read timeout can be set");
        let mut buffer = [0_u8; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.over(End::Cut),
            Ok(n) => {
                self.raw.extend_from_slice(&buffer[..n]);
                while self.end.is_none() && self.step() {}
                self.raw.drain(..self.at);
                self.at = 0;
                self.cut_lines();
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.over(End::Cut),
            Err(error) => panic!("no line: {error}; the head: {}", self.head),
        }
    }

    fn over(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.cut_lines();
        if !self.body.is_empty() {
            self.lines.push_back(String::from_utf8_lossy(&std::mem::take(&mut self.body)).into_owned());
        }
    }

    fn cut_lines(&mut self) {
        let Some(last) = self.body.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.body.split_off(last + 1);
        let whole = std::mem::replace(&mut self.body, rest);
        let text = String::from_utf8(whole).expect("lines are UTF-8");
        self.lines.extend(text.lines().map(str::to_owned));
    }

    /// Looks at what has come; `false` when more is needed.
    fn step(&mut self) -> bool {
        let raw = &self.raw[self.at..];
        if self.status == 0 {
            let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
            self.head = String::from_utf8_lossy(&raw[..end]).to_lowercase();
            self.status = self.head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(1);
            self.at += end + 4;
            // An answer of a known length is one chunk.
            let length = self.head.lines().find_map(|line| line.strip_prefix("content-length:"));
            self.chunk = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            return true;
        }
        if self.chunk > 0 {
            let n = self.chunk.min(raw.len());
            self.body.extend_from_slice(&raw[..n]);
            self.chunk -= n;
            self.at += n;
            if self.chunk == 0 && self.head.contains("content-length:") {
                self.over(End::Whole);
            }
            return n > 0;
        }
        // A chunk's length stands on a line of its own, behind the line end of the chunk before.
        let skip = if raw.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(end) = raw[skip..].windows(2).position(|window| window == b"\r\n") else { return false };
        let length = String::from_utf8_lossy(&raw[skip..skip + end]).into_owned();
        self.chunk = usize::from_str_radix(&length, 16).unwrap_or_else(|_| panic!("no length: {length:?}"));
        self.at += skip + end + 2;
        if self.chunk == 0 {
            self.over(End::Whole);
        }
        true
    }
}

/// The lines of a whole answer as JSON.
#[track_caller]
pub fn records(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert!(answer.body.ends_with(b"\n"), "the last line is whole: {}", answer.text());
    let text = String::from_utf8(answer.body.clone()).expect("lines are UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The last line of a stream that wasn't cut.
pub fn end_line(done: usize, failed: usize) -> Value {
    json!({"end": true, "done": done, "failed": failed})
}

/// An error of an item: every member that a problem has, this code, this index if it tells one.
#[track_caller]
pub fn is_error(error: &Value, index: usize, code: &str) {
    for member in ["type", "title", "detail", "code"] {
        let text = error[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "an error without {member}: {error}");
    }
    assert_eq!((&error["code"], &error["status"]), (&json!(code), &json!(422)), "{error}");
    assert!(error.get("index").is_none_or(|told| *told == json!(index)), "item {index}: {error}");
    assert!(!error.to_string().contains("null"), "absent members are left out: {error}");
}
