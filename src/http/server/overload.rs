//! The answer to a connection that is one too many.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::stream::{Stream, poll_discard};
use crate::http::edge::problem::Problem;

/// Connections at a time that are told why they are closed; beyond, they are closed without a word.
const TOLD_MAX: usize = 256;
/// How long one may take to read it.
const TOLD_FOR: Duration = Duration::from_secs(1);
/// Seconds after which whoever is told may try again.
const RETRY_AFTER: u32 = 1;

/// Turns connections away.
#[derive(Debug)]
pub(super) struct Overload {
    telling: Arc<AtomicUsize>,
    /// The whole answer, head and body: its request is not looked at.
    answer: Arc<[u8]>,
}

impl Overload {
    /// For a server that takes so many connections.
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            telling: Arc::default(),
            answer: answer(&Problem::too_many_connections(connections_max)).into(),
        }
    }

    /// Answers 503 and closes, without waiting for it here.
    pub(super) fn turn_away(&self, mut stream: Stream) {
        if self.telling.load(Relaxed) >= TOLD_MAX {
            return;
        }
        let (telling, answer) = (Telling::begin(&self.telling), Arc::clone(&self.answer));
        tokio::spawn(async move {
            let _telling = telling;
            let tell = async {
                if stream.write_all(&answer).await.is_ok() && stream.shutdown().await.is_ok() {
                    // Closing with its request unread would reset the connection: the answer would be lost.
                    poll_fn(|cx| poll_discard(&mut stream, cx)).await;
                }
            };
            let _late = tokio::time::timeout(TOLD_FOR, tell).await;
        });
    }
}

fn answer(problem: &Problem) -> Vec<u8> {
    let body = problem.text();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         retry-after: {RETRY_AFTER}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
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
        let answer = String::from_utf8(Overload::new(7).answer.to_vec()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(problem["status"] == 503 && problem["code"] == "overloaded", "{problem}");
        assert!(problem["knob"] == "--connections" && problem["limit"] == 7, "{problem}");
        assert_eq!(problem["retry_after"], RETRY_AFTER);
    }
}
