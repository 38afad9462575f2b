//! The answer to a connection that is one too many.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::stream::{Stream, poll_discard};

/// Connections at a time that are told why they are closed; beyond, they are closed without a word.
const TOLD_MAX: usize = 256;
/// How long one may take to read it.
const TOLD_FOR: Duration = Duration::from_secs(1);

/// The whole answer, head and body: its request is not looked at.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\n\
    content-length: 146\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\
    \r\n\
    {\"type\":\"urn:forkpool:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
    \"detail\":\"too many connections are open; try again later\",\"code\":\"overloaded\"}";

/// Turns connections away.
#[derive(Debug, Default)]
pub(super) struct Overload {
    telling: Arc<AtomicUsize>,
}

impl Overload {
    /// Answers 503 and closes, without waiting for it here.
    pub(super) fn turn_away(&self, mut stream: Stream) {
        if self.telling.load(Relaxed) >= TOLD_MAX {
            return;
        }
        let telling = Telling::begin(&self.telling);
        tokio::spawn(async move {
            let _telling = telling;
            let tell = async {
                if stream.write_all(ANSWER).await.is_ok() && stream.shutdown().await.is_ok() {
                    // Closing with its request unread would reset the connection: the answer would be lost.
                    poll_fn(|cx| poll_discard(&mut stream, cx)).await;
                }
            };
            let _late = tokio::time::timeout(TOLD_FOR, tell).await;
        });
    }
}

struct Telling(Arc<AtomicUsize>);

impl Telling {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }
}
