//! All open connections of a server, the coarse clock that their states are in, and the sweep that closes the
//! overdue ones.
//!
//! The clock counts sweeps, not seconds: a process that was stopped for a while finds nobody overdue for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior};

use super::ServerOptions;
use super::connection::{ConnectionState, Phase};
use crate::jobs::AnswerBytes;

/// How long what a client still sends is thrown away after its answer.
const LINGER: Duration = Duration::from_secs(5);
/// Sweeps are no rarer, however long the timeouts: a client that left unseen is missed then. And no more frequent,
/// however short.
const PERIOD_MAX: Duration = Duration::from_secs(1);
const PERIOD_MIN: Duration = Duration::from_millis(5);
/// How often closing connections are looked at: the server's end waits for it.
const CLOSING_PERIOD: Duration = Duration::from_millis(5);

/// The open connections.
#[derive(Debug)]
pub(super) struct Registry {
    tick: AtomicU64,
    closing: AtomicBool,
    count: AtomicUsize,
    /// Between two sweeps; what the ticks below are.
    period: Duration,
    head_ticks: u64,
    idle_ticks: u64,
    write_stall_ticks: u64,
    linger_ticks: u64,
    open: Mutex<Open>,
    gone: Notify,
    answers: AnswerBytes,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    state: Arc<ConnectionState>,
    task: AbortHandle,
}

impl Registry {
    pub(super) fn new(options: &ServerOptions) -> Arc<Self> {
        let shortest = options.head_timeout.min(options.idle_timeout).min(options.write_stall_timeout);
        let period = (shortest / 4).clamp(PERIOD_MIN, PERIOD_MAX);
        // One tick more than it lasts: a phase may begin just before the next tick.
        let ticks = |timeout: Duration| {
            u64::try_from(timeout.as_nanos().div_ceil(period.as_nanos()))
                .unwrap_or(u64::MAX)
                .saturating_add(1)
        };
        Arc::new(Self {
            tick: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            count: AtomicUsize::new(0),
            period,
            head_ticks: ticks(options.head_timeout),
            idle_ticks: ticks(options.idle_timeout),
            write_stall_ticks: ticks(options.write_stall_timeout),
            linger_ticks: ticks(LINGER),
            open: Mutex::default(),
            gone: Notify::new(),
            answers: options.answers.clone(),
        })
    }

    /// Where answers count until they are written.
    pub(super) fn answers(&self) -> &AnswerBytes {
        &self.answers
    }

    /// Sweeps since the start.
    pub(super) fn tick(&self) -> u64 {
        self.tick.load(Relaxed)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Open connections.
    pub(super) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Runs a connection until it ends or the sweep ends it.
    pub(super) fn spawn(
        self: &Arc<Self>,
        state: Arc<ConnectionState>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        // Held until the entry is in: the task may end before, and then waits here to take it out.
        let mut open = self.open.lock();
        let id = open.next_id;
        open.next_id += 1;
        let leave = Leave { registry: Arc::clone(self), id };
        self.count.fetch_add(1, Relaxed);
        let task = tokio::spawn(async move {
            let _leave = leave;
            connection.await;
        });
        open.connections.insert(id, Connection { state, task: task.abort_handle() });
    }

    /// Counts time and ends what is overdue, or without a client, for ever.
    pub(super) async fn sweep(&self) {
        let mut interval = every(self.period);
        // The first comes at once.
        interval.tick().await;
        loop {
            interval.tick().await;
            self.tick.fetch_add(1, Relaxed);
            self.end_where(|registry, state| registry.is_overdue(state) || state.has_left_unseen());
        }
    }

    /// Ends what has nothing more to say, for ever.
    pub(super) async fn end_finished(&self) {
        let mut interval = every(CLOSING_PERIOD);
        loop {
            interval.tick().await;
            self.end_where(Self::is_finished);
        }
    }

    /// From now on no request is followed by another.
    pub(super) fn start_closing(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Waits until no connection is left.
    pub(super) async fn all_gone(&self) {
        while self.len() > 0 {
            self.gone.notified().await;
        }
    }

    /// Whatever becomes of the server: no connection outlives it.
    pub(super) fn end_all_on_drop(self: &Arc<Self>) -> EndAll {
        EndAll(Arc::clone(self))
    }

    fn is_overdue(&self, state: &ConnectionState) -> bool {
        let now = self.tick();
        let (phase, since) = state.phase();
        let limit = match phase {
            Phase::Idle => self.idle_ticks,
            Phase::Head => self.head_ticks,
            Phase::Busy => u64::MAX,
            Phase::Lingering => self.linger_ticks,
        };
        // While the client is to take something, no other clock runs.
        match state.write_pending_since() {
            Some(since) => now - since >= self.write_stall_ticks,
            None => now - since >= limit,
        }
    }

    /// Nothing is to come any more: neither an answer nor the rest of one.
    fn is_finished(&self, state: &ConnectionState) -> bool {
        let (phase, _) = state.phase();
        matches!(phase, Phase::Idle) && state.write_pending_since().is_none()
    }

    fn end_where(&self, ends: impl Fn(&Self, &ConnectionState) -> bool) {
        let open = self.open.lock();
        let ended: Vec<AbortHandle> = open
            .connections
            .values()
            .filter(|connection| ends(self, &connection.state))
            .map(|connection| connection.task.clone())
            .collect();
        // A task that is dropped takes the lock.
        drop(open);
        if !ended.is_empty() {
            tracing::debug!(connections = ended.len(), "idle, overdue or abandoned connections closed");
        }
        for task in ended {
            task.abort();
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Takes a connection out when its task ends, in whatever way.
struct Leave {
    registry: Arc<Registry>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let gone = self.registry.open.lock().connections.remove(&self.id);
        drop(gone);
        if self.registry.count.fetch_sub(1, Relaxed) == 1 {
            self.registry.gone.notify_one();
        }
    }
}

/// Ends all connections when it is dropped.
#[derive(Debug)]
pub(super) struct EndAll(Arc<Registry>);

impl Drop for EndAll {
    fn drop(&mut self) {
        self.0.end_where(|_, _| true);
    }
}
