//! Frames of the call socket: what a worker asks of the shared objects, and what it is told.

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{HEADER_BYTES, ProtocolError};

const MAGIC: u8 = 0xF0;
const VERSION: u8 = 1;
/// Longest first line of a request: an address and a method.
const LINE_BYTES_MAX: usize = 512;
/// A payload of at most so many bytes is copied: what is kept of it must not keep a whole read.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// What a frame of the call socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CallKind {
    /// Asks for a method of an object.
    Call = 64,
    /// Asks what an object is, and for its memory.
    Open = 65,
    /// Nobody waits for a call any more, or for what it brought.
    Cancel = 66,
    /// What was returned.
    Returned = 80,
    /// What was raised.
    Failed = 81,
    /// What an object is.
    Opened = 82,
}

impl CallKind {
    fn of_request(byte: u8) -> Option<Self> {
        Some(match byte {
            64 => Self::Call,
            65 => Self::Open,
            66 => Self::Cancel,
            _ => return None,
        })
    }

    fn of_answer(byte: u8) -> Option<Self> {
        Some(match byte {
            80 => Self::Returned,
            81 => Self::Failed,
            82 => Self::Opened,
            _ => return None,
        })
    }
}

/// A frame of the call socket, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFrame {
    /// What it is.
    pub kind: CallKind,
    /// Requests: the thread that asks. Answers: descriptors that come with it.
    pub detail: u32,
    /// The worker's number of the request; its answer repeats it.
    pub number: u64,
    /// What is asked or told.
    pub payload: Bytes,
}

/// A request's parts: `ADDRESS METHOD`, a line feed, and the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The object.
    pub address: &'a str,
    /// The method; empty where none is named.
    pub method: &'a str,
    /// What stands behind the line.
    pub rest: Bytes,
}

impl CallFrame {
    /// A frame's bytes.
    pub fn encode(kind: CallKind, detail: u32, number: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend_from_slice(&Self::head(kind, detail, number, payload.len()));
        bytes.extend_from_slice(payload);
        bytes
    }

    /// The bytes of a frame's header alone.
    pub fn head(kind: CallKind, detail: u32, number: u64, payload_bytes: usize) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&[MAGIC, VERSION, kind as u8, 0]);
        bytes[4..8].copy_from_slice(&detail.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        bytes[16..].copy_from_slice(&(payload_bytes as u64).to_le_bytes());
        bytes
    }

    /// Takes one whole request off the front of `buffer`; `None` while it isn't whole.
    pub fn take_request(
        buffer: &mut BytesMut,
        payload_bytes_max: usize,
    ) -> Result<Option<Self>, ProtocolError> {
        Self::take(buffer, payload_bytes_max, CallKind::of_request)
    }

    /// The same for an answer.
    pub fn take_answer(buffer: &mut BytesMut) -> Result<Option<Self>, ProtocolError> {
        Self::take(buffer, usize::MAX - HEADER_BYTES, CallKind::of_answer)
    }

    fn take(
        buffer: &mut BytesMut,
        payload_bytes_max: usize,
        kind_of: fn(u8) -> Option<CallKind>,
    ) -> Result<Option<Self>, ProtocolError> {
        let Some(&[magic, version, kind, codec, ..]) = buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        if magic != MAGIC || version != VERSION {
            return Err(ProtocolError::Magic);
        }
        if codec != 0 {
            return Err(ProtocolError::Codec(codec));
        }
        let kind = kind_of(kind).ok_or(ProtocolError::Kind(kind))?;
        let mut head = &buffer[4..HEADER_BYTES];
        let (detail, number, announced) = (head.get_u32_le(), head.get_u64_le(), head.get_u64_le());
        let length = usize::try_from(announced).map_err(|_| ProtocolError::Length(announced))?;
        if length > payload_bytes_max {
            return Err(ProtocolError::Length(announced));
        }
        if buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        buffer.advance(HEADER_BYTES);
        let payload = if length <= COPIED_BYTES_MAX {
            let copy = Bytes::copy_from_slice(&buffer[..length]);
            buffer.advance(length);
            copy
        } else {
            buffer.split_to(length).freeze()
        };
        Ok(Some(Self { kind, detail, number, payload }))
    }

    /// A request's parts; `None` if its first line is no such line.
    pub fn asked(&self) -> Option<Asked<'_>> {
        let most = self.payload.len().min(LINE_BYTES_MAX);
        let end = self.payload[..most].iter().position(|&byte| byte == b'\n').unwrap_or(most);
        if end == LINE_BYTES_MAX {
            return None;
        }
        let line = std::str::from_utf8(&self.payload[..end]).ok()?;
        let (address, method) = line.split_once(' ').unwrap_or((line, ""));
        let rest = self.payload.slice((end + 1).min(self.payload.len())..);
        Some(Asked { address, method, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(payload: &[u8]) -> Vec<u8> {
        CallFrame::encode(CallKind::Call, 7, 9, payload)
    }

    #[test]
    fn a_request_survives_the_wire_and_is_taken_only_when_whole() {
        let bytes = request(b"/v1/queues/q put\n{\"obj\":1}");
        for cut in 0..bytes.len() {
            assert_eq!(CallFrame::take_request(&mut BytesMut::from(&bytes[..cut]), 100), Ok(None), "{cut}");
        }
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = CallFrame::take_request(&mut buffer, 100).unwrap().unwrap();
        assert_eq!((frame.kind, frame.detail, frame.number, buffer.len()), (CallKind::Call, 7, 9, 0));
        let asked = frame.asked().unwrap();
        assert_eq!((asked.address, asked.method), ("/v1/queues/q", "put"));
        assert_eq!(&asked.rest[..], b"{\"obj\":1}");
    }

    #[test]
    fn lies_are_refused() {
        let refuse = |change: fn(&mut Vec<u8>)| {
            let mut bytes = request(b"x");
            change(&mut bytes);
            CallFrame::take_request(&mut BytesMut::from(&bytes[..]), 100).unwrap_err()
        };
        assert_eq!(refuse(|bytes| bytes[0] = 1), ProtocolError::Magic);
        assert_eq!(refuse(|bytes| bytes[2] = 80), ProtocolError::Kind(80));
        assert_eq!(refuse(|bytes| bytes[3] = 1), ProtocolError::Codec(1));
        assert_eq!(refuse(|bytes| bytes[16] = 101), ProtocolError::Length(101));
        let line = CallFrame { kind: CallKind::Call, detail: 0, number: 1, payload: vec![b'x'; 600].into() };
        assert_eq!(line.asked(), None);
        let bare = CallFrame { payload: Bytes::from_static(b"/v1/dicts/d"), ..line };
        let asked = bare.asked().unwrap();
        assert_eq!((asked.address, asked.method, asked.rest.len()), ("/v1/dicts/d", "", 0));
    }
}
