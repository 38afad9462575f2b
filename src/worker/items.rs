//! A record for every item of a chunk, some of them ahead of the answer.

use std::io::{self, Write};

use super::functions::Functions;
use super::native::{Raised, Spread};
use super::run::{say, write_problem};
use crate::counters::{self, Word, monotonic_nanoseconds};
use crate::json;
use crate::sys::PageWriter;
use crate::transport::{AnswerWriter, HEADER_BYTES, Header, Kind};

/// Records older than this go ahead before another item is started.
const PART_NANOSECONDS: u64 = 5_000_000;
/// Or larger than this together.
const PART_BYTES: usize = 256 << 10;

/// Runs a chunk; parts of its records are written, the rest is left in `answer`.
pub(super) fn perform(
    header: Header,
    payload: &[u8],
    functions: &Functions,
    page: &PageWriter,
    result_bytes_max: usize,
    answers: &AnswerWriter,
    answer: &mut Vec<u8>,
) -> io::Result<Kind> {
    let Some(function) = functions.get(header.detail) else {
        let raised = Raised::Error { kind: "LookupError".into(), message: "no such function".into() };
        return Ok(say(answer, None, &raised));
    };
    let spread = Spread::of(header.kind);
    let mut since = monotonic_nanoseconds();
    answer.push(b'[');
    for (done, item) in (1..).zip(json::elements(payload)) {
        let begun = monotonic_nanoseconds();
        let any = answer.len() > HEADER_BYTES + 1;
        if any && (begun - since > PART_NANOSECONDS || answer.len() > PART_BYTES) {
            let _ = io::stdout().flush();
            answer.push(b']');
            answers.write_answer(Kind::Part, header.sequence, 0, answer)?;
            answer.truncate(HEADER_BYTES);
            answer.push(b'[');
            since = begun;
        } else if any {
            answer.push(b',');
        }
        let start = answer.len();
        answer.extend_from_slice(b"{\"value\":");
        let value = answer.len();
        let ran = function.item(item, spread, answer);
        let bytes = answer.len() - value;
        let ran = if ran.is_ok() && bytes > result_bytes_max {
            Err(Raised::TooLarge { bytes: Some(bytes as u64) })
        } else {
            ran
        };
        match ran {
            Ok(()) => answer.push(b'}'),
            Err(raised) => {
                answer.truncate(start);
                write_failed(answer, &raised);
            }
        }
        counters::write(page, Word::ItemsDone, done);
    }
    answer.push(b']');
    let _ = io::stdout().flush();
    Ok(Kind::Value)
}

/// `{"error":{"kind":18,"told":{…}}}`; the kind is known once the problem is written.
fn write_failed(answer: &mut Vec<u8>, raised: &Raised) {
    let mut told = Vec::new();
    let kind = write_problem(&mut told, None, raised);
    // Writing into memory can't fail.
    let _ = write!(answer, "{{\"error\":{{\"kind\":{},\"told\":", kind as u8);
    answer.extend_from_slice(&told);
    answer.extend_from_slice(b"}}");
}
