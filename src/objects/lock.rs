//! `Lock`, `RLock`, `Semaphore`, `BoundedSemaphore`, and what conditions and shared memory share with them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::address::HolderId;
use super::arguments::Arguments;
use super::catalog::LEASE_MIN;
use super::error::{ErrorCode, ObjectError};
use super::line::{Outcome, Ticket, Undo};
use super::permits::{Grant, Permits, Rule};
use super::thing::{Context, Members, Step, Thing, Turn};

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
pub(super) fn acquire<P>(permits: &mut Permits<P>, purpose: P, turn: &Turn<'_>) -> Result<Step, ObjectError> {
    let patience = turn.patience()?;
    let lease = lease(turn)?;
    permits.check_owner(turn.caller)?;
    if let Some(grant) = permits.take(turn.caller, lease, turn.context) {
        let (text, undo) = acquired(grant);
        return Ok(Step::Done(text, undo));
    }
    if patience.is_some_and(|time| time.is_zero()) {
        return Ok(Step::text(not_acquired()));
    }
    permits.wait(turn, lease, purpose, patience)
}

/// One of no length would be over before its answer is read.
fn lease(turn: &Turn<'_>) -> Result<Option<Duration>, ObjectError> {
    let lease = turn.seconds("lease")?;
    if lease.is_some_and(|lease| lease < LEASE_MIN) {
        let detail = format!("lease must be at least {} seconds", LEASE_MIN.as_secs_f64());
        return Err(ObjectError::invalid("lease", detail));
    }
    Ok(lease)
}

/// `release`, likewise.
pub(super) fn release<P>(permits: &mut Permits<P>, turn: &Turn<'_>) -> Result<Step, ObjectError> {
    permits.check_owner(turn.caller)?;
    let token = turn.arguments.integer("token").map(|token| u64::try_from(token).unwrap_or(0));
    permits.release(turn.caller, token)?;
    Ok(Step::null())
}

/// `renew`, likewise.
pub(super) fn renew<P>(permits: &mut Permits<P>, turn: &Turn<'_>) -> Result<Step, ObjectError> {
    let token = turn.arguments.integer("token").and_then(|token| u64::try_from(token).ok()).unwrap_or(0);
    let lease = permits.renew(token, lease(turn)?, turn.context.now)?;
    Ok(Step::text(format!("{{\"token\":{token},\"lease\":{}}}", seconds_text(lease))))
}

/// Seconds as JSON.
pub(super) fn seconds_text(duration: Duration) -> String {
    serde_json::to_string(&duration.as_secs_f64()).unwrap_or_default()
}

impl Thing for Lock {
    fn call(&mut self, method: &str, turn: &Turn<'_>) -> Result<Step, ObjectError> {
        let permits = &mut self.0;
        let step = match method {
            "acquire" => acquire(permits, (), turn),
            "release" => release(permits, turn),
            "renew" => renew(permits, turn),
            "locked" => Ok(Step::bool(permits.free() == 0)),
            "get_value" => Ok(Step::text(permits.free().to_string())),
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        };
        self.settle(turn.context);
        step
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Outcome> {
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
        self.0.line().take_if(|waiter| waiter.holder == Some(holder));
        self.0.died(holder);
        self.settle(context);
    }

    fn is_held(&self) -> bool {
        true
    }

    fn end_waits(&mut self, outcome: &Outcome, over_http_only: bool) {
        self.0.line().end_if(outcome, |waiter| !over_http_only || waiter.holder.is_none());
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
