//! `Lock`, `RLock`, `Semaphore`, `BoundedSemaphore`, and what conditions and shared memory share with them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::address::HolderId;
use super::arguments::Arguments;
use super::catalog::LEASE_MIN;
use super::error::{ErrorCode, ObjectError};
use super::permits::{Grant, Permits, Rule};
use super::shared_object::{Context, Invocation, Members, MethodOutcome, SharedObject};
use super::wait_queue::{Reply, Ticket, Undo};

#[derive(Debug)]
pub(super) struct Lock(Permits<()>);

impl Lock {
    pub fn new(rule: Rule, arguments: &Arguments) -> Self {
        let value = arguments.count("value").unwrap_or(1);
        Self(Permits::new(rule, value as u64))
    }

    fn settle(&mut self, context: Context<'_>) {
        while let Some((slot, (), grant)) = self.0.next(context) {
            slot.fill(Ok(acquired(grant)));
        }
    }
}

/// The answer of an acquire that has it.
pub(super) fn acquired(grant: Grant) -> (Bytes, Option<Undo>) {
    let Grant { token, recovered } = grant;
    let text = format!("{{\"acquired\":true,\"token\":{token},\"recovered\":{recovered}}}");
    (text.into(), Some(Undo::Hold { token, depth: 1, recovered }))
}

/// The answer of one that doesn't.
pub(super) fn not_acquired() -> Bytes {
    Bytes::from_static(b"{\"acquired\":false}")
}

/// `acquire`, for whatever has permits.
pub(super) fn acquire<P>(
    permits: &mut Permits<P>,
    purpose: P,
    invocation: &Invocation<'_>,
) -> Result<MethodOutcome, ObjectError> {
    let patience = invocation.patience()?;
    let lease = lease(invocation)?;
    permits.check_owner(invocation.caller)?;
    if let Some(grant) = permits.take(invocation.caller, lease, invocation.context) {
        let (text, undo) = acquired(grant);
        return Ok(MethodOutcome::Done(text, undo));
    }
    if patience.is_some_and(|time| time.is_zero()) {
        return Ok(MethodOutcome::text(not_acquired()));
    }
    permits.wait(invocation, lease, purpose, patience)
}

/// One of no length would be over before its answer is read.
fn lease(invocation: &Invocation<'_>) -> Result<Option<Duration>, ObjectError> {
    let lease = invocation.seconds("lease")?;
    if lease.is_some_and(|lease| lease < LEASE_MIN) {
        let detail = format!("lease must be at least {} seconds", LEASE_MIN.as_secs_f64());
        return Err(ObjectError::invalid("lease", detail));
    }
    Ok(lease)
}

/// `release`, likewise.
pub(super) fn release<P>(
    permits: &mut Permits<P>,
    invocation: &Invocation<'_>,
) -> Result<MethodOutcome, ObjectError> {
    permits.check_owner(invocation.caller)?;
    let token = invocation.arguments.integer("token").map(|token| u64::try_from(token).unwrap_or(0));
    permits.release(invocation.caller, token)?;
    Ok(MethodOutcome::null())
}

/// `renew`, likewise.
pub(super) fn renew<P>(
    permits: &mut Permits<P>,
    invocation: &Invocation<'_>,
) -> Result<MethodOutcome, ObjectError> {
    let token =
        invocation.arguments.integer("token").and_then(|token| u64::try_from(token).ok()).unwrap_or(0);
    let lease = permits.renew(token, lease(invocation)?, invocation.context.now)?;
    Ok(MethodOutcome::text(format!("{{\"token\":{token},\"lease\":{}}}", seconds_text(lease))))
}

/// Seconds as JSON.
pub(super) fn seconds_text(duration: Duration) -> String {
    serde_json::to_string(&duration.as_secs_f64()).unwrap_or_default()
}

impl SharedObject for Lock {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let permits = &mut self.0;
        let outcome = match method {
            "acquire" => acquire(permits, (), invocation),
            "release" => release(permits, invocation),
            "renew" => renew(permits, invocation),
            "locked" => Ok(MethodOutcome::bool(permits.free() == 0)),
            "get_value" => Ok(MethodOutcome::text(permits.free().to_string())),
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        };
        self.settle(invocation.context);
        outcome
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        self.0.remove(ticket).map(|_| Ok((not_acquired(), None)))
    }

    fn withdraw(&mut self, ticket: Ticket, _: Context<'_>) {
        self.0.remove(ticket);
    }

    fn undo(&mut self, undo: Undo, context: Context<'_>) {
        if let Undo::Hold { token, depth, recovered } = undo {
            self.0.give_back(token, depth, recovered);
            self.settle(context);
        }
    }

    fn died(&mut self, holder: HolderId, context: Context<'_>) {
        self.0.waiting().take_if(|waiter| waiter.holder == Some(holder));
        self.0.died(holder);
        self.settle(context);
    }

    fn is_held(&self) -> bool {
        true
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        self.0.waiting().end_if(reply, |waiter| !over_http_only || waiter.holder.is_none());
    }

    fn show(&self, _: bool, out: &mut Members) -> Result<(), ObjectError> {
        self.0.show(out);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn due(&self) -> Option<Instant> {
        self.0.due()
    }

    fn expire(&mut self, context: Context<'_>) {
        self.0.expire(context.now);
        self.settle(context);
    }
}
