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
    let asked = std::env::var_os("RUST_LOG").unwrap_or_default().to_string_lossy().into_owned();
    let filter = filter_of(&asked);
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING)
        .finish(std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let by_default = Targets::new().with_default(LevelFilter::INFO);
    let wanted = filter.clone().ok().flatten().unwrap_or(by_default);
    // A second start (a program that has its own logging) changes nothing.
    let _ = tracing_subscriber::registry().with(lines.with_filter(wanted)).try_init();
    if let Err(part) = filter {
        tracing::warn!(
            "RUST_LOG={asked:?} is no filter: {part:?} is none of off, error, warn, info, debug, trace; \
             a part of the program is named as in forkpool::pool=debug"
        );
    }
    guard
}

/// What is wanted, if anything is said; else what is no level. The crate's own reading takes an unknown word for the
/// name of a part, and logs nothing.
fn filter_of(asked: &str) -> Result<Option<Targets>, String> {
    let level = |word: &str| word.trim().parse::<LevelFilter>().map_err(|_| word.trim().to_owned());
    let mut wanted = None;
    for part in asked.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let before: Targets = wanted.unwrap_or_default();
        wanted = Some(match part.split_once('=') {
            Some((target, word)) => before.with_target(target.trim(), level(word)?),
            None => before.with_default(level(part)?),
        });
    }
    Ok(wanted)
}
