//! What the server says of itself: log lines on standard error.
//!
//! Standard output is kept for the ready line.

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait for a slow reader of standard error; beyond, they are dropped and counted.
const LINES_WAITING: usize = 16_384;

/// Starts logging; what is returned writes out the rest when it is dropped. A thread of its own does the
/// writing: a reader of standard error that stands still must not hold the server. `RUST_LOG` takes the filters
/// of `tracing` (default: `info`).
pub fn start() -> WorkerGuard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING)
        .finish(std::io::stderr());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    // A second start (a program that has its own logging) changes nothing.
    let _ = logging.try_init();
    guard
}
