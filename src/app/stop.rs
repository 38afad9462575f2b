//! The order of stopping: not ready, no more work, running work ends, answers go out, processes end.
//!
//! A second signal ends every wait.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::process::ProcessTree;
use crate::service::Service;
use crate::sys::is_ignored;

/// For connections to send their last answers.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// For killed processes to be reaped.
const LAST_DEATHS: Duration = Duration::from_secs(2);

/// SIGTERM, SIGINT and SIGQUIT.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    /// Listens from now on; to SIGHUP, unless it was ignored before (`nohup`). Signals that mean nothing to a server
    /// end none: timers' and users', a full log's and the real-time ones; SIGPIPE neither, Rust ignores it. (Handled,
    /// not ignored: what is ignored would be so in workers, too. Who isn't listened to stays handled.)
    pub fn new() -> io::Result<Self> {
        use nix::libc;
        let named = [
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGALRM,
            libc::SIGVTALRM,
            libc::SIGPROF,
            libc::SIGIO,
            libc::SIGXFSZ,
            libc::SIGXCPU,
            libc::SIGPWR,
            libc::SIGSTKFLT,
        ];
        for number in named.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
            drop(signal(SignalKind::from_raw(number))?);
        }
        if !is_ignored(libc::SIGHUP) {
            let mut hangups = signal(SignalKind::hangup())?;
            tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    tracing::warn!(
                        "SIGHUP: this version does not reload; a restart takes new code and another configuration"
                    );
                }
            });
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for the next one.
    pub async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}

/// Takes work for `--drain-delay` more, then lets what runs go on for `--drain-limit`.
pub(super) async fn drain(service: &Service, signals: &mut Signals) {
    service.leave();
    tracing::info!(unfinished = service.unfinished(), "stopping");
    let limits = service.limits();
    let draining = async {
        tokio::time::sleep(limits.drain_delay).await;
        service.refuse_work();
        if tokio::time::timeout(limits.drain_limit, service.drain()).await.is_err() {
            let (unfinished, processes) = (service.unfinished(), service.living_processes());
            tracing::warn!(unfinished, processes, "the drain limit is over");
        }
    };
    tokio::select! {
        () = draining => {}
        () = signals.first() => service.refuse_work(),
    }
}

/// Ends the pools, lets the last answers go out, leaves no process behind.
pub(super) async fn close(
    server: JoinHandle<()>,
    service: &Service,
    tree: &ProcessTree,
    signals: &mut Signals,
) {
    let closing = async {
        service.stop(LAST_DEATHS).await;
        let _ = server.await;
    };
    tokio::select! {
        () = closing => {}
        () = signals.first() => {}
    }
    last_deaths(tree).await;
}

/// Kills what is left and waits until it has been reaped: workers, zygotes, orphans.
pub(super) async fn last_deaths(tree: &ProcessTree) {
    let _ = tokio::time::timeout(LAST_DEATHS, tree.all_gone()).await;
    tree.end_all_orphans();
}
