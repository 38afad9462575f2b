//! `Condition`: a lock of its own, and those who sleep until they are notified.
//!
//! Who is notified lines up for the lock and has his answer once he holds it again, as deep as before.

use std::time::Instant;

use super::address::{HolderId, ObjectCaller};
use super::error::{ErrorCode, ObjectError};
use super::lock::{acquire, acquired, not_acquired, release, renew};
use super::permits::{Grant, Permits, PutDown, Rule, Want, not_owner};
use super::quota::WAITER_BYTES;
use super::shared_object::{Context, Invocation, Members, MethodOutcome, SharedObject, truth_text};
use super::wait_queue::{Reply, Ticket, Undo, WaitQueue};

/// What the lock is waited for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Acquire,
    /// To wake up: whether by a notify, and how deep.
    WakeUp {
        notified: bool,
        depth: u32,
    },
}

#[derive(Debug)]
struct Sleeper {
    caller: ObjectCaller,
    put_down: PutDown,
}

#[derive(Debug)]
pub(super) struct Condition {
    lock: Permits<Purpose>,
    sleepers: WaitQueue<Sleeper>,
}

impl Condition {
    pub fn new() -> Self {
        Self { lock: Permits::new(Rule::Owned, 1), sleepers: WaitQueue::default() }
    }

    fn settle(&mut self, context: Context<'_>) {
        while let Some((slot, purpose, grant)) = self.lock.next(context) {
            slot.fill(Ok(match purpose {
                Purpose::Acquire => acquired(grant),
                Purpose::WakeUp { notified, depth } => {
                    let Grant { token, recovered } = grant;
                    // A wait can't be told that the lock had come back; the next to acquire is.
                    self.lock.leave_untold(recovered);
                    (truth_text(notified), Some(Undo::Woken { token, depth, notified }))
                }
            }));
        }
    }

    fn check_mine(&self, invocation: &Invocation<'_>, message: &str) -> Result<(), ObjectError> {
        self.lock.check_owner(invocation.caller)?;
        if self.lock.is_mine(invocation.caller) { Ok(()) } else { Err(not_mine(message)) }
    }

    fn wait(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let patience = invocation.patience()?;
        self.check_mine(invocation, "must acquire() condition before using wait()")?;
        invocation.charge_wait()?;
        let put_down = self.lock.put_down(invocation.caller).ok_or_else(not_owner)?;
        let sleeper = Sleeper { caller: invocation.caller.clone(), put_down };
        Ok(invocation.enqueue(&mut self.sleepers, sleeper, patience))
    }

    /// Wakes so many: they line up for the lock.
    fn notify(&mut self, count: usize) {
        let mut left = count;
        let woken = self.sleepers.take_if(|_| {
            let chosen = left > 0;
            left = left.saturating_sub(1);
            chosen
        });
        for (ticket, sleeper) in woken {
            self.wake(ticket, sleeper, true);
        }
    }

    /// A notification doesn't leave with who had it: it goes to another one.
    fn pass_on<'a>(&mut self, left: impl IntoIterator<Item = &'a Purpose>) {
        let notified = |purpose: &&Purpose| matches!(purpose, Purpose::WakeUp { notified: true, .. });
        self.notify(left.into_iter().filter(notified).count());
    }

    fn wake(&mut self, ticket: Ticket, waiter: super::wait_queue::Waiter<Sleeper>, notified: bool) {
        let Sleeper { caller, put_down: PutDown { depth, lease } } = waiter.wants;
        let purpose = Purpose::WakeUp { notified, depth };
        self.lock.queue(ticket, waiter.slot, Want { caller, lease, depth, purpose });
    }
}

fn not_mine(message: &str) -> ObjectError {
    ObjectError::new(ErrorCode::NotOwner, "this owner does not hold the condition; acquire it first")
        .of_exception("AssertionError", message)
}

impl SharedObject for Condition {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let outcome = match method {
            "acquire" => acquire(&mut self.lock, Purpose::Acquire, invocation),
            "release" => release(&mut self.lock, invocation),
            "renew" => renew(&mut self.lock, invocation),
            "wait" => self.wait(invocation),
            "notify" => {
                let count = invocation.arguments.integer("n").unwrap_or(1);
                self.check_mine(invocation, "lock is not owned").map(|()| {
                    self.notify(usize::try_from(count).unwrap_or(0));
                    MethodOutcome::null()
                })
            }
            "notify_all" => self.check_mine(invocation, "lock is not owned").map(|()| {
                self.notify(usize::MAX);
                MethodOutcome::null()
            }),
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        };
        self.settle(invocation.context);
        outcome
    }

    fn late(&mut self, ticket: Ticket, context: Context<'_>) -> Option<Reply> {
        if let Some(sleeper) = self.sleepers.remove(ticket) {
            self.wake(ticket, sleeper, false);
            self.settle(context);
            return None;
        }
        let purpose = self.lock.remove(ticket)?.purpose;
        self.pass_on([&purpose]);
        self.settle(context);
        Some(match purpose {
            Purpose::Acquire => Ok((not_acquired(), None)),
            Purpose::WakeUp { .. } => {
                let detail = "the wait is over, but somebody else held the condition all the time: this owner does \
                              not hold it; acquire it again";
                Err(ObjectError::new(ErrorCode::NotOwner, detail))
            }
        })
    }

    fn withdraw(&mut self, ticket: Ticket, context: Context<'_>) {
        if self.sleepers.remove(ticket).is_none()
            && let Some(want) = self.lock.remove(ticket)
        {
            self.pass_on([&want.purpose]);
            self.settle(context);
        }
    }

    fn undo(&mut self, undo: Undo, context: Context<'_>) {
        match undo {
            Undo::Hold { token, depth, recovered } => self.lock.give_back(token, depth, recovered),
            Undo::Woken { token, depth, notified } => {
                self.lock.give_back(token, depth, false);
                self.notify(usize::from(notified));
            }
            Undo::Item { .. } => {}
        }
        self.settle(context);
    }

    fn died(&mut self, holder: HolderId, context: Context<'_>) {
        self.sleepers.take_if(|waiter| waiter.holder == Some(holder));
        let left = self.lock.waiting().take_if(|waiter| waiter.holder == Some(holder));
        self.pass_on(left.iter().map(|(_, waiter)| &waiter.wants.purpose));
        self.lock.died(holder);
        self.settle(context);
    }

    fn is_held(&self) -> bool {
        true
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        self.sleepers.end_if(reply, |waiter| !over_http_only || waiter.holder.is_none());
        let left = self.lock.waiting().take_if(|waiter| !over_http_only || waiter.holder.is_none());
        left.iter().for_each(|(_, waiter)| waiter.slot.fill(reply.clone()));
        self.pass_on(left.iter().map(|(_, waiter)| &waiter.wants.purpose));
    }

    fn show(&self, _: bool, out: &mut Members) -> Result<(), ObjectError> {
        self.lock.show(out);
        out.number("sleeping", self.sleepers.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.lock.bytes() + self.sleepers.len() * WAITER_BYTES
    }

    fn due(&self) -> Option<Instant> {
        self.lock.due()
    }

    fn expire(&mut self, context: Context<'_>) {
        self.lock.expire(context.now);
        self.settle(context);
    }
}
