//! What the server says of itself: log lines on standard error.
//!
//! Standard output is kept for the ready line.

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that wait for a slow reader of standard error; beyond, they are dropped and counted.
const LINES_WAITING: usize = 16_384;

/// Starts logging; what is returned writes out the rest when it is dropped. A thread of its own does the
/// writing: a reader of standard error that stands still must not hold the server. `RUST_LOG` is a level, or levels
/// of parts of the program (`warn,forkpool::pool=debug`); `info` if it is unset.
pub fn start() -> WorkerGuard {
    let asked = std::env::var_os("RUST_LOG").filter(|asked| !asked.is_empty());
    let asked = asked.map(|asked| asked.to_string_lossy().into_owned());
    let filter = asked.as_deref().map(str::parse::<Targets>);
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING)
        .finish(std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let by_default = Targets::new().with_default(LevelFilter::INFO);
    let wanted = filter.as_ref().and_then(|filter| filter.as_ref().ok()).cloned().unwrap_or(by_default);
    // A second start (a program that has its own logging) changes nothing.
    let _ = tracing_subscriber::registry().with(lines.with_filter(wanted)).try_init();
    if let (Some(asked), Some(Err(error))) = (asked, filter) {
        tracing::warn!(
            "RUST_LOG={asked:?} is no filter ({error}): a level, or parts with levels as forkpool=debug"
        );
    }
    guard
}
