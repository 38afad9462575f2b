//! What a worker's answer is as JSON, by its bytes alone: as a value, and as records of items.
//!
//! A large one is checked where it is received, which takes a while; a small one where it is judged.

use std::collections::VecDeque;

use bytes::Bytes;

use super::frame::{Frame, Header, Kind};
use crate::json::{self, INDEXED_BYTES_MAX, ScanError, Shape, Splitter};

/// Deepest value: clients' readers have limits too.
pub const VALUE_DEPTH_MAX: usize = 1_000;
/// A part is an array of records, each with its value inside: so much deeper than a value.
const RECORD_DEPTH: usize = 2;
/// Larger answers are checked where they are received.
const AT_ONCE_BYTES_MAX: usize = 512 << 10;
/// Records that are judged at once.
const RUN_RECORDS_MAX: usize = 1_000;

/// A worker's frame, and what its payload is if that is large.
#[derive(Debug)]
pub struct CheckedFrame {
    /// The header.
    pub header: Header,
    /// The payload.
    pub payload: Bytes,
    large: Option<Box<LargeAnswer>>,
}

/// What a large answer was found to be.
#[derive(Debug)]
struct LargeAnswer {
    value: Result<Shape, ScanError>,
    records: Option<Records>,
}

impl CheckedFrame {
    /// Whether its check takes a while.
    pub fn is_large(frame: &Frame) -> bool {
        matches!(frame.header.kind, Kind::Value | Kind::Part) && frame.payload.len() > AT_ONCE_BYTES_MAX
    }

    /// Checks it, if it is large.
    pub fn of(frame: Frame) -> Self {
        let large = Self::is_large(&frame).then(|| {
            let value = json::check(&frame.payload, VALUE_DEPTH_MAX);
            let starts = |start: &[u8]| frame.payload.starts_with(start);
            // A pass more, for what is meant as records alone.
            let is_records =
                frame.header.kind == Kind::Part || starts(b"[{\"value\":") || starts(b"[{\"error\":");
            let records = is_records.then(|| Records::of_large(&frame.payload, value)).flatten();
            Box::new(LargeAnswer { value, records })
        });
        Self { header: frame.header, payload: frame.payload, large }
    }

    /// What the payload is as a value.
    pub fn value(&self) -> Result<Shape, ScanError> {
        match &self.large {
            Some(large) => large.value,
            None => json::check(&self.payload, VALUE_DEPTH_MAX),
        }
    }

    /// The records that the payload is an array of; `None` if it is none. A large one's are given once.
    pub fn records(&mut self) -> Option<Records> {
        match &mut self.large {
            Some(large) => large.records.take(),
            None => {
                let (shape, valid) = array_of_records(&self.payload)?;
                Records::new(Splitter::new(self.payload.clone()), shape, valid)
            }
        }
    }
}

/// Whether a text has JSON's grammar and is invalid for its values: Python's integers have no upper bound.
pub fn is_grammatical(error: ScanError) -> bool {
    matches!(error.reason, json::Reason::NumberOutOfRange | json::Reason::TooDeep { .. })
}

/// An invalid value fails its own item alone, as long as it is clear where its record ends.
fn array_of_records(payload: &[u8]) -> Option<(Shape, bool)> {
    match json::check(payload, VALUE_DEPTH_MAX + RECORD_DEPTH) {
        Ok(shape) => Some((shape, true)),
        Err(error) if is_grammatical(error) => Some((json::check_grammar(payload).ok()?, false)),
        Err(_) => None,
    }
}

/// Records of the next items of a task. Not one is looked at yet.
#[derive(Debug)]
pub struct Records {
    list: Splitter,
    left: usize,
    /// Whether every value among them is known to be valid.
    valid: bool,
    /// What the large ones are as values where not all are valid, in their order.
    large: VecDeque<Option<ScanError>>,
}

impl Records {
    fn new(list: Splitter, shape: Shape, valid: bool) -> Option<Self> {
        let is_array = shape.kind == json::Kind::Array;
        is_array.then(|| Self { list, left: shape.elements, valid, large: VecDeque::new() })
    }

    /// Of a large payload, so that none of what follows takes long. `value`: what it is as a value.
    fn of_large(payload: &Bytes, value: Result<Shape, ScanError>) -> Option<Self> {
        let known = value.ok().map(|shape| (shape, true));
        let (shape, valid) = known.or_else(|| array_of_records(payload))?;
        let list = Splitter::indexed(payload.clone());
        let mut records = Self::new(list, shape, valid)?;
        if !valid {
            let mut list = records.list.clone();
            while let Some((record, count)) = list.next_list(RUN_RECORDS_MAX) {
                if is_large_record(&record, count) {
                    let checked = value_of(&record).map(|value| json::check(value, VALUE_DEPTH_MAX));
                    records.large.push_back(checked.and_then(Result::err));
                }
            }
        }
        Some(records)
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The next of them, as many as are judged at once.
    pub fn next_run(&mut self) -> Option<RecordRun> {
        if self.left <= RUN_RECORDS_MAX && !self.list.is_indexed() {
            let list = std::mem::replace(&mut self.list, Splitter::of_list(Bytes::new()));
            let count = std::mem::take(&mut self.left);
            return (count > 0).then_some(RecordRun {
                one: None,
                list,
                count,
                valid: self.valid,
                fault: None,
            });
        }
        let (list, count) = self.list.next_list(RUN_RECORDS_MAX)?;
        self.left = self.left.saturating_sub(count);
        let is_large = is_large_record(&list, count);
        let fault = if is_large && !self.valid { self.large.pop_front().flatten() } else { None };
        let valid = self.valid || (is_large && fault.is_none());
        let one = (count == 1).then(|| list.clone());
        Some(RecordRun { one, list: Splitter::of_list(list), count, valid, fault })
    }
}

/// Whether it is one record that takes long to look at.
fn is_large_record(list: &Bytes, count: usize) -> bool {
    count == 1 && list.len() > INDEXED_BYTES_MAX
}

/// The value in a record that has one.
pub fn value_of(record: &[u8]) -> Option<&[u8]> {
    record.strip_prefix(b"{\"value\":").and_then(|rest| rest.strip_suffix(b"}"))
}

/// Some records in a row.
#[derive(Debug)]
pub struct RecordRun {
    /// The only one.
    one: Option<Bytes>,
    list: Splitter,
    /// How many they are.
    pub count: usize,
    /// Whether all values are known to be valid.
    pub valid: bool,
    /// Why the value of the only one is invalid, if that is known.
    pub fault: Option<ScanError>,
}

impl RecordRun {
    /// The same, in memory of their own if they have fewer bytes than this.
    #[must_use]
    pub fn compact(mut self, bytes_min: usize) -> Self {
        if self.list.bytes() < bytes_min {
            self.list = self.list.compact();
        }
        self.one = self.one.map(|one| if one.len() < bytes_min { Bytes::copy_from_slice(&one) } else { one });
        self
    }
}

impl Iterator for RecordRun {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let left = self.count.checked_sub(1)?;
        self.count = left;
        self.one.take().or_else(|| Some(self.list.next_chunk(1)?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Codec;

    fn frame(kind: Kind, payload: String) -> CheckedFrame {
        let (sequence, length) = (1, payload.len() as u64);
        let header = Header { kind, codec: Codec::Json, detail: 0, sequence, length };
        CheckedFrame::of(Frame { header, payload: payload.into() })
    }

    fn array(records: &[String]) -> String {
        format!("[{}]", records.join(","))
    }

    /// All records, with whether each is known to be valid or not; no run is a lot.
    fn taken(mut records: Records) -> Vec<(Bytes, bool, bool)> {
        let mut taken = Vec::new();
        while let Some(run) = records.next_run() {
            let (before, count, valid, fault) = (taken.len(), run.count, run.valid, run.fault.is_some());
            taken.extend(run.map(|record| (record, valid, fault)));
            let bytes: usize = taken[before..].iter().map(|(record, ..)| record.len() + 1).sum();
            assert!(count <= RUN_RECORDS_MAX && taken.len() == before + count);
            assert!(count == 1 || bytes <= AT_ONCE_BYTES_MAX + 1, "{bytes} bytes in a run");
        }
        assert_eq!(records.left(), 0);
        taken
    }

    #[test]
    fn many_small_records_come_in_runs() {
        for count in [0, 1, 999, 1_000, 1_001, 5_000, 200_000] {
            let records: Vec<String> = (0..count).map(|n| format!("{{\"value\":{n}}}")).collect();
            for kind in [Kind::Part, Kind::Value] {
                let mut frame = frame(kind, array(&records));
                let records_read = frame.records().unwrap();
                assert_eq!(records_read.left(), count);
                assert!(
                    taken(records_read)
                        .iter()
                        .map(|(record, ..)| &record[..])
                        .eq(records.iter().map(String::as_bytes))
                );
            }
        }
    }

    #[test]
    fn a_large_record_is_checked_with_its_frame() {
        let text = "x".repeat(INDEXED_BYTES_MAX * 3);
        let large = |more: &str| format!("{{\"value\":[\"{text}\",{more}]}}");
        let small = |more: &str| format!("{{\"value\":{more}}}");
        let records = [small("1"), large("1e999"), small("1e999"), large("1"), large("2e999"), small("2")];
        let mut frame = frame(Kind::Part, array(&records));
        let known: Vec<_> = taken(frame.records().unwrap());
        assert!(known.iter().map(|(record, ..)| &record[..]).eq(records.iter().map(String::as_bytes)));
        let is: Vec<_> = known.iter().map(|(_, valid, fault)| (*valid, *fault)).collect();
        let (unknown, wrong, right) = ((false, false), (false, true), (true, false));
        assert_eq!(is, [unknown, wrong, unknown, right, wrong, unknown]);
    }

    #[test]
    fn what_is_large_is_found_the_same_as_what_is_small() {
        let pad = " ".repeat(AT_ONCE_BYTES_MAX);
        let deep = format!("{}{}", "[".repeat(VALUE_DEPTH_MAX + 1), "]".repeat(VALUE_DEPTH_MAX + 1));
        for text in
            ["[{\"value\":1}]", "{}", "[{\"value\":1e999}]", "[{\"value\":}]", "[{\"error\":{}}]", &deep]
        {
            let (mut small, mut large) =
                (frame(Kind::Value, text.to_owned()), frame(Kind::Value, format!("{text}{pad}")));
            assert!(small.large.is_none() && large.large.is_some());
            assert_eq!(small.value(), large.value(), "{text}");
            let left = |frame: &mut CheckedFrame| frame.records().map(|records| records.left());
            let is_records = text.starts_with("[{\"");
            assert!(!is_records || left(&mut small) == left(&mut large), "{text}");
        }
    }
}
