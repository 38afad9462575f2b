//! Handing out, and whether each task is the one to hand out.

use super::super::super::task::Task;
use super::super::model::{Checked, Kind, Place, Rule, check};
use super::{Job, World, indexes};

impl World {
    pub(super) fn hand_out(&mut self) -> Checked {
        self.is_stalled = false;
        loop {
            self.hand_out_round()?;
            // The caller comes back at once.
            if self.is_stalled {
                return Ok(());
            }
            if !self.scheduler.is_cut_short() {
                break;
            }
        }
        self.turns.waiting(&self.waiting_places());
        if self.free_worker().is_some() && !self.is_tight {
            let left = self.eligible();
            check(left.is_empty(), Rule::NothingLost, || {
                format!("{left:?} could run and are not handed out")
            })?;
        }
        Ok(())
    }

    fn hand_out_round(&mut self) -> Checked {
        self.scheduler.start_round();
        if self.free_worker().is_some() {
            self.scheduler.unpark(self.now);
        }
        while let Some(worker) = self.free_worker() {
            let Some((mut task, ())) = self.scheduler.next_task(self.now, |_| Some(())) else { break };
            self.check_choice(&task)?;
            self.sequence += 1;
            task.sequence = self.sequence;
            let job = self.jobs.get_mut(&task.job).expect("it was checked");
            job.out += 1;
            for index in indexes(&task) {
                job.items[index].place = Place::Out;
            }
            if self.workers[worker].flight.is_empty() {
                job.is_started = true;
                self.scheduler.begin(&task);
            }
            if std::mem::take(&mut self.is_pipe_full) {
                self.is_stalled = true;
                self.put_back(&task);
                self.scheduler.give_back(task);
                return Ok(());
            }
            self.workers[worker].flight.push_back(task);
        }
        Ok(())
    }

    /// Whether this task is the one to hand out.
    fn check_choice(&mut self, task: &Task) -> Checked {
        let number = task.job;
        let Some(job) = self.jobs.get(&number).filter(|job| job.has_work()) else {
            return check(false, Rule::NothingTwice, || format!("job {number} has nothing to hand out"));
        };
        for index in indexes(task) {
            let item = job.items.get(index);
            let is_waiting =
                item.is_some_and(|item| item.place == Place::Waiting && item.retries == task.retries);
            check(is_waiting, Rule::NothingTwice, || format!("item {index} of job {number} is {item:?}"))?;
        }
        let (function, place) = (job.function, (job.priority, job.key));
        check(self.may_run(function), Rule::Limits, || format!("too many tasks of f{function} run"))?;
        if self.is_tight {
            return Ok(());
        }
        let eligible = self.eligible();
        let highest = eligible.iter().map(|number| self.jobs[number].priority).max();
        check(highest == Some(place.0), Rule::Priority, || {
            format!("job {number} has priority {} and goes before {highest:?}", place.0)
        })?;
        if function < 2 && job.kind != Kind::Stream {
            let is_plain =
                |job: &Job| job.function < 2 && job.kind != Kind::Stream && (job.priority, job.key) == place;
            let mut line =
                self.lines.of(place).filter(|other| eligible.contains(other) && is_plain(&self.jobs[other]));
            let first = line.next();
            check(first == Some(number), Rule::OrderWithinKey, || {
                format!("job {number} goes before {first:?}, which came before")
            })?;
        }
        let passed_over = self.turns.handed(place, &self.waiting_places());
        check(passed_over.is_none(), Rule::FairTurns, || {
            format!("job {number} of {place:?} has two turns while {passed_over:?} has none")
        })
    }
}
