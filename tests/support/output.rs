//! Reads what a server writes, always, so that it never waits for the test; keeps the last part for failure
//! messages.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStderr, ChildStdout};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const KEPT: usize = 64 << 10;

/// The standard error of a server, its last 64 KiB.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
}

impl Tail {
    /// Follows a stream until it ends.
    pub fn follow(mut stream: ChildStderr) -> Self {
        let tail = Self::default();
        let kept = tail.clone();
        thread::spawn(move || {
            let mut buffer = [0_u8; 16 << 10];
            while let Ok(n) = stream.read(&mut buffer) {
                if n == 0 {
                    break;
                }
                let mut bytes = kept.bytes.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend(&buffer[..n]);
                let surplus = bytes.len().saturating_sub(KEPT);
                bytes.drain(..surplus);
            }
        });
        tail
    }

    /// What it holds now.
    pub fn text(&self) -> String {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(bytes.make_contiguous()).into_owned()
    }
}

/// The lines of standard output, each as it comes; the channel closes at its end.
pub fn lines(stream: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            // A test that has stopped listening does not stop the reading.
            let _ = sender.send(line);
        }
    });
    receiver
}
