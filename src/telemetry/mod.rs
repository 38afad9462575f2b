//! What the server says of itself: log lines on standard error.
//!
//! Standard output is kept for the ready line.

use tracing_subscriber::EnvFilter;

/// Starts logging; `RUST_LOG` takes the filters of `tracing` (default: `info`).
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logging =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second start (a program that has its own logging) changes nothing.
    let _ = logging.try_init();
}
