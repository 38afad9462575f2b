//! Looks at `/livez` while the server works.

use std::thread;
use std::time::{Duration, Instant};

use super::Server;

/// How long each look took, and the work.
#[derive(Debug)]
pub struct Looks {
    sorted: Vec<Duration>,
    /// How long the work took.
    pub elapsed: Duration,
}

impl Looks {
    /// Looks at `/livez` until `work` is over.
    pub fn during(server: &Server, work: impl FnOnce(&Server) + Send) -> Self {
        let client = server.keeping();
        let start = Instant::now();
        let mut sorted: Vec<Duration> = thread::scope(|scope| {
            let work = scope.spawn(|| work(server));
            let mut looks = Vec::new();
            while !work.is_finished() {
                let look = client.get("/livez");
                assert_eq!(look.status, 200);
                looks.push(look.took);
            }
            work.join().expect("it ends well");
            looks
        });
        sorted.sort();
        Self { sorted, elapsed: start.elapsed() }
    }

    /// How many they were.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// So many in a hundred took no longer.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.sorted[(self.sorted.len() * percent / 100).min(self.sorted.len() - 1)]
    }
}
