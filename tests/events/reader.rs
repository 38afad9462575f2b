//! A client of server-sent events that reads them as they come, one by one, and can leave at any moment.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Server, fixture};

/// No event of a test may take longer.
pub const BOUND: Duration = Duration::from_secs(20);

/// A server that offers `verbs.py` besides.
#[track_caller]
pub fn serve(args: &[&str]) -> Server {
    let file = fixture("verbs.py");
    Server::start(&[&[file.as_str()], args].concat())
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// How a stream went on.
#[derive(Debug)]
pub enum Next {
    Event(Event),
    /// A line that begins with a colon.
    Comment,
    /// As HTTP ends a body.
    End,
    /// The connection broke.
    Cut,
}

/// The stream of one job.
#[derive(Debug)]
pub struct Follower {
    stream: TcpStream,
    raw: Vec<u8>,
    /// The body so far, without what was taken.
    body: Vec<u8>,
    ended: bool,
    /// Of the answer.
    pub status: u16,
    /// Of the answer, in lower case.
    pub head: String,
}

/// Follows a job from its beginning, or from after an event.
#[track_caller]
pub fn follow(server: &Server, job: &str, last: Option<&str>) -> Follower {
    let mut follower = ask(server, job, last);
    follower.read_head();
    assert_eq!(follower.status, 200, "{}", follower.head);
    assert!(follower.head.contains("content-type: text/event-stream"), "{}", follower.head);
    follower
}

/// Asks and reads nothing.
#[track_caller]
pub fn ask(server: &Server, job: &str, last: Option<&str>) -> Follower {
    let mut stream =
        TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts a connection");
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let head = format!("GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{last}\r\n");
    stream.write_all(head.as_bytes()).expect("the server takes a request");
    Follower { stream, raw: Vec::new(), body: Vec::new(), ended: false, status: 0, head: String::new() }
}

impl Follower {
    #[track_caller]
    pub fn read_head(&mut self) {
        let until = Instant::now() + BOUND;
        let end = loop {
            if let Some(at) = find(&self.raw, b"\r\n\r\n") {
                break at;
            }
            assert!(self.more(until), "closed before an answer");
        };
        self.head = String::from_utf8_lossy(&self.raw[..end]).to_lowercase();
        self.raw.drain(..end + 4);
        self.status = self.head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    }

    /// What comes next, within `bound`.
    #[track_caller]
    pub fn next_within(&mut self, bound: Duration) -> Next {
        let until = Instant::now() + bound;
        loop {
            self.dechunk();
            if let Some(at) = find(&self.body, b"\n\n") {
                let block: Vec<u8> = self.body.drain(..at + 2).collect();
                return read_block(std::str::from_utf8(&block).expect("events are UTF-8").trim_end());
            }
            if self.ended {
                assert!(self.body.is_empty(), "half an event: {:?}", String::from_utf8_lossy(&self.body));
                return Next::End;
            }
            if !self.more(until) {
                return Next::Cut;
            }
        }
    }

    /// The next event; comments are passed over.
    #[track_caller]
    pub fn event(&mut self) -> Event {
        loop {
            match self.next_within(BOUND) {
                Next::Event(event) => return event,
                Next::Comment => {}
                other @ (Next::End | Next::Cut) => panic!("no more events: {other:?}"),
            }
        }
    }

    /// All that is left, to the end that HTTP says.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.next_within(Duration::from_secs(40)) {
                Next::Event(event) => events.push(event),
                Next::Comment => {}
                Next::End => return events,
                Next::Cut => panic!("the stream was cut after {events:?}"),
            }
        }
    }

    /// Leaves, as a client does whose user closed the window.
    pub fn leave(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    #[track_caller]
    fn more(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "nothing came in time");
        self.stream.set_read_timeout(Some(left)).expect("a read timeout can be set");
        let mut buffer = [0_u8; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.raw.extend_from_slice(&buffer[..n]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came in time: {error}"),
        }
    }

    /// Moves whole chunks to the body.
    fn dechunk(&mut self) {
        while let Some(line) = find(&self.raw, b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..line]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a chunk's size");
            let end = line + 2 + size;
            if self.raw.len() < end + 2 {
                return;
            }
            self.body.extend_from_slice(&self.raw[line + 2..end]);
            self.raw.drain(..end + 2);
            self.ended |= size == 0;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn read_block(block: &str) -> Next {
    if block.starts_with(':') {
        return Next::Comment;
    }
    let member = |name: &str| {
        let lines: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix(name)).collect();
        assert_eq!(lines.len(), 1, "{name} once in {block:?}");
        lines[0].to_owned()
    };
    let data = serde_json::from_str(&member("data: ")).expect("the data is JSON");
    Next::Event(Event { id: member("id: "), name: member("event: "), data })
}

/// The names of events, in order.
pub fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// The text of all log events.
pub fn log_text(events: &[Event]) -> String {
    let logs = events.iter().filter(|event| event.name == "log");
    logs.map(|event| event.data["text"].as_str().expect("a text")).collect()
}

/// The states that were told.
pub fn states(events: &[Event]) -> Vec<&str> {
    let states = events.iter().filter(|event| event.name == "state");
    states.map(|event| event.data["state"].as_str().expect("a state")).collect()
}
