//! A plain blocking HTTP/1.1 client: one request per connection, read to its end.
//!
//! The sending and reading is what gets timed; taking the answer apart is a step of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A POST of JSON (or a GET without a body), closing the connection afterwards.
pub fn request(port: u16, path: &str, body: Option<&[u8]>) -> Vec<u8> {
    raw_request(port, path, "application/json", body)
}

/// A POST of another type.
pub fn typed_request(port: u16, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    raw_request(port, path, content_type, Some(body))
}

fn raw_request(port: u16, path: &str, content_type: &str, body: Option<&[u8]>) -> Vec<u8> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n").into_bytes();
    if let Some(body) = body {
        let head = format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        bytes.extend_from_slice(head.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

pub fn connect(port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Sends the request and reads until the server closes.
pub fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> Result<(), String> {
    // A server that refuses early may stop reading; its answer says why.
    let sent = stream.write_all(request);
    let read = stream.read_to_end(answer);
    match (sent, read) {
        (_, Ok(count)) if count > 0 => Ok(()),
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
        (Ok(()), Ok(_)) => Err("closed without an answer".to_owned()),
    }
}

/// The body of a raw answer with status 200.
pub fn body_of(answer: &[u8]) -> Result<Vec<u8>, String> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n").ok_or("an answer without a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let rest = &answer[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") { unchunk(rest)? } else { rest.to_vec() };
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(body);
    }
    let start: String = String::from_utf8_lossy(&body).chars().take(200).collect();
    Err(format!("answered {status}: {start}"))
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let end = memchr::memmem::find(rest, b"\r\n").ok_or("a chunk without a size")?;
        let line = String::from_utf8_lossy(&rest[..end]);
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|e| e.to_string())?;
        if size == 0 {
            return Ok(body);
        }
        let data = rest.get(end + 2..end + 2 + size).ok_or("a chunk was cut")?;
        body.extend_from_slice(data);
        rest = rest.get(end + 4 + size..).ok_or("a chunk was cut")?;
    }
}

/// One whole call.
pub fn call(port: u16, path: &str, body: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    exchange(&mut connect(port)?, &request(port, path, body), &mut answer)?;
    body_of(&answer)
}
