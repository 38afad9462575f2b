//! `Event`.

use super::error::{ErrorCode, ObjectError};
use super::quota::WAITER_BYTES;
use super::shared_object::{Context, Invocation, Members, MethodOutcome, SharedObject, truth_text};
use super::wait_queue::{Reply, Ticket, WaitQueue};

#[derive(Debug, Default)]
pub(super) struct Event {
    is_set: bool,
    waiting: WaitQueue<()>,
}

impl SharedObject for Event {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        match method {
            "set" => {
                self.is_set = true;
                self.waiting.end_all(&Ok((truth_text(true), None)));
                Ok(MethodOutcome::null())
            }
            "clear" => {
                self.is_set = false;
                Ok(MethodOutcome::null())
            }
            "is_set" => Ok(MethodOutcome::bool(self.is_set)),
            "wait" => {
                let patience = invocation.patience()?;
                if self.is_set || patience.is_some_and(|time| time.is_zero()) {
                    return Ok(MethodOutcome::bool(self.is_set));
                }
                invocation.wait(&mut self.waiting, (), patience)
            }
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        self.waiting.remove(ticket).map(|_| Ok((truth_text(false), None)))
    }

    fn withdraw(&mut self, ticket: Ticket, _: Context<'_>) {
        self.waiting.remove(ticket);
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        self.waiting.end_if(reply, |waiter| !over_http_only || waiter.holder.is_none());
    }

    fn show(&self, _: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.bool("is_set", self.is_set);
        out.number("waiting", self.waiting.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.waiting.len() * WAITER_BYTES
    }
}
