//! Holds on what there is a number of: one for a lock, some for a semaphore.
//!
//! Each hold has a token that is greater than every token before it. A hold ends by a release, by the death of its
//! process or by the end of its lease; after the latter two the next to get the permit is told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::{HolderId, ObjectCaller};
use super::error::{ErrorCode, ObjectError};
use super::quota::WAITER_BYTES;
use super::shared_object::{Context, Invocation, Members};
use super::wait_queue::{Ticket, WaitQueue, WaitSlot, Waiter};

/// Most free permits, as the library's `SEM_VALUE_MAX`.
const FREE_MAX: u64 = 2_147_483_647;
/// Counted for each hold.
const HOLD_BYTES: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// One; anyone may release.
    Lock,
    /// One, for an owner, who may take it again.
    Owned,
    /// Some; released without bound.
    Semaphore,
    /// Some; never more than at first.
    Bounded,
}

#[derive(Debug)]
struct Hold {
    token: u64,
    caller: ObjectCaller,
    depth: u32,
    lease: Option<Duration>,
    until: Option<Instant>,
}

/// What a waiting call wants.
#[derive(Debug)]
pub(super) struct Want<P> {
    pub caller: ObjectCaller,
    pub lease: Option<Duration>,
    pub depth: u32,
    pub purpose: P,
}

/// A hold just begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    pub token: u64,
    pub recovered: bool,
}

/// A hold put down, to be taken up again.
#[derive(Debug)]
pub(super) struct PutDown {
    pub depth: u32,
    pub lease: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Permits<P> {
    rule: Rule,
    at_first: u64,
    free: u64,
    /// In the order of their tokens: the oldest first.
    holds: VecDeque<Hold>,
    /// When the leases among them end, and their tokens.
    leases: BTreeSet<(Instant, u64)>,
    waiting: WaitQueue<Want<P>>,
    /// How often a permit came back without a release, and nobody has been told yet.
    recovered: u64,
}

fn is_same(one: &ObjectCaller, other: &ObjectCaller) -> bool {
    one.owner.is_some() && one.owner == other.owner && one.holder == other.holder
}

impl<P> Permits<P> {
    pub fn new(rule: Rule, at_first: u64) -> Self {
        Self {
            rule,
            at_first,
            free: at_first,
            holds: VecDeque::new(),
            leases: BTreeSet::new(),
            waiting: WaitQueue::default(),
            recovered: 0,
        }
    }

    /// An owned lock needs to know whose it is.
    pub fn check_owner(&self, caller: &ObjectCaller) -> Result<(), ObjectError> {
        if self.rule != Rule::Owned || caller.owner.is_some() {
            return Ok(());
        }
        let detail = "the member owner is missing: any string that tells this client from others";
        Err(ObjectError::invalid("owner", detail))
    }

    /// Takes a permit at once, if that can be.
    pub fn take(
        &mut self,
        caller: &ObjectCaller,
        lease: Option<Duration>,
        context: Context<'_>,
    ) -> Option<Grant> {
        if self.rule == Rule::Owned
            && let Some(at) = self.own(caller)
        {
            if let Some(lease) = lease {
                self.set_lease(at, lease, context.now);
            }
            let hold = self.holds.get_mut(at)?;
            hold.depth = hold.depth.saturating_add(1);
            return Some(Grant { token: hold.token, recovered: false });
        }
        (self.free > 0).then(|| self.begin(caller.clone(), lease, 1, context))
    }

    fn begin(
        &mut self,
        caller: ObjectCaller,
        lease: Option<Duration>,
        depth: u32,
        context: Context<'_>,
    ) -> Grant {
        let token = context.numbers.token();
        self.free -= 1;
        let recovered = self.recovered > 0;
        self.recovered -= u64::from(recovered);
        self.holds.push_back(Hold { token, caller, depth, lease: None, until: None });
        if let Some(lease) = lease {
            self.set_lease(self.holds.len() - 1, lease, context.now);
        }
        Grant { token, recovered }
    }

    fn set_lease(&mut self, at: usize, lease: Duration, now: Instant) {
        let Some(hold) = self.holds.get_mut(at) else { return };
        let until = now + lease;
        if let Some(before) = hold.until.replace(until) {
            self.leases.remove(&(before, hold.token));
        }
        hold.lease = Some(lease);
        self.leases.insert((until, hold.token));
    }

    fn remove_hold(&mut self, at: usize) -> Option<Hold> {
        let hold = self.holds.remove(at)?;
        if let Some(until) = hold.until {
            self.leases.remove(&(until, hold.token));
        }
        self.free += 1;
        Some(hold)
    }

    fn of_token(&self, token: u64) -> Option<usize> {
        self.holds.binary_search_by_key(&token, |hold| hold.token).ok()
    }

    /// A caller's own; who gives no name has none.
    fn own(&self, caller: &ObjectCaller) -> Option<usize> {
        caller.owner.as_ref()?;
        self.holds.iter().position(|hold| is_same(&hold.caller, caller))
    }

    /// Waits for a permit.
    pub fn wait(
        &mut self,
        invocation: &Invocation<'_>,
        lease: Option<Duration>,
        purpose: P,
        timeout: Option<Duration>,
    ) -> Result<super::shared_object::MethodOutcome, ObjectError> {
        invocation.wait(
            &mut self.waiting,
            Want { caller: invocation.caller.clone(), lease, depth: 1, purpose },
            timeout,
        )
    }

    /// Lines up somebody who waited for something else until now.
    pub fn queue(&mut self, ticket: Ticket, slot: Arc<WaitSlot>, want: Want<P>) {
        let holder = want.caller.holder;
        self.waiting.push(ticket, Waiter { slot, holder, wants: want });
    }

    /// The next in line gets a permit, if there is one.
    pub fn next(&mut self, context: Context<'_>) -> Option<(Arc<WaitSlot>, P, Grant)> {
        if self.free == 0 {
            return None;
        }
        let Waiter { slot, wants, .. } = self.waiting.first()?;
        let grant = self.begin(wants.caller, wants.lease, wants.depth, context);
        Some((slot, wants.purpose, grant))
    }

    /// `release`.
    pub fn release(&mut self, caller: &ObjectCaller, token: Option<u64>) -> Result<(), ObjectError> {
        if let Some(token) = token
            && self.of_token(token).is_none()
        {
            return Err(stale());
        }
        let chosen = match (self.rule, token) {
            (Rule::Owned, token) => {
                let own =
                    self.own(caller).filter(|at| token.is_none_or(|token| self.holds[*at].token == token));
                Some(own.ok_or_else(not_owner)?)
            }
            (_, Some(token)) => self.of_token(token),
            (_, None) => self.oldest_of(caller),
        };
        match chosen {
            Some(at) => self.let_go(at, 1),
            None => self.add_one()?,
        }
        Ok(())
    }

    /// Anyone may release: best their own hold, else one that no living process answers for.
    fn oldest_of(&self, caller: &ObjectCaller) -> Option<usize> {
        let holds = &self.holds;
        let own = self.own(caller).or_else(|| {
            let holder = caller.holder?;
            holds.iter().position(|hold| hold.caller.holder == Some(holder))
        });
        let own = own.or_else(|| holds.iter().position(|hold| hold.caller.holder.is_none()));
        own.or(if holds.is_empty() { None } else { Some(0) })
    }

    /// A release without an acquire.
    fn add_one(&mut self) -> Result<(), ObjectError> {
        let most = if self.rule == Rule::Semaphore { FREE_MAX } else { self.at_first };
        if self.free >= most {
            let message = "semaphore or lock released too many times";
            return Err(ObjectError::new(
                ErrorCode::OverRelease,
                "it is released more often than it was acquired",
            )
            .of_exception("ValueError", message));
        }
        self.free += 1;
        Ok(())
    }

    fn let_go(&mut self, at: usize, times: u32) {
        let Some(hold) = self.holds.get_mut(at) else { return };
        hold.depth = hold.depth.saturating_sub(times);
        if hold.depth == 0 {
            self.remove_hold(at);
        }
    }

    /// A hold whose call has left. What that would have been told (`recovered`), the next one is.
    pub fn give_back(&mut self, token: u64, depth: u32, recovered: bool) {
        if let Some(at) = self.of_token(token) {
            self.let_go(at, depth);
            self.leave_untold(recovered);
        }
    }

    /// Who got a permit that had come back without a release was not told.
    pub fn leave_untold(&mut self, recovered: bool) {
        self.recovered += u64::from(recovered);
    }

    /// Ends a caller's own hold, whatever its depth.
    pub fn put_down(&mut self, caller: &ObjectCaller) -> Option<PutDown> {
        let hold = self.own(caller).and_then(|at| self.remove_hold(at))?;
        Some(PutDown { depth: hold.depth, lease: hold.lease })
    }

    /// Whether it is this caller's.
    pub fn is_mine(&self, caller: &ObjectCaller) -> bool {
        self.own(caller).is_some()
    }

    /// `renew`.
    pub fn renew(
        &mut self,
        token: u64,
        lease: Option<Duration>,
        now: Instant,
    ) -> Result<Duration, ObjectError> {
        let at = self.of_token(token).ok_or_else(stale)?;
        let Some(lease) = lease.or(self.holds[at].lease) else {
            return Err(ObjectError::invalid("lease", "the hold has no lease yet: say how many seconds"));
        };
        self.set_lease(at, lease, now);
        Ok(lease)
    }

    /// A process has died: its holds end.
    pub fn died(&mut self, holder: HolderId) {
        let before = self.holds.len();
        let leases = &mut self.leases;
        self.holds.retain(|hold| {
            let lost = hold.caller.holder == Some(holder);
            if let (true, Some(until)) = (lost, hold.until) {
                leases.remove(&(until, hold.token));
            }
            !lost
        });
        let lost = (before - self.holds.len()) as u64;
        self.free += lost;
        self.recovered += lost;
    }

    /// Leases that are over end their holds.
    pub fn expire(&mut self, now: Instant) {
        while self.due().is_some_and(|until| until <= now)
            && let Some((_, token)) = self.leases.pop_first()
        {
            let lost = self.of_token(token).and_then(|at| self.remove_hold(at));
            self.recovered += u64::from(lost.is_some());
        }
    }

    pub fn due(&self) -> Option<Instant> {
        self.leases.first().map(|(until, _)| *until)
    }

    pub fn free(&self) -> u64 {
        self.free
    }

    pub fn remove(&mut self, ticket: Ticket) -> Option<Want<P>> {
        self.waiting.remove(ticket).map(|waiter| waiter.wants)
    }

    pub fn waiting(&mut self) -> &mut WaitQueue<Want<P>> {
        &mut self.waiting
    }

    pub fn bytes(&self) -> usize {
        self.waiting.len() * WAITER_BYTES + self.holds.len() * HOLD_BYTES
    }

    /// Who has it, of those that one can have.
    pub fn show(&self, out: &mut Members) {
        match self.rule {
            Rule::Lock | Rule::Owned => out.bool("locked", self.free == 0),
            Rule::Semaphore | Rule::Bounded => {
                out.raw("value", self.at_first.to_string().as_bytes());
                out.raw("free", self.free.to_string().as_bytes());
            }
        }
        out.number("waiting", self.waiting.len());
        if let (Rule::Owned, Some(hold)) = (self.rule, self.holds.front()) {
            if let Some(owner) = &hold.caller.owner {
                out.text("owner", owner);
            }
            out.raw("depth", hold.depth.to_string().as_bytes());
        }
    }
}

pub(super) fn stale() -> ObjectError {
    let detail = "the hold that the token names is over (released, or its lease ended); acquire it anew";
    ObjectError::new(ErrorCode::StaleToken, detail)
}

pub(super) fn not_owner() -> ObjectError {
    let message = "attempt to release recursive lock not owned by thread";
    ObjectError::new(ErrorCode::NotOwner, "this owner does not hold it; nothing was released")
        .of_exception("AssertionError", message)
}
