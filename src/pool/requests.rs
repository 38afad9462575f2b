//! The engine's answers to clients and operators: submit, cancel, abandon, drain, stop, look.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::engine::Engine;
use super::events::Event;
use super::fate::{self, KillCause};
use super::handle::{PoolView, WorkerView};
use super::roster::{Phase, SeatId};
use super::run::Run;
use super::task::Submission;
use crate::counters;
use crate::jobs::{Failure, FailureCode, Outcome};

impl Engine {
    pub(super) fn on_submit(&mut self, submission: Submission) {
        let mut run = Run::new(submission);
        let record = Arc::clone(&run.record);
        if self.stopped.is_some() || self.drained.is_some() {
            self.spec.store.finish(&record, self.refusal());
        } else if let Some(outcome) = run.outcome() {
            self.spec.store.finish(&record, outcome);
        } else {
            let terms = &record.new.terms;
            // What waits in pipes with less priority is overtaken: it goes back, behind this one.
            for id in self.roster.waiting_below(terms.priority) {
                self.recall(id);
            }
            self.queue.push(record.number, &run.place());
            if let Some(most) = terms.queue_timeout {
                self.clocks.wait(self.now + most, record.number);
            }
            self.runs.insert(record.number, Box::new(run));
        }
    }

    /// What waits is dropped at once. What runs is killed once the answers that are there have been read.
    pub(super) fn on_cancel(&mut self, job: u64) {
        let holders = self.roster.holders(job);
        for id in &holders {
            self.recall(*id);
        }
        let still_held = !self.roster.holders(job).is_empty();
        if !still_held {
            return self.end_cancelled(job);
        }
        if let Some(run) = self.runs.get_mut(&job) {
            run.cancel(self.clocks.drop_retries(job));
        }
        let sender = self.sender.clone();
        tokio::spawn(async move {
            // Twice: the first lets the runtime look at the pipes, the second lets their readers run.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            if let Some(sender) = sender.upgrade() {
                let _ = sender.send(Event::KillHeads(job));
            }
        });
    }

    pub(super) fn on_kill_heads(&mut self, job: u64) {
        if !self.runs.contains_key(&job) {
            return;
        }
        let mut running = Vec::new();
        for id in self.roster.holders(job) {
            self.recall(id);
            // What is still there was read. All but the last of it is answered: its answer is on its way.
            if self.roster.flight(id).last().is_some_and(|task| task.job == job) {
                running.push(id);
            }
        }
        let answered = running.is_empty() && !self.roster.holders(job).is_empty();
        if answered && !self.runs.get(&job).is_some_and(|run| run.has_lost_work() || run.has_waiting()) {
            return;
        }
        self.end_cancelled(job);
        for id in running {
            self.kill(id, KillCause::Cancelled);
        }
    }

    fn end_cancelled(&mut self, job: u64) {
        let failure = Failure::new(FailureCode::Cancelled, "the job was cancelled");
        self.end(job, Outcome::Failure(Box::new(failure)));
    }

    pub(super) fn on_feed(&mut self, job: u64, more: Option<(Bytes, usize)>) {
        if let Some(run) = self.runs.get_mut(&job) {
            run.feed(more);
            self.on_nudge(job);
            self.conclude(job);
        }
    }

    /// It may have work to hand out again.
    pub(super) fn on_nudge(&mut self, job: u64) {
        if let Some(run) = self.runs.get(&job)
            && run.has_waiting()
        {
            self.queue.push_once(job, &run.place());
        }
    }

    pub(super) fn on_abandon(&mut self, job: u64) {
        for id in self.roster.holders(job) {
            self.recall(id);
        }
        let failure = Failure::new(FailureCode::Cancelled, "the client left before the job had ended");
        self.end(job, Outcome::Failure(Box::new(failure)));
    }

    pub(super) fn on_drain(&mut self, reply: oneshot::Sender<()>) {
        for id in self.roster.ids().collect::<Vec<_>>() {
            // A silent worker's pipe holds the ping that it must find.
            if !matches!(self.roster.phase(id), Some(Phase::Silent(_))) {
                self.recall(id);
            }
        }
        let waiting: Vec<u64> =
            self.runs.iter().filter(|(_, run)| !run.has_started()).map(|(number, _)| *number).collect();
        for job in waiting {
            self.end(job, Outcome::Failure(Box::new(fate::of_shutdown(false))));
        }
        self.drained = Some(reply);
    }

    pub(super) fn on_stop(&mut self, reply: oneshot::Sender<()>) {
        let jobs: Vec<_> = self.runs.iter().map(|(job, run)| (*job, run.has_started())).collect();
        for (job, has_started) in jobs {
            self.end(job, Outcome::Failure(Box::new(fate::of_shutdown(has_started))));
        }
        for id in self.roster.ids().collect::<Vec<_>>() {
            if self.bodies.get(&id).is_some_and(|body| body.process.is_some()) {
                self.kill(id, KillCause::Shutdown);
            } else {
                self.forget(id);
            }
        }
        self.stopped = Some(reply);
    }

    pub(super) fn view(&self) -> PoolView {
        let running = self.runs.values().filter(|run| run.has_started()).count();
        let workers = self.roster.ids().filter_map(|id| self.worker_view(id));
        PoolView { queued: self.runs.len() - running, running, workers: workers.collect() }
    }

    /// What a worker does is read from its page: a task that it hasn't read is nobody's current task.
    fn worker_view(&self, id: SeatId) -> Option<WorkerView> {
        let body = self.bodies.get(&id)?;
        let counters = counters::read(body.link.page());
        let current = self.roster.flight(id).find(|task| task.sequence == counters.current_task);
        let state = match self.roster.phase(id)? {
            Phase::Starting(_) => "starting",
            Phase::Ready | Phase::Silent(_) if counters.busy => "busy",
            Phase::Ready | Phase::Spare | Phase::Silent(_) => "idle",
            Phase::Leaving | Phase::Ending => "stopping",
        };
        Some(WorkerView {
            pid: body.process.as_ref().map(|process| process.pid()),
            state,
            spare: self.roster.phase(id) == Some(Phase::Spare),
            generation: body.generation.as_ref().map_or(0, |generation| generation.number),
            current: current.map(|task| (task.record.id, Arc::clone(&task.function.name))),
            current_age: current.and_then(|_| counters.task_age()),
            counters,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::function::Function;
    use super::super::sequence::Sequences;
    use super::super::task::{Task, Work};
    use super::*;
    use crate::jobs::{Admission, JobKind, NewJob, Record, Terms};
    use crate::process::Runtime;

    /// A map of so many tasks, each to be run again without end; all of them in flight.
    fn running(tasks: u64) -> (Run, Vec<Task>) {
        let terms = Terms { retries: u32::MAX, ..Terms::default() };
        let function = Arc::new(Function::new("f", Runtime::Native, None, None));
        let new = NewJob {
            kind: JobKind::Map,
            function: Arc::clone(&function.name),
            pool: "native".into(),
            owner: None,
            total: tasks,
            chunksize: Some(1),
            retained: true,
            terms,
        };
        let items = Bytes::from(format!("[{}]", vec!["1"; usize::try_from(tasks).unwrap()].join(",")));
        let work = Work::Map { items, chunksize: 1, spread: false, collect: false };
        let permit = Admission::new(1, 1).reserve().into_permit().unwrap();
        let mut run = Run::new(Submission { record: Arc::new(Record::new(new)), function, work, permit });
        let mut sequences = Sequences::default();
        let tasks = std::iter::from_fn(|| run.next_task(&mut sequences)).collect();
        (run, tasks)
    }

    fn is_cancelled(outcome: Option<Outcome>) -> bool {
        matches!(outcome, Some(Outcome::Failure(failure)) if failure.code == FailureCode::Cancelled)
    }

    #[test]
    fn a_failure_that_arrives_after_the_cancel_is_not_run_again() {
        let (mut run, tasks) = running(1);
        let raised = FailureCode::FunctionRaised;
        assert_eq!(run.retry_after(&tasks[0], raised), Some(Duration::ZERO));
        run.cancel(0);
        assert_eq!(run.retry_after(&tasks[0], raised), None);
        run.fail(&tasks[0], Failure::new(raised, "no"));
        assert!(is_cancelled(run.outcome()));
    }

    #[test]
    fn a_task_in_its_pause_is_lost_by_the_cancel() {
        let (mut run, mut tasks) = running(2);
        run.wait_again(&mut tasks[1]);
        run.cancel(1);
        assert!(run.has_lost_work() && run.outcome().is_none(), "the other one runs");
        run.succeed(&tasks[0], &Bytes::from_static(b"[1]"), 1_000);
        assert!(is_cancelled(run.outcome()));
    }

    #[test]
    fn what_comes_back_after_the_cancel_is_not_handed_out() {
        let (mut run, mut tasks) = running(2);
        run.cancel(0);
        run.give_back(tasks.pop().unwrap());
        assert!(run.has_waiting() && run.next_task(&mut Sequences::default()).is_none());
    }

    #[test]
    fn an_answer_that_was_there_already_counts() {
        let (mut run, tasks) = running(1);
        run.cancel(0);
        run.succeed(&tasks[0], &Bytes::from_static(b"[1]"), 1_000);
        assert!(matches!(run.outcome(), Some(Outcome::Value(_))));
    }
}
