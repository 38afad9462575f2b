//! The Processes by id: as many as may live, and those that ended not long ago.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::handle::{ProcessHandle, ProcessId};
use crate::jobs::{AnswerBytes, RetentionTable};
use crate::object_server::Calls;
use crate::process::Spawner;
use crate::runtime::Runtime;

/// Those that are let go at once, at most: what is left waits for the next call. Each has its output with it.
const LET_GO_MAX: usize = 100;

/// What bounds them.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Alive at once, at most.
    pub alive_max: usize,
    /// Ended ones that are remembered, at most.
    pub ended_max: usize,
    /// Bytes of their output, at most.
    pub ended_bytes_max: usize,
    /// How long those are.
    pub ended_ttl: Duration,
    /// Output kept of each, in bytes.
    pub output_bytes_max: usize,
    /// Whether output goes to the server's standard error too.
    pub output_to_stderr: bool,
    /// From the request to the call.
    pub start_timeout: Duration,
}

/// How far the server's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// They are started.
    Serving,
    /// None is started any more; daemons end.
    Draining,
    /// All end.
    Stopping,
}

#[derive(Debug)]
pub(super) struct State {
    pub phase: Phase,
    pub by_id: BTreeMap<ProcessId, Arc<ProcessHandle>>,
    /// Those that have ended and are remembered.
    ended: RetentionTable<ProcessId>,
}

impl State {
    /// Whether anybody may see it: it has come to its call, and has not expired.
    fn shows(&self, handle: &ProcessHandle, now: Instant) -> bool {
        handle.is_shown() && !self.ended.is_over(&handle.id, now)
    }

    /// It has ended: remembered if anybody was told of it, until there are too many.
    fn on_ended(&mut self, handle: &ProcessHandle, rules: &Rules, now: Instant) {
        if !handle.is_shown() {
            self.by_id.remove(&handle.id);
            return;
        }
        self.ended.keep(handle.id, now + rules.ended_ttl, handle.output_bytes(), true);
        while let Some(oldest) = self.ended.pop_excess(rules.ended_max, rules.ended_bytes_max) {
            self.by_id.remove(&oldest);
        }
    }

    fn expire(&mut self, now: Instant) -> bool {
        for _ in 0..LET_GO_MAX {
            let Some(id) = self.ended.pop_expired(now) else { return false };
            self.by_id.remove(&id);
        }
        true
    }
}

/// All of them. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Processes(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub rules: Rules,
    /// Where they are started and attended: that of whoever asks may end before they do.
    pub runtime: Handle,
    /// What serves them the shared objects.
    pub calls: Calls,
    /// What is held of answers that nobody has taken.
    pub answers: AnswerBytes,
    /// None any more once the server ends.
    pub spawners: RwLock<BTreeMap<Runtime, Spawner>>,
    pub room: Arc<Semaphore>,
    /// For their names.
    pub count: AtomicU64,
    pub state: Mutex<State>,
}

/// Some of them.
#[derive(Debug)]
pub struct ProcessPage {
    /// Newest first.
    pub items: Vec<Arc<ProcessHandle>>,
    /// Where the next page begins.
    pub next: Option<ProcessId>,
}

impl Processes {
    /// None yet; they are forked by the spawner of their runtime. Must be called in the runtime that lives as long as
    /// the server: it attends them.
    pub fn new(
        rules: Rules,
        calls: Calls,
        answers: AnswerBytes,
        spawners: BTreeMap<Runtime, Spawner>,
    ) -> Self {
        let state = State { phase: Phase::Serving, by_id: BTreeMap::new(), ended: RetentionTable::default() };
        Self(Arc::new(Inner {
            rules,
            runtime: Handle::current(),
            calls,
            answers,
            spawners: RwLock::new(spawners),
            room: Arc::new(Semaphore::new(rules.alive_max.min(Semaphore::MAX_PERMITS))),
            count: AtomicU64::new(1),
            state: Mutex::new(state),
        }))
    }

    /// One by its id.
    pub fn get(&self, id: ProcessId) -> Option<Arc<ProcessHandle>> {
        let state = self.0.state.lock();
        state.by_id.get(&id).filter(|handle| state.shows(handle, Instant::now())).cloned()
    }

    /// At most so many, newest first, older than `before`.
    pub fn list(&self, limit: usize, before: Option<ProcessId>) -> ProcessPage {
        let (state, now) = (self.0.state.lock(), Instant::now());
        let older = match before {
            Some(before) => state.by_id.range(..before),
            None => state.by_id.range(..),
        };
        let mut items: Vec<Arc<ProcessHandle>> = older
            .rev()
            .map(|(_, handle)| handle)
            .filter(|handle| state.shows(handle, now))
            .take(limit + 1)
            .cloned()
            .collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|last| last.id) } else { None };
        ProcessPage { items, next }
    }

    /// How many live.
    pub fn alive(&self) -> usize {
        self.0.state.lock().by_id.values().filter(|handle| handle.is_alive()).count()
    }

    /// Forgets some of those that ended long ago; `true` if more of them are left.
    pub fn expire(&self) -> bool {
        self.0.state.lock().expire(Instant::now())
    }

    /// Starts no more, ends the daemons, waits for the others.
    pub async fn drain(&self) {
        for handle in self.enter(Phase::Draining) {
            if handle.daemon {
                handle.terminate();
            }
        }
        self.all_ended().await;
    }

    /// Kills what lives and waits until it is gone.
    pub async fn stop(&self) {
        for handle in self.enter(Phase::Stopping) {
            handle.kill();
        }
        self.all_ended().await;
    }

    /// Zygotes end with the last that can fork from them.
    pub fn end(&self) {
        self.0.spawners.write().clear();
    }

    async fn all_ended(&self) {
        let all = u32::try_from(self.0.rules.alive_max).unwrap_or(u32::MAX);
        let _ = self.0.room.acquire_many(all).await;
    }

    /// The next phase; those that live.
    fn enter(&self, phase: Phase) -> Vec<Arc<ProcessHandle>> {
        let mut state = self.0.state.lock();
        state.phase = state.phase.max(phase);
        state.by_id.values().filter(|handle| handle.is_alive()).cloned().collect()
    }
}

impl Inner {
    /// The name of one that was given none: as the library, each counts.
    pub fn name(&self, given: Option<String>) -> Arc<str> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        given.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("Process-{number}")).into()
    }

    /// It has ended.
    pub fn on_ended(&self, handle: &ProcessHandle) {
        self.state.lock().on_ended(handle, &self.rules, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_at_once_is_let_go_in_parts_and_is_gone_at_once() {
        let rules = Rules {
            alive_max: 1,
            ended_max: usize::MAX,
            ended_bytes_max: usize::MAX,
            ended_ttl: Duration::from_secs(1),
            output_bytes_max: 1,
            output_to_stderr: false,
            start_timeout: Duration::ZERO,
        };
        let (by_id, ended) = (BTreeMap::new(), RetentionTable::default());
        let (mut state, now) = (State { phase: Phase::Serving, by_id, ended }, Instant::now());
        let handles: Vec<_> = (0..LET_GO_MAX * 2 + 50).map(|_| ProcessHandle::gone()).collect();
        for handle in &handles {
            state.by_id.insert(handle.id, Arc::clone(handle));
            state.on_ended(handle, &rules, now);
        }
        let later = now + rules.ended_ttl;
        assert!(!state.expire(now) && handles.iter().all(|handle| state.shows(handle, now)));
        assert!(!handles.iter().any(|handle| state.shows(handle, later)));
        assert_eq!([state.expire(later), state.expire(later), state.expire(later)], [true, true, false]);
        assert!(state.by_id.is_empty());
    }
}
