//! The shared page: where each counter of a worker lives.
//!
//! The worker writes, the server reads; for people only. Scheduling and results never look here.

mod progress;

use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::sys::{PageReader, PageWriter};
pub use progress::{MESSAGE_BYTES_MAX, SaidProgress, read_progress, write_progress};

/// Index of each word; see the protocol, section 4.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub enum Word {
    /// The worker's pid.
    Pid = 0,
    /// 0 starting, 1 idle, 2 busy.
    State = 1,
    /// Sequence number of the current task.
    CurrentTask = 2,
    /// Tasks started.
    Started = 3,
    /// Tasks answered by a value.
    Succeeded = 4,
    /// Tasks answered otherwise.
    Failed = 5,
    /// Items done in the current chunk.
    ItemsDone = 6,
    /// Nanoseconds busy, in all.
    BusyNanoseconds = 7,
    /// Start of the current task, CLOCK_MONOTONIC nanoseconds.
    TaskStarted = 8,
}

/// Values of [`Word::State`].
pub mod state {
    /// Waiting for a task.
    pub const IDLE: u64 = 1;
    /// Running one.
    pub const BUSY: u64 = 2;
}

/// One reading of a worker's page. The words are read one by one: a reading may be torn between two tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sequence number of the current task; 0 when there is none.
    pub current_task: u64,
    /// Tasks started.
    pub started: u64,
    /// Tasks answered by a value.
    pub succeeded: u64,
    /// Tasks answered otherwise.
    pub failed: u64,
    /// Items done in the current chunk.
    pub items_done: u64,
    /// Nanoseconds busy, in all.
    pub busy_nanoseconds: u64,
    /// Whether it runs a task.
    pub busy: bool,
    /// Start of the current task, CLOCK_MONOTONIC nanoseconds; 0 when there is none.
    pub task_started: u64,
}

impl Counters {
    /// The items that a worker has done of the task that is the next to be answered, after `answered` others. Until
    /// it begins a task the page still tells of the one before.
    pub fn items_of(&self, sequence: u64, answered: u64) -> u64 {
        if self.has_begun(sequence, answered) { self.items_done } else { 0 }
    }

    /// Whether a worker has begun the task that is the next to be answered, after `answered` others. Said by the worker
    /// itself: it decides no more than whether a dead worker's task may go to another.
    pub fn has_begun(&self, sequence: u64, answered: u64) -> bool {
        self.current_task == sequence || (self.current_task == 0 && self.started > answered)
    }

    /// How long the current task has run.
    pub fn task_age(&self) -> Option<Duration> {
        let age = monotonic_nanoseconds().saturating_sub(self.task_started);
        (self.task_started > 0).then(|| Duration::from_nanos(age))
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic_nanoseconds() -> u64 {
    let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else { return 0 };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
}

/// Reads a page.
pub fn read(page: &PageReader) -> Counters {
    let word = |word: Word| page.load(word as usize);
    Counters {
        current_task: word(Word::CurrentTask),
        started: word(Word::Started),
        succeeded: word(Word::Succeeded),
        failed: word(Word::Failed),
        items_done: word(Word::ItemsDone),
        busy_nanoseconds: word(Word::BusyNanoseconds),
        busy: word(Word::State) == state::BUSY,
        task_started: word(Word::TaskStarted),
    }
}

/// How far a worker is in the tasks whose answers the server has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// So many of them it has answered: a page is at rest before the answer is on its way.
    answered: u64,
    /// The one that it runs, with the items that it has done of it.
    current: Option<(u64, u64)>,
}

impl Ahead {
    /// Of a worker of which `answers` were read.
    pub fn read(page: &PageReader, answers: u64) -> Self {
        let word = |word: Word| page.load(word as usize);
        // Against the order of writing: a task's start is written last, and its number is the first to go.
        let begun = word(Word::TaskStarted);
        let items = word(Word::ItemsDone);
        let current = word(Word::CurrentTask);
        // Last of all: a task that ends meanwhile counts as answered.
        let answered = word(Word::Succeeded).wrapping_add(word(Word::Failed)).saturating_sub(answers);
        Self { answered, current: (begun != 0 && current != 0).then_some((current, items)) }
    }

    /// Items that are done of a task of so many, the `at`th of those; `None`: it has not begun. The page's figures are
    /// not trusted.
    pub fn items_of(&self, at: u64, sequence: u64, items: u64) -> Option<u64> {
        if at < self.answered {
            return Some(items);
        }
        self.current.filter(|(current, _)| *current == sequence).map(|(_, done)| done.min(items))
    }
}

/// Writes a word.
pub fn write(page: &PageWriter, word: Word, value: u64) {
    page.word(word as usize).store(value, Ordering::Release);
}

/// Adds to a word that this process alone writes.
pub fn add(page: &PageWriter, word: Word, amount: u64) {
    let cell = page.word(word as usize);
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::create_page;

    #[test]
    fn a_task_that_is_answered_is_done_until_its_answer_is_read() {
        let page = create_page().expect("a page");
        let (writer, reader) =
            (PageWriter::map(&page).expect("mapped"), PageReader::map(&page).expect("mapped"));
        let told = |answers| {
            let ahead = Ahead::read(&reader, answers);
            [ahead.items_of(0, 50 + answers, 10), ahead.items_of(1, 51 + answers, 10)]
        };
        assert_eq!(told(0), [None, None]);
        write(&writer, Word::CurrentTask, 50);
        write(&writer, Word::TaskStarted, 1);
        write(&writer, Word::ItemsDone, 4);
        assert_eq!(told(0), [Some(4), None]);
        add(&writer, Word::Failed, 1);
        write(&writer, Word::CurrentTask, 0);
        assert_eq!(told(0), [Some(10), None], "at rest, and the answer unread");
        write(&writer, Word::CurrentTask, 51);
        assert_eq!(told(0), [Some(10), Some(4)]);
        assert_eq!(told(1), [Some(4), None], "its answer was read");
        write(&writer, Word::ItemsDone, 1_000);
        assert_eq!(told(1), [Some(10), None], "no more than there are");
    }

    #[test]
    fn what_a_worker_writes_is_read() {
        let page = create_page().expect("a page");
        let (writer, reader) =
            (PageWriter::map(&page).expect("mapped"), PageReader::map(&page).expect("mapped"));
        assert_eq!(read(&reader), Counters::default());
        write(&writer, Word::State, state::BUSY);
        write(&writer, Word::CurrentTask, 50);
        write(&writer, Word::TaskStarted, 1);
        add(&writer, Word::ItemsDone, 3);
        add(&writer, Word::ItemsDone, 4);
        let counters = read(&reader);
        assert!(counters.busy && counters.current_task == 50 && counters.items_done == 7, "{counters:?}");
        assert_eq!(Ahead::read(&reader, 0).items_of(0, 50, 10), Some(7));
    }

    #[test]
    fn items_are_of_the_task_that_was_begun() {
        let page =
            |current_task, started| Counters { current_task, started, items_done: 7, ..Counters::default() };
        // Nine are answered, and the tenth has the number 50.
        let items = |current_task, started| page(current_task, started).items_of(50, 9);
        assert_eq!(items(50, 10), 7, "it runs");
        assert_eq!(items(50, 9), 7, "it has just begun");
        assert_eq!(items(0, 10), 7, "it ran to its end");
        assert_eq!(items(0, 9), 0, "it was read and has not begun: they are the ninth's");
        assert_eq!(items(49, 9), 0, "another's");
    }
}
