//! The wire: frames, control packets, and both ends of the pipes. Its whole description follows.

#![doc = include_str!("PROTOCOL.md")]

mod calls;
mod checked;
mod child;
mod control;
mod frame;
mod parent;

pub use calls::{Asked, CallFrame, CallKind};
pub use checked::{CheckedFrame, RecordRun, Records, VALUE_DEPTH_MAX, is_grammatical, value_of};
pub use child::{AnswerWriter, ReadTask, TaskReader, YieldWriter};
pub use control::{
    AnnouncedFunction, CommandOutput, ForkInitializer, ForkPurpose, FromZygote, FunctionTypes, Interpreter,
    LoadCommand, LoadFile, PACKET_BYTES_MAX, Skipped, ToZygote,
};
pub use frame::{
    Codec, Frame, HEADER_BYTES, Header, Kind, LIST_SEPARATOR, ORIGIN_BYTES, Origin, PIPE_PACKET_BYTES,
    ProtocolError, YIELD_RECORD_BYTES, YIELD_WINDOW_BYTES,
};
pub use parent::{CallEnd, ChildDescriptors, Link, ParentEnds, WriteOutcome};
