//! Jobs whose function may not run now, by function: it rests (see [`super::quarantine`]), or as many of its tasks
//! run as may (see [`super::share`]). They stand apart, in their turn, so that the others go on.

use std::sync::Arc;
use std::time::Instant;

use super::engine::Engine;
use super::events::Event;
use super::function::Function;
use super::queue::Queue;
use super::task::Task;

/// Jobs of one function that wait until it may run.
#[derive(Debug)]
pub(super) struct Apart {
    function: Arc<Function>,
    queue: Queue,
    /// It rested: then all of them come back, in their order and behind who came meanwhile.
    rested: bool,
}

impl Apart {
    fn of(function: &Arc<Function>) -> Self {
        Self { function: Arc::clone(function), queue: Queue::default(), rested: false }
    }

    /// How many of its tasks may be handed out now.
    fn free(&self, now: Instant) -> usize {
        match self.function.share() {
            _ if self.function.rests_until(now).is_some() => 0,
            Some(share) => share.free(),
            None => usize::MAX,
        }
    }
}

impl Engine {
    /// Sets the job in front apart if its function may not run now. `true`: it was, and is no longer in front.
    pub(super) fn set_apart(&mut self, job: u64) -> bool {
        let Some(run) = self.runs.get_mut(&job) else { return false };
        let rests = run.function().rests_until(self.now).is_some();
        let is_full = run.function().share().is_some_and(|share| share.free() == 0);
        if !rests && !is_full {
            return false;
        }
        let (function, place) = (Arc::clone(run.function()), run.place());
        let (again, already) = (run.was_apart, run.is_apart);
        (run.was_apart, run.is_apart) = (true, true);
        self.queue.pop();
        let apart = self.apart.entry(Arc::clone(&function.name)).or_insert_with(|| Apart::of(&function));
        apart.rested |= rests;
        if already {
            return true;
        }
        if again {
            apart.queue.push_next(job, &place);
        } else {
            apart.queue.push(job, &place);
        }
        if let Some(share) = function.share().filter(|_| is_full) {
            share.wait(&self.spec.name, &self.sender);
            let freed_meanwhile = share.free() > 0;
            if freed_meanwhile && let Some(sender) = self.sender.upgrade() {
                let _ = sender.send(Event::Vacancy);
            }
        }
        true
    }

    /// As many jobs as may run take their turn again.
    pub(super) fn rejoin(&mut self) {
        if self.apart.is_empty() || !self.roster.has_room(self.now) {
            return;
        }
        for apart in self.apart.values_mut() {
            let mut jobs = Vec::new();
            loop {
                while jobs.len() < apart.free(self.now)
                    && let Some(job) = apart.queue.take()
                {
                    let Some(run) = self.runs.get_mut(&job) else { continue };
                    run.is_apart = false;
                    // Who is set apart once more after a rest stands behind those before it, as now.
                    run.was_apart = !apart.rested;
                    jobs.push((job, run.place()));
                }
                if apart.queue.front().is_none() {
                    break;
                }
                // The last vacancy was told once; the rest wait for the next, unless it came just now.
                if let Some(share) = apart.function.share() {
                    share.wait(&self.spec.name, &self.sender);
                }
                if jobs.len() >= apart.free(self.now) {
                    break;
                }
            }
            let rested = apart.rested;
            apart.rested &= apart.function.rests_until(self.now).is_some();
            if rested {
                jobs.iter().for_each(|(job, place)| self.queue.push(*job, place));
            } else {
                jobs.iter().rev().for_each(|(job, place)| self.queue.push_next(*job, place));
            }
        }
        self.apart.retain(|_, apart| apart.queue.front().is_some());
    }

    /// A task that came back unread had its turn before those of its function that stand apart.
    pub(super) fn take_back_first(&mut self, task: Task) {
        let job = task.job;
        let apart = self.apart.get_mut(&task.function.name);
        let (Some(run), Some(apart)) = (self.runs.get_mut(&job), apart) else { return self.give_back(task) };
        (run.was_apart, run.is_apart) = (true, true);
        run.give_back(task);
        apart.queue.push_front(job, &run.place());
    }

    /// When the first function with jobs that stand apart has rested enough.
    pub(super) fn next_rejoin(&self) -> Option<Instant> {
        self.apart.values().filter_map(|apart| apart.function.rests_until(self.now)).min()
    }

    /// Forgets numbers without work once they are many.
    pub(super) fn tidy_queues(&mut self) {
        let (jobs, runs) = (self.runs.len(), &self.runs);
        let queues = self.apart.values_mut().map(|apart| &mut apart.queue);
        for queue in queues.chain([&mut self.queue]) {
            queue.tidy(jobs, |job| runs.contains_key(&job));
        }
    }
}
