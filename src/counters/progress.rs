//! How far a function says that it is: a part of its worker's page, of which the newest words stand.
//!
//! The function writes as often as it likes and waits for nobody; the server reads when somebody asks. A reading that a
//! writing came between is made again, and given up if that goes on.

use std::sync::atomic::{Ordering, fence};

use super::monotonic_nanoseconds;
use crate::sys::{PageReader, PageWriter};

/// Longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Readings of words that are being written.
const READINGS_MAX: usize = 16;

/// Index of each word; see the protocol, section 4.
mod word {
    /// Odd while it is being written.
    pub const VERSION: usize = 16;
    /// Sequence number of the task.
    pub const TASK: usize = 17;
    /// When it was said, CLOCK_MONOTONIC nanoseconds.
    pub const AT: usize = 18;
    /// The bits of a double.
    pub const DONE: usize = 19;
    /// Likewise.
    pub const TOTAL: usize = 20;
    /// One more than the bytes of the message; 0: none.
    pub const LENGTH: usize = 21;
    /// The bytes of the message.
    pub const MESSAGE: usize = 22;
}

/// What a function said of how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct SaidProgress {
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub at: u64,
    /// How much is done.
    pub done: f64,
    /// Of how much.
    pub total: f64,
    /// What it is at.
    pub message: Option<String>,
}

/// Writes it. One thread at a time.
pub fn write_progress(page: &PageWriter, task: u64, done: f64, total: f64, message: Option<&str>) {
    let store = |index: usize, value: u64| page.word(index).store(value, Ordering::Relaxed);
    let version = page.word(word::VERSION).load(Ordering::Relaxed) | 1;
    store(word::VERSION, version);
    fence(Ordering::Release);
    store(word::TASK, task);
    store(word::AT, monotonic_nanoseconds());
    store(word::DONE, done.to_bits());
    store(word::TOTAL, total.to_bits());
    let message = message.map(|message| &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]);
    store(word::LENGTH, message.map_or(0, |message| message.len() as u64 + 1));
    for (at, part) in message.unwrap_or_default().as_bytes().chunks(8).enumerate() {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        store(word::MESSAGE + at, u64::from_ne_bytes(bytes));
    }
    page.word(word::VERSION).store(version.wrapping_add(1), Ordering::Release);
}

/// What the function of this task said last; nothing that can't be meant.
pub fn read_progress(page: &PageReader, task: u64) -> Option<SaidProgress> {
    if page.load(word::TASK) != task {
        return None;
    }
    (0..READINGS_MAX).find_map(|_| read_once(page, task))
}

fn read_once(page: &PageReader, task: u64) -> Option<SaidProgress> {
    let version = page.load(word::VERSION);
    if version % 2 == 1 || page.load(word::TASK) != task {
        return None;
    }
    let (done, total) = (f64::from_bits(page.load(word::DONE)), f64::from_bits(page.load(word::TOTAL)));
    let at = page.load(word::AT);
    let message = match usize::try_from(page.load(word::LENGTH)).ok()? {
        0 => None,
        length if length > MESSAGE_BYTES_MAX + 1 => return None,
        length => Some(read_message(page, length - 1)),
    };
    fence(Ordering::Acquire);
    let is_whole = page.load(word::VERSION) == version;
    let is_meant = |number: f64| number.is_finite() && number >= 0.0;
    (is_whole && is_meant(done) && is_meant(total)).then_some(SaidProgress { at, done, total, message })
}

fn read_message(page: &PageReader, length: usize) -> String {
    let words = (0..length.div_ceil(8)).flat_map(|at| page.load(word::MESSAGE + at).to_ne_bytes());
    let bytes: Vec<u8> = words.take(length).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::create_page;

    fn page() -> (PageWriter, PageReader) {
        let page = create_page().expect("a page");
        (PageWriter::map(&page).expect("mapped"), PageReader::map(&page).expect("mapped"))
    }

    #[test]
    fn the_newest_words_of_a_task_are_read() {
        let (writer, reader) = page();
        assert_eq!(read_progress(&reader, 5), None);
        write_progress(&writer, 5, 1.5, 3.0, Some("half"));
        let said = read_progress(&reader, 5).expect("said");
        assert_eq!((said.done, said.total, said.message.as_deref()), (1.5, 3.0, Some("half")));
        assert!(said.at > 0);
        assert_eq!(read_progress(&reader, 6), None, "another task's");
        write_progress(&writer, 5, 2.0, 3.0, None);
        assert_eq!(read_progress(&reader, 5).expect("said").message, None);
        write_progress(&writer, 5, 3.0, 3.0, Some(&"ä".repeat(2_000)));
        let message = read_progress(&reader, 5).expect("said").message.expect("a message");
        assert_eq!(message, "ä".repeat(512));
    }

    #[test]
    fn what_is_being_written_or_cannot_be_meant_is_not_read() {
        let (writer, reader) = page();
        let store = |index: usize, value: u64| writer.word(index).store(value, Ordering::Relaxed);
        write_progress(&writer, 5, 1.0, 2.0, None);
        store(word::VERSION, 3);
        assert_eq!(read_progress(&reader, 5), None, "a writing has begun");
        store(word::VERSION, 4);
        for (index, value) in [
            (word::DONE, f64::NAN.to_bits()),
            (word::TOTAL, f64::INFINITY.to_bits()),
            (word::DONE, (-1.0_f64).to_bits()),
            (word::LENGTH, u64::MAX),
            (word::LENGTH, 1_026),
        ] {
            let was = writer.word(index).load(Ordering::Relaxed);
            store(index, value);
            assert_eq!(read_progress(&reader, 5), None, "{index} {value:#x}");
            store(index, was);
        }
        assert!(read_progress(&reader, 5).is_some());
    }
}
