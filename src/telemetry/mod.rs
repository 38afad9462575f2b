//! What the server says of itself: log lines on standard error.
//!
//! Standard output is kept for the ready line. What happens anywhere is told to [`tracing`]; [`filter`] chooses,
//! [`line`] writes an event down, [`queue`] has it written out by a thread of its own: a reader of standard error that
//! stands still must not hold the server.

mod filter;
mod line;
mod queue;

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::config::{LogFormat, LogJobs};
use filter::Filter;
use line::Line;
pub use queue::LogEnd;
use queue::Queue;

/// The part of the program that lines about the log itself name.
const OWN_TARGET: &str = "forkpool::telemetry";

/// Starts logging; what is returned writes out the rest when it is dropped. `RUST_LOG` is a level, or levels of parts
/// of the program (`warn,forkpool::pool=debug`); `info` if it is unset.
pub fn start(format: LogFormat, jobs: LogJobs) -> LogEnd {
    let asked = std::env::var_os("RUST_LOG").unwrap_or_default().to_string_lossy().into_owned();
    let (filter, problem) = Filter::read(&asked, jobs);
    let queue = Arc::new(Queue::default());
    // A second start (a program that has its own logging) changes nothing.
    if set_global_default(Log { filter, format, queue: Arc::clone(&queue) }).is_ok() {
        if let Some(problem) = problem {
            // Whatever the filter lets pass.
            queue.push(&Line::plain(format, Level::WARN, OWN_TARGET, &problem));
        }
        let dropped = move |lines: u64| {
            let said = format!("{lines} lines of the log were dropped: standard error was not read in time");
            Line::plain(format, Level::WARN, OWN_TARGET, &said)
        };
        queue.write_to(std::io::stderr(), dropped);
    }
    LogEnd::of(queue)
}

/// Makes a line of each event that the filter lets pass.
struct Log {
    filter: Filter,
    format: LogFormat,
    queue: Arc<Queue>,
}

impl Subscriber for Log {
    /// Asked once for each place in the program: what the filter holds back costs nothing later.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.filter.lets_pass(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.lets_pass(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line::new(self.format, *metadata.level(), metadata.target());
        event.record(&mut line);
        self.queue.push(&line.finish());
    }

    // Nothing here opens a span.

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
