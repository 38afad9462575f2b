//! Lines that wait to be written out, bounded; beyond, they are dropped and counted, and the log says so afterwards.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Lines that wait while those before them are written, and their bytes.
const LINES_MAX: usize = 16_384;
const BYTES_MAX: usize = 16 << 20;
/// So much is written at once: a pipe takes it whole (PIPE_BUF), so that lines of other processes don't come between.
const WRITE_BYTES_MAX: usize = 4_096;
/// A buffer that grew beyond this is given back.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Standard error that takes nothing (another process has made it non-blocking) is tried again after this.
const FULL_PAUSE: Duration = Duration::from_millis(10);
/// From one write to the next: lines that come close together are written together, and whoever logs them needn't wake
/// a thread for each.
const WRITE_PAUSE: Duration = Duration::from_millis(5);
/// How long the end waits for what is still to be written.
const END_MAX: Duration = Duration::from_secs(1);

/// Lines that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Told that there is something to write.
    more: Condvar,
    /// Told that all was written.
    done: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    lines: usize,
    /// Lines that came after those and found no room.
    dropped: u64,
    is_writing: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.dropped == 0
    }
}

impl Queue {
    /// Adds a line, which has its end. Never waits for a writer.
    pub fn push(&self, line: &str) {
        let mut waiting = self.waiting.lock();
        let is_full = waiting.lines == LINES_MAX || waiting.text.len() + line.len() > BYTES_MAX;
        // Where lines are missing is told in their place.
        if is_full || waiting.dropped > 0 {
            waiting.dropped += 1;
            return;
        }
        waiting.text.extend_from_slice(line.as_bytes());
        waiting.lines += 1;
        drop(waiting);
        self.more.notify_one();
    }

    /// Has a thread write the lines out, for as long as the process lives. `dropped`: the line that says how many are
    /// missing.
    pub fn write_to(
        self: &Arc<Self>,
        to: impl Write + Send + 'static,
        dropped: impl Fn(u64) -> String + Send + 'static,
    ) {
        let queue = Arc::clone(self);
        let mut to = to;
        let mut missing = 0;
        let writing = move || loop {
            let (text, more) = queue.take();
            missing += more + write_lines(&mut to, &text);
            // What can't be written now is told once that can.
            if missing > 0 && write_lines(&mut to, dropped(missing).as_bytes()) == 0 {
                missing = 0;
            }
            queue.give_back(text);
            thread::sleep(WRITE_PAUSE);
        };
        // Without the thread nothing is logged; the server serves.
        let _ = thread::Builder::new().name("forkpool-log".to_owned()).spawn(writing);
    }

    /// What waits and how many lines are missing after it, as soon as there is any.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut waiting = self.waiting.lock();
        while waiting.is_empty() {
            self.more.wait(&mut waiting);
        }
        waiting.is_writing = true;
        waiting.lines = 0;
        (std::mem::take(&mut waiting.text), std::mem::take(&mut waiting.dropped))
    }

    /// All of it was written.
    fn give_back(&self, mut text: Vec<u8>) {
        text.clear();
        let mut waiting = self.waiting.lock();
        waiting.is_writing = false;
        if waiting.text.capacity() == 0 && text.capacity() <= KEPT_BYTES_MAX {
            waiting.text = text;
        }
        MutexGuard::unlock_fair(waiting);
        self.done.notify_all();
    }
}

/// Writes whole lines, as many at once as fit; the number of those that couldn't be written.
fn write_lines(to: &mut impl Write, mut text: &[u8]) -> u64 {
    let mut failed = 0;
    while !text.is_empty() {
        let fitting = &text[..text.len().min(WRITE_BYTES_MAX)];
        let last = memchr::memrchr(b'\n', fitting).or_else(|| memchr::memchr(b'\n', text));
        let (lines, rest) = text.split_at(last.map_or(text.len(), |at| at + 1));
        text = rest;
        if write_all(to, lines).is_err() {
            failed += memchr::memchr_iter(b'\n', lines).count() as u64;
        }
    }
    failed
}

fn write_all(to: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The end of the log: waits until what was logged is written, not for long.
#[derive(Debug)]
#[must_use = "what was logged is written out when this is dropped"]
pub struct LogEnd(Arc<Queue>);

impl LogEnd {
    pub(super) fn of(queue: Arc<Queue>) -> Self {
        Self(queue)
    }
}

impl Drop for LogEnd {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        let is_open = |waiting: &mut Waiting| waiting.is_writing || !waiting.is_empty();
        let _ = self.0.done.wait_while_for(&mut waiting, is_open, END_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    /// Standard error whose reader takes what it is told to.
    struct Reader {
        goes_on: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // One that is gone holds nobody.
            let _ = self.goes_on.recv();
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (Arc<Queue>, Sender<()>, Receiver<Vec<u8>>) {
        let queue = Arc::new(Queue::default());
        let ((go_on, goes_on), (taken, told)) = (channel(), channel());
        queue.write_to(Reader { goes_on, taken }, |lines| format!("{lines} dropped\n"));
        (queue, go_on, told)
    }

    fn rest(told: &Receiver<Vec<u8>>, last: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(last) {
            text.push_str(&String::from_utf8(told.recv_timeout(BOUND).expect("written in time")).unwrap());
        }
        text
    }

    #[test]
    fn lines_beyond_the_bound_are_dropped_and_told_in_their_place() {
        let (queue, go_on, told) = queue();
        queue.push("first\n");
        let start = Instant::now();
        while !queue.waiting.lock().is_writing {
            assert!(start.elapsed() < BOUND);
            thread::yield_now();
        }
        for _ in 0..LINES_MAX {
            queue.push("line\n");
        }
        for _ in 0..7 {
            queue.push("dropped\n");
        }
        drop(go_on);
        let text = rest(&told, "7 dropped\n");
        assert_eq!(text, format!("first\n{}7 dropped\n", "line\n".repeat(LINES_MAX)));
        queue.push("later\n");
        assert_eq!(rest(&told, "later\n"), "later\n");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = Queue::default();
        let line = format!("{}\n", "x".repeat((1 << 20) - 1));
        for _ in 0..20 {
            queue.push(&line);
        }
        let waiting = queue.waiting.lock();
        assert_eq!((waiting.lines, waiting.dropped, waiting.text.len()), (16, 4, BYTES_MAX));
    }

    #[test]
    fn lines_are_written_whole() {
        let (queue, go_on, told) = queue();
        drop(go_on);
        let lines = [
            format!("{}\n", "a".repeat(4_000)),
            format!("{}\n", "b".repeat(4_000)),
            "c".repeat(9_000) + "\n",
        ];
        lines.iter().for_each(|line| queue.push(line));
        queue.push("end\n");
        let mut writes = Vec::new();
        while writes.last().is_none_or(|last: &Vec<u8>| !last.ends_with(b"end\n")) {
            writes.push(told.recv_timeout(BOUND).expect("written in time"));
        }
        assert!(writes.iter().all(|write| write.ends_with(b"\n")));
        assert!(writes.iter().all(|write| write.len() <= WRITE_BYTES_MAX || write.starts_with(b"c")));
        assert_eq!(writes.concat(), format!("{}end\n", lines.concat()).into_bytes());
    }

    #[test]
    fn standard_error_that_takes_nothing_for_a_while_loses_nothing() {
        /// Takes one byte at every third try.
        struct Full(usize, Vec<u8>);

        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 % 3 {
                    0 => {
                        self.1.push(bytes[0]);
                        Ok(1)
                    }
                    1 => Err(ErrorKind::WouldBlock.into()),
                    _ => Err(ErrorKind::Interrupted.into()),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let mut full = Full(0, Vec::new());
        assert_eq!(write_lines(&mut full, b"a\nbc\n"), 0);
        assert_eq!(full.1, b"a\nbc\n");
    }

    #[test]
    fn what_could_not_be_written_is_told_once_it_can() {
        /// A disk that is full for the first write.
        struct Disk(bool, Sender<Vec<u8>>);

        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if bytes.starts_with(b"lost") {
                    self.0 = true;
                    return Err(ErrorKind::StorageFull.into());
                }
                if std::mem::take(&mut self.0) {
                    return Err(ErrorKind::StorageFull.into());
                }
                let _ = self.1.send(bytes.to_vec());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (told, texts) = channel();
        let queue = Arc::new(Queue::default());
        queue.push("lost\n");
        queue.write_to(Disk(false, told), |missing| format!("{missing} missing\n"));
        drop(LogEnd::of(Arc::clone(&queue)));
        assert!(texts.try_recv().is_err());
        queue.push("written\n");
        assert_eq!(texts.recv_timeout(BOUND).as_deref(), Ok(&b"written\n"[..]));
        assert_eq!(texts.recv_timeout(BOUND).as_deref(), Ok(&b"1 missing\n"[..]));
    }

    #[test]
    fn the_end_waits_for_what_was_logged() {
        let (queue, go_on, told) = queue();
        queue.push("last\n");
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(go_on);
        });
        drop(LogEnd::of(queue));
        assert_eq!(told.try_recv().ok().as_deref(), Some(&b"last\n"[..]));
    }
}
