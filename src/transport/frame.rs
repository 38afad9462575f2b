//! Frames of the task and result pipes: 24 bytes of header and a payload.

use bytes::{Buf, Bytes, BytesMut};

/// Size of a header in bytes.
pub const HEADER_BYTES: usize = 24;
/// Size of what stands between a task's header and its tags, in bytes.
pub const ORIGIN_BYTES: usize = 24;
/// Largest frame that travels as one packet of the task pipe (`PIPE_BUF`).
pub const PIPE_PACKET_BYTES: usize = 4096;
/// How many bytes of what it yields a task may be ahead of its reader before it yields once more.
pub const YIELD_WINDOW_BYTES: usize = 256 << 10;
/// What each thing that is yielded counts there besides the bytes of its record.
pub const YIELD_RECORD_BYTES: usize = 64;
/// Between the lists of a MAP's payload: ASCII's record separator, which stands in no JSON text (as RFC 7464).
pub const LIST_SEPARATOR: u8 = 0x1E;
/// Largest payload that is not a value: an exception with its traceback.
const REPORT_BYTES_MAX: usize = 128 << 10;
const MAGIC: u8 = 0xF0;
const VERSION: u8 = 1;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Task: positional arguments.
    Call = 1,
    /// Task: positional and keyword arguments.
    CallKeywords = 2,
    /// Task: arguments by name, converted to the types that the function says.
    CallTyped = 7,
    /// Task: one chunk of a map.
    Map = 3,
    /// Task: one chunk of a starmap.
    Starmap = 4,
    /// Task: one chunk of a map, a record for each item.
    MapItems = 5,
    /// Task: one chunk of a starmap, a record for each item.
    StarmapItems = 6,
    /// Task: one chunk of a map whose items are arguments by name, converted as of a typed call.
    MapTyped = 9,
    /// Task: the same, a record for each item.
    MapTypedItems = 10,
    /// Asks for a sign of life.
    Ping = 8,
    /// Task: positional and keyword arguments; what the function yields is told one by one.
    CallYielding = 11,
    /// Task: arguments by name, likewise.
    CallTypedYielding = 12,
    /// The reader of what a task yields has taken so many bytes of it.
    Taken = 13,
    /// Nobody reads what a task yields any more.
    Stop = 14,
    /// The worker is ready for its first task.
    Ready = 16,
    /// The value.
    Value = 17,
    /// The function raised.
    Raised = 18,
    /// The value can't be said in JSON.
    NotJson = 19,
    /// The arguments don't fit the function.
    InvalidArguments = 20,
    /// The value is too large.
    TooLarge = 21,
    /// The initializer failed; the worker leaves.
    BootFailed = 23,
    /// The command ended with another exit status than 0, or by a signal.
    CommandFailed = 22,
    /// Records of the next items of a task that goes on.
    Part = 25,
    /// Answers [`Kind::Ping`].
    Pong = 24,
    /// The arguments refer to a shared object that there is not.
    UnknownRef = 26,
    /// The worker is to be replaced once it has answered: a task left something in it.
    Retire = 27,
}

impl Kind {
    /// Whether it is a chunk of a map.
    pub fn is_map(self) -> bool {
        self.is_per_item() || matches!(self, Self::Map | Self::Starmap | Self::MapTyped)
    }

    /// Whether it is a chunk of a map, with a record for each item.
    pub fn is_per_item(self) -> bool {
        matches!(self, Self::MapItems | Self::StarmapItems | Self::MapTypedItems)
    }

    /// Whether it is a call of which each thing that it yields is told as it comes.
    pub fn is_yielding(self) -> bool {
        matches!(self, Self::CallYielding | Self::CallTypedYielding)
    }

    /// Whether it is for the task that a worker runs, and no task itself.
    pub fn is_for_running(self) -> bool {
        matches!(self, Self::Taken | Self::Stop)
    }

    /// The kind of this number.
    pub fn parse(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Call,
            2 => Self::CallKeywords,
            3 => Self::Map,
            4 => Self::Starmap,
            7 => Self::CallTyped,
            5 => Self::MapItems,
            6 => Self::StarmapItems,
            9 => Self::MapTyped,
            10 => Self::MapTypedItems,
            8 => Self::Ping,
            11 => Self::CallYielding,
            12 => Self::CallTypedYielding,
            13 => Self::Taken,
            14 => Self::Stop,
            16 => Self::Ready,
            17 => Self::Value,
            18 => Self::Raised,
            19 => Self::NotJson,
            20 => Self::InvalidArguments,
            21 => Self::TooLarge,
            22 => Self::CommandFailed,
            23 => Self::BootFailed,
            24 => Self::Pong,
            25 => Self::Part,
            26 => Self::UnknownRef,
            27 => Self::Retire,
            _ => return None,
        })
    }
}

/// How a payload is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// There is no payload.
    None = 0,
    /// JSON text.
    Json = 1,
    /// JSON text, of which nothing is to be converted to what the function's annotations say.
    PlainJson = 2,
}

/// The first 24 bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// How its payload is coded.
    pub codec: Codec,
    /// Tasks: the function's index in its zygote's announcement. TAKEN: bytes. Answers: nanoseconds that the task ran.
    pub detail: u32,
    /// The server's number of the task.
    pub sequence: u64,
    /// Bytes of payload.
    pub length: u64,
}

/// Whose a task is: what its payload begins with. All zero: no job's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// The bytes of the job's id, a UUID.
    pub job: [u8; 16],
    /// How often the task is run by now.
    pub attempt: u32,
    /// Bytes of its tags, which follow.
    pub tags_bytes: u32,
}

/// A header and its payload.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The header.
    pub header: Header,
    /// The payload.
    pub payload: Bytes,
}

/// Bytes that are no frame: whoever sent them is not to be trusted further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The first two bytes are wrong.
    #[error("wrong magic or version")]
    Magic,
    /// The kind is not one of the table's.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// The codec is not one of the table's.
    #[error("unknown codec {0}")]
    Codec(u8),
    /// The payload is larger than allowed.
    #[error("payload of {0} bytes")]
    Length(u64),
    /// A living worker closed its result pipe.
    #[error("the result pipe was closed")]
    Closed,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = MAGIC;
        bytes[1] = VERSION;
        bytes[2] = self.kind as u8;
        bytes[3] = self.codec as u8;
        bytes[4..8].copy_from_slice(&self.detail.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads a header.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, ProtocolError> {
        let [magic, version, kind, codec, ..] = *bytes;
        if magic != MAGIC || version != VERSION {
            return Err(ProtocolError::Magic);
        }
        let codec = match codec {
            0 => Codec::None,
            1 => Codec::Json,
            2 => Codec::PlainJson,
            other => return Err(ProtocolError::Codec(other)),
        };
        let mut rest = &bytes[4..];
        Ok(Self {
            kind: Kind::parse(kind).ok_or(ProtocolError::Kind(kind))?,
            codec,
            detail: rest.get_u32_le(),
            sequence: rest.get_u64_le(),
            length: rest.get_u64_le(),
        })
    }
}

impl Origin {
    /// Its bytes.
    pub fn encode(&self) -> [u8; ORIGIN_BYTES] {
        let mut bytes = [0; ORIGIN_BYTES];
        bytes[..16].copy_from_slice(&self.job);
        bytes[16..20].copy_from_slice(&self.attempt.to_le_bytes());
        bytes[20..].copy_from_slice(&self.tags_bytes.to_le_bytes());
        bytes
    }

    /// Reads it.
    pub fn decode(bytes: &[u8; ORIGIN_BYTES]) -> Self {
        let mut rest = &bytes[..];
        let mut job = [0; 16];
        rest.copy_to_slice(&mut job);
        Self { job, attempt: rest.get_u32_le(), tags_bytes: rest.get_u32_le() }
    }
}

impl Frame {
    /// Takes one whole frame off the front of `buffer`; `None` while it isn't whole. Reserves room for a
    /// payload that is announced.
    pub fn take(buffer: &mut BytesMut, payload_bytes_max: usize) -> Result<Option<Self>, ProtocolError> {
        let Some(head) = buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let header = Header::decode(head)?;
        let length = usize::try_from(header.length).map_err(|_| ProtocolError::Length(header.length))?;
        let most = if matches!(header.kind, Kind::Value | Kind::Part) {
            payload_bytes_max
        } else {
            REPORT_BYTES_MAX.min(payload_bytes_max)
        };
        if length > most {
            return Err(ProtocolError::Length(header.length));
        }
        if buffer.len() < HEADER_BYTES + length {
            buffer.reserve(HEADER_BYTES + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(HEADER_BYTES);
        Ok(Some(Self { header, payload: buffer.split_to(length).freeze() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u64) -> Header {
        Header { kind: Kind::Value, codec: Codec::Json, detail: 7, sequence: u64::MAX - 1, length }
    }

    #[test]
    fn a_header_survives_the_wire() {
        assert_eq!(Header::decode(&header(3).encode()), Ok(header(3)));
        let origin = Origin { job: [7; 16], attempt: 2, tags_bytes: 3 };
        assert_eq!(Origin::decode(&origin.encode()), origin);
    }

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole() {
        let mut whole = header(3).encode().to_vec();
        whole.extend_from_slice(b"123");
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert!(matches!(Frame::take(&mut buffer, 10), Ok(None)), "cut at {cut}");
        }
        let mut buffer = BytesMut::from(&whole[..]);
        let frame = Frame::take(&mut buffer, 10).unwrap().unwrap();
        assert_eq!((&frame.payload[..], buffer.len()), (&b"123"[..], 0));
    }

    #[test]
    fn lies_are_refused() {
        let refuse = |change: fn(&mut [u8; HEADER_BYTES])| {
            let mut bytes = header(3).encode();
            change(&mut bytes);
            Frame::take(&mut BytesMut::from(&bytes[..]), 10).unwrap_err()
        };
        assert_eq!(refuse(|bytes| bytes[0] = 1), ProtocolError::Magic);
        assert_eq!(refuse(|bytes| bytes[1] = 9), ProtocolError::Magic);
        assert_eq!(refuse(|bytes| bytes[2] = 99), ProtocolError::Kind(99));
        assert_eq!(refuse(|bytes| bytes[3] = 9), ProtocolError::Codec(9));
        assert_eq!(refuse(|bytes| bytes[16..].fill(0xFF)), ProtocolError::Length(u64::MAX));
    }
}
