//! A small blocking HTTP/1.1 client for the demo's tour and `healthcheck`: one request a connection, JSON both
//! ways, bounded in time and size.
//!
//! It speaks what they need and no more: no TLS, no redirects, no connection kept.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest line of a head, and the most lines.
const LINE_MAX: u64 = 16 << 10;
const LINES_MAX: usize = 100;
/// The largest body.
const BODY_MAX: u64 = 16 << 20;
/// Nothing in the tour takes longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where the server is.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Client {
    /// Connects for each request anew.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// One request, with a JSON body if there is one.
    pub fn request(&self, method: &str, path: &str, json: Option<&str>) -> io::Result<Answer> {
        let stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        match json {
            Some(json) => {
                let head =
                    format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}", json.len());
                request.push_str(&head);
            }
            None if method == "POST" => request.push_str("Content-Length: 0\r\n\r\n"),
            None => request.push_str("\r\n"),
        }
        exchange(stream, &request)
    }
}

/// Sends a whole request and reads its answer.
pub(super) fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    read_answer(&mut BufReader::new(stream))
}

fn read_answer(from: &mut impl BufRead) -> io::Result<Answer> {
    let status = line(from)?
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| broken("no status line"))?;
    let (mut length, mut chunked) = (None, false);
    for _ in 0..LINES_MAX {
        let line = line(from)?;
        if line.is_empty() {
            let body = body(from, status, length, chunked)?;
            return Ok(Answer { status, body });
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a header without a colon"))?;
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => {
                length = Some(value.parse().map_err(|_| broken("a wrong length"))?);
            }
            ("transfer-encoding", value) => chunked = value.eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    Err(broken("too many headers"))
}

fn body(from: &mut impl BufRead, status: u16, length: Option<u64>, chunked: bool) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match length {
        _ if status == 204 => {}
        _ if chunked => loop {
            let size = line(from)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| broken("a wrong chunk"))?;
            if size == 0 {
                while !line(from)?.is_empty() {}
                break;
            }
            exactly(from, size, &mut body)?;
            if !line(from)?.is_empty() {
                return Err(broken("a chunk without an end"));
            }
        },
        Some(length) => exactly(from, length, &mut body)?,
        None => {
            from.take(BODY_MAX).read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn exactly(from: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    if length > BODY_MAX {
        return Err(broken("too large"));
    }
    let read = from.take(length).read_to_end(body)?;
    match u64::try_from(read) {
        Ok(read) if read == length => Ok(()),
        _ => Err(broken("cut short")),
    }
}

/// Without its end.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(LINE_MAX).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(broken("cut short"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| broken("a head that is not UTF-8"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer is broken: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(u16, String), String> {
        read_answer(&mut text.as_bytes())
            .map(|answer| (answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn bodies_end_by_length_chunks_or_close() {
        let ok = |status, body: &str| Ok((status, body.to_owned()));
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1,4,9]more"), ok(200, "[1,4,9]"));
        let chunks = "3\r\n[1,\r\n4;x=y\r\n4,9]\r\n0\r\n\r\n";
        let chunked = format!("HTTP/1.1 408 T\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(read(&chunked), ok(408, "[1,4,9]"));
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n400"), ok(200, "400"));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), ok(204, ""));
    }

    #[test]
    fn broken_answers_are_errors() {
        for text in [
            "",
            "HTTP/1.1 200 OK",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1]",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n[1]",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[1]",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
