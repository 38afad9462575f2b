//! Who has what: the workers of a pool and the tasks in their flights. Pure: no I/O, the time is an argument.
//!
//! A flight's front is its head: the only task that can have started. What stands behind it lies in the
//! worker's pipe.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::task::Task;

/// A head that ran so long gives what lies behind it to a worker that idles.
pub(super) const HEAD_QUICK: Duration = Duration::from_millis(5);
/// A head handed out so long ago that it should have been read, even if nobody idles.
const HEAD_UNREAD: Duration = Duration::from_secs(1);
/// A worker that idles for so long after a task looks what that has left. (Less, and one that works now and then would
/// do it in the middle of others' work.)
const IDLE_LOOK: Duration = Duration::from_millis(10);
/// From one look into a worker's pipe to the next.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Tasks in one flight.
const FLIGHT_MAX: usize = 16;
/// Expected time of the tasks in one flight.
const FLIGHT_EXPECTED_MAX: Duration = Duration::from_micros(2_500);
/// Expected time of a flight of tiny tasks: about what it takes to wake a worker.
pub(super) const FLIGHT_TINY_MAX: Duration = Duration::from_micros(50);

/// A worker of this pool: a seat, and how often the seat was taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatId {
    seat: usize,
    birth: u64,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Forked, not yet heard of; until when it must be.
    Starting(Instant),
    /// Takes tasks.
    Ready,
    /// Ready, but gets none until it takes the place of one that does.
    Spare,
    /// Did not read its tasks: asked for a sign of life until then.
    Silent(Instant),
    /// Ends what it runs and gets nothing more.
    Leaving,
    /// Killed; its death will come.
    Ending,
}

#[derive(Debug)]
struct Seat {
    birth: u64,
    phase: Phase,
    flight: VecDeque<Task>,
    /// Expected time of the flight; `None`: it holds a task that must go alone.
    expected: Option<Duration>,
    head_since: Instant,
    /// The pipe was looked into; not again before this.
    next_look: Instant,
    /// Tasks that it may still run, those in its flight included.
    budget: Option<u64>,
    /// The head's time is over, but it wasn't clear who runs: looked at again then.
    overrun_from: Option<Instant>,
    /// It has run a task and wasn't asked to look what that has left.
    unlooked: bool,
}

/// The workers of a pool.
#[derive(Debug, Default)]
pub(super) struct Roster {
    seats: Vec<Option<Seat>>,
    births: u64,
    /// Ready and without tasks; the last to have worked is the first to work again: its memory is warm.
    idle: Vec<SeatId>,
    /// Those that wait to take another's place, the longest first.
    spare: Vec<SeatId>,
    /// Whether its workers look what tasks have left.
    looks: bool,
}

impl Roster {
    /// No worker yet; whether they will look what tasks have left.
    pub fn new(looks: bool) -> Self {
        Self { looks, ..Self::default() }
    }

    /// Seats a worker that is being made.
    pub fn seat(&mut self, now: Instant, boot_deadline: Instant, budget: Option<u64>) -> SeatId {
        self.births += 1;
        let seat = Seat {
            birth: self.births,
            phase: Phase::Starting(boot_deadline),
            flight: VecDeque::new(),
            expected: Some(Duration::ZERO),
            head_since: now,
            next_look: now,
            budget,
            overrun_from: None,
            unlooked: false,
        };
        let free = self.seats.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        self.seats[index] = Some(seat);
        SeatId { seat: index, birth: self.births }
    }

    /// Unseats a worker; its tasks come back, head first.
    pub fn unseat(&mut self, id: SeatId) -> Option<(Phase, VecDeque<Task>)> {
        self.get(id)?;
        self.idle.retain(|idle| *idle != id);
        self.spare.retain(|spare| *spare != id);
        let seat = self.seats[id.seat].take()?;
        Some((seat.phase, seat.flight))
    }

    fn get(&self, id: SeatId) -> Option<&Seat> {
        self.seats.get(id.seat)?.as_ref().filter(|seat| seat.birth == id.birth)
    }

    fn get_mut(&mut self, id: SeatId) -> Option<&mut Seat> {
        self.seats.get_mut(id.seat)?.as_mut().filter(|seat| seat.birth == id.birth)
    }

    /// All workers.
    pub fn ids(&self) -> impl Iterator<Item = SeatId> {
        let seated =
            |(seat, occupant): (usize, &Option<Seat>)| Some(SeatId { seat, birth: occupant.as_ref()?.birth });
        self.seats.iter().enumerate().filter_map(seated)
    }

    /// How far a worker is.
    pub fn phase(&self, id: SeatId) -> Option<Phase> {
        Some(self.get(id)?.phase)
    }

    /// Workers that take tasks or will.
    pub fn alive(&self) -> usize {
        let stays = |seat: &&Seat| !matches!(seat.phase, Phase::Leaving | Phase::Ending);
        self.seats.iter().flatten().filter(stays).count()
    }

    /// Workers that take tasks.
    pub fn ready(&self) -> usize {
        self.seats.iter().flatten().filter(|seat| seat.phase == Phase::Ready).count()
    }

    /// Workers that take tasks, those included that are asked for a sign of life.
    pub fn serving(&self) -> usize {
        let serves = |seat: &&Seat| matches!(seat.phase, Phase::Ready | Phase::Silent(_));
        self.seats.iter().flatten().filter(serves).count()
    }

    /// Whether there is a worker that waits to take another's place.
    pub fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// A worker waits to take another's place.
    pub fn set_spare(&mut self, id: SeatId) {
        let Some(seat) = self.get_mut(id) else { return };
        seat.phase = Phase::Spare;
        self.spare.push(id);
    }

    /// The one that has waited for the longest takes tasks from now on.
    pub fn promote_spare(&mut self) {
        if !self.spare.is_empty() {
            let id = self.spare.remove(0);
            self.set_ready(id);
        }
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.seats.iter().all(Option::is_none)
    }

    /// It is ready for tasks.
    pub fn set_ready(&mut self, id: SeatId) {
        let Some(seat) = self.get_mut(id) else { return };
        seat.phase = Phase::Ready;
        if seat.flight.is_empty() && !self.idle.contains(&id) {
            self.idle.push(id);
        }
    }

    /// It is no longer (silent or killed).
    pub fn set_unready(&mut self, id: SeatId, phase: Phase) {
        let Some(seat) = self.get_mut(id) else { return };
        seat.phase = phase;
        self.idle.retain(|idle| *idle != id);
        self.spare.retain(|spare| *spare != id);
    }

    /// Whether any worker could take some task now.
    pub fn has_room(&self, now: Instant) -> bool {
        !self.idle.is_empty() || self.seats.iter().flatten().any(|seat| seat.takes_more(now))
    }

    /// Gives a task to a worker: an idle one, else behind a quick head if the task is quick and small. A tiny
    /// task goes behind other tiny ones even so: to wake another worker would take longer than they do.
    #[expect(
        clippy::result_large_err,
        reason = "what comes back is the task itself; a box for each costs more"
    )]
    pub fn place(&mut self, task: Task, now: Instant) -> Result<SeatId, Task> {
        let Some(id) = self.choose(&task, now) else { return Err(task) };
        self.idle.retain(|idle| *idle != id);
        let Some(seat) = self.get_mut(id) else { return Err(task) };
        if seat.flight.is_empty() {
            seat.head_since = now;
            seat.next_look = now;
            seat.overrun_from = None;
        }
        let expected = if task.fits_packet() { task.expected() } else { None };
        seat.expected = seat.expected.zip(expected).map(|(flight, task)| flight + task);
        seat.flight.push_back(task);
        Ok(id)
    }

    /// Whether some worker would take this task now.
    pub fn would_take(&self, task: &Task, now: Instant) -> bool {
        self.choose(task, now).is_some()
    }

    fn choose(&self, task: &Task, now: Instant) -> Option<SeatId> {
        let tiny = if task.is_tiny() { self.shortest_flight(task, now, FLIGHT_TINY_MAX) } else { None };
        let idle = tiny.or_else(|| self.idle.last().copied());
        idle.or_else(|| self.shortest_flight(task, now, FLIGHT_EXPECTED_MAX))
    }

    fn shortest_flight(&self, task: &Task, now: Instant, expected_max: Duration) -> Option<SeatId> {
        let expected = task.expected().filter(|_| task.fits_packet())?;
        let fits = |seat: &Seat| {
            let total = seat.expected.map(|flight| flight + expected);
            !seat.flight.is_empty()
                && seat.takes_more(now)
                && total.is_some_and(|total| total <= expected_max)
        };
        let seats = self.seats.iter().enumerate().filter_map(|(index, seat)| Some((index, seat.as_ref()?)));
        let (index, seat) = seats.filter(|(_, seat)| fits(seat)).min_by_key(|(_, seat)| seat.flight.len())?;
        Some(SeatId { seat: index, birth: seat.birth })
    }

    /// The newest task of a flight could not be written after all.
    pub fn unplace(&mut self, id: SeatId) -> Option<Task> {
        let seat = self.get_mut(id)?;
        let task = seat.flight.pop_back()?;
        seat.settle();
        self.after_removal(id);
        Some(task)
    }

    /// A worker answered its head. `None` if that was not its head.
    pub fn answered(&mut self, id: SeatId, sequence: u64, now: Instant) -> Option<Task> {
        let seat = self.get_mut(id)?;
        if seat.flight.front()?.sequence != sequence {
            return None;
        }
        let task = seat.flight.pop_front()?;
        seat.head_since = now;
        seat.next_look = now;
        seat.budget = seat.budget.map(|budget| budget.saturating_sub(1));
        seat.overrun_from = None;
        seat.unlooked = true;
        seat.settle();
        self.after_removal(id);
        Some(task)
    }

    /// An idle worker is asked, once, to look what its last task has left.
    pub fn take_look(&mut self, id: SeatId) -> bool {
        let looks = self.looks;
        let idles = |seat: &&mut Seat| looks && seat.phase == Phase::Ready && seat.flight.is_empty();
        self.get_mut(id).filter(idles).is_some_and(|seat| std::mem::take(&mut seat.unlooked))
    }

    /// Whether a worker has run all the tasks that it may.
    pub fn is_spent(&self, id: SeatId) -> bool {
        self.get(id).is_some_and(|seat| seat.budget == Some(0))
    }

    /// So many workers that take tasks, those first that are missed least: silent, idle, then with little to do.
    pub fn most_dispensable_serving(&self, count: usize) -> Vec<SeatId> {
        self.most_dispensable(count, |phase| matches!(phase, Phase::Ready | Phase::Silent(_)))
    }

    /// So many of the others: those that are not ready yet, then those that only wait for a place.
    pub fn most_dispensable_others(&self, count: usize) -> Vec<SeatId> {
        self.most_dispensable(count, |phase| matches!(phase, Phase::Starting(_) | Phase::Spare))
    }

    fn most_dispensable(&self, count: usize, is_such: impl Fn(Phase) -> bool) -> Vec<SeatId> {
        if count == 0 {
            return Vec::new();
        }
        let mut ids: Vec<SeatId> = self.ids().filter(|id| self.phase(*id).is_some_and(&is_such)).collect();
        let is_ready = |id| matches!(self.phase(id), Some(Phase::Ready | Phase::Spare));
        ids.sort_by_key(|id| (is_ready(*id), self.flight(*id).count()));
        ids.truncate(count);
        ids
    }

    /// Tasks that were read back from a worker's pipe leave its flight, oldest first; `true` if the head was
    /// among them.
    pub fn take_back(&mut self, id: SeatId, sequences: &[u64]) -> (Vec<Task>, bool) {
        let Some(seat) = self.get_mut(id) else { return (Vec::new(), false) };
        let head = seat.flight.front().is_some_and(|head| sequences.contains(&head.sequence));
        let (taken, kept) =
            std::mem::take(&mut seat.flight).into_iter().partition(|task| sequences.contains(&task.sequence));
        seat.flight = kept;
        seat.settle();
        let taken: VecDeque<Task> = taken;
        self.after_removal(id);
        (taken.into(), head)
    }

    fn after_removal(&mut self, id: SeatId) {
        let free = self.get(id).is_some_and(|seat| seat.phase == Phase::Ready && seat.flight.is_empty());
        if free && !self.idle.contains(&id) {
            self.idle.push(id);
        }
    }

    /// How long a worker's head has been that.
    pub fn head_age(&self, id: SeatId, now: Instant) -> Duration {
        self.get(id).map_or(Duration::ZERO, |seat| now.saturating_duration_since(seat.head_since))
    }

    /// The tasks of a worker, head first.
    pub fn flight(&self, id: SeatId) -> impl Iterator<Item = &Task> {
        self.get(id).into_iter().flat_map(|seat| &seat.flight)
    }

    /// The head of a flight.
    pub fn head_mut(&mut self, id: SeatId) -> Option<&mut Task> {
        self.get_mut(id)?.flight.front_mut()
    }

    /// Workers in whose pipes tasks of less than this priority wait.
    pub fn waiting_below(&self, priority: i8) -> Vec<SeatId> {
        let below = |task: &Task| task.record.new.terms.priority < priority;
        self.ids().filter(|id| self.flight(*id).skip(1).any(below)).collect()
    }

    /// Workers that have a task of this job.
    pub fn holders(&self, job: u64) -> Vec<SeatId> {
        self.ids().filter(|id| self.flight(*id).any(|task| task.job == job)).collect()
    }

    /// A worker whose pipe should be looked at: its head is old, and either somebody idles or it should have
    /// been read long ago.
    pub fn overdue(&mut self, now: Instant) -> Option<SeatId> {
        let id = self
            .ids()
            .find(|id| self.get(*id).and_then(|seat| self.check_at(seat)).is_some_and(|at| at <= now))?;
        self.get_mut(id)?.next_look = now + LOOK_AGAIN;
        Some(id)
    }

    /// When [`Roster::overdue`] or [`Roster::expired`] may find something.
    pub fn next_check(&self) -> Option<Instant> {
        let checks = self.seats.iter().flatten().filter_map(|seat| self.check_at(seat));
        let own = |seat: &Seat| seat.deadline().into_iter().chain(seat.overrun_at()).min();
        checks.chain(self.seats.iter().flatten().filter_map(own)).min()
    }

    fn check_at(&self, seat: &Seat) -> Option<Instant> {
        if self.looks && seat.unlooked && seat.phase == Phase::Ready && seat.flight.is_empty() {
            return Some(seat.head_since + IDLE_LOOK);
        }
        // One that leaves may stand still in the middle of a large task.
        if !matches!(seat.phase, Phase::Ready | Phase::Leaving) || seat.flight.is_empty() {
            return None;
        }
        let patience = if self.idle.is_empty() { HEAD_UNREAD } else { HEAD_QUICK };
        Some((seat.head_since + patience).max(seat.next_look))
    }

    /// A worker whose head has run for longer than it may.
    pub fn overrun(&self, now: Instant) -> Option<SeatId> {
        self.ids().find(|id| self.get(*id).and_then(Seat::overrun_at).is_some_and(|at| at <= now))
    }

    /// Its head is looked at again then.
    pub fn look_again(&mut self, id: SeatId, at: Instant) {
        if let Some(seat) = self.get_mut(id) {
            seat.overrun_from = Some(at);
        }
    }

    /// A worker that did not become ready, or did not answer a ping, in time.
    pub fn expired(&self, now: Instant) -> Option<SeatId> {
        self.ids().find(|id| self.get(*id).and_then(Seat::deadline).is_some_and(|at| at <= now))
    }
}

impl Seat {
    fn takes_more(&self, now: Instant) -> bool {
        self.phase == Phase::Ready
            && self.flight.len() < FLIGHT_MAX
            && self.budget.is_none_or(|budget| (self.flight.len() as u64) < budget)
            && self.expected.is_some_and(|expected| expected < FLIGHT_EXPECTED_MAX)
            && now.saturating_duration_since(self.head_since) < HEAD_QUICK
    }

    /// When the head's time is over.
    fn overrun_at(&self) -> Option<Instant> {
        let may_run = self.flight.front()?.record.new.terms.run_timeout?;
        let killed = matches!(self.phase, Phase::Ending);
        (!killed).then(|| self.overrun_from.unwrap_or(self.head_since + may_run))
    }

    /// The expected time of what is left.
    fn settle(&mut self) {
        let expected = |task: &Task| if task.fits_packet() { task.expected() } else { None };
        self.expected = self.flight.iter().map(expected).sum::<Option<Duration>>();
    }

    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Starting(at) | Phase::Silent(at) => Some(at),
            Phase::Ready | Phase::Spare | Phase::Leaving | Phase::Ending => None,
        }
    }
}

#[cfg(test)]
mod tests;
