//! `Barrier`: the last to come lets all go. What breaks it breaks it for all.

use std::time::Duration;

use super::address::HolderId;
use super::arguments::Arguments;
use super::error::{ErrorCode, ObjectError};
use super::lock::seconds_text;
use super::quota::WAITER_BYTES;
use super::shared_object::{Context, Invocation, Members, MethodOutcome, SharedObject};
use super::wait_queue::{Reply, Ticket, WaitQueue};

#[derive(Debug)]
pub(super) struct Barrier {
    parties: usize,
    timeout: Option<Duration>,
    broken: bool,
    waiting: WaitQueue<()>,
}

impl Barrier {
    pub fn new(arguments: &Arguments, timeout_max: Duration) -> Result<Self, ObjectError> {
        let parties = arguments.count("parties").unwrap_or(1);
        let timeout = arguments.seconds("timeout", Some(timeout_max))?;
        Ok(Self { parties, timeout, broken: false, waiting: WaitQueue::default() })
    }

    fn wait(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let patience = invocation.patience()?.or(self.timeout);
        if self.broken {
            return Err(ObjectError::broken_barrier());
        }
        if self.waiting.len() + 1 < self.parties {
            if patience.is_some_and(|time| time.is_zero()) {
                self.break_it();
                return Err(ObjectError::broken_barrier());
            }
            return invocation.wait(&mut self.waiting, (), patience);
        }
        // Those who came before have the numbers before.
        let mut index = 0;
        while let Some(waiter) = self.waiting.first() {
            waiter.slot.fill(Ok((index.to_string().into(), None)));
            index += 1;
        }
        Ok(MethodOutcome::number(index))
    }

    fn break_it(&mut self) {
        self.broken = true;
        self.waiting.end_all(&Err(ObjectError::broken_barrier()));
    }
}

impl SharedObject for Barrier {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        match method {
            "wait" => self.wait(invocation),
            "abort" => {
                self.break_it();
                Ok(MethodOutcome::null())
            }
            "reset" => {
                self.break_it();
                self.broken = false;
                Ok(MethodOutcome::null())
            }
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        self.waiting.remove(ticket)?;
        self.break_it();
        Some(Err(ObjectError::broken_barrier()))
    }

    /// A client over HTTP may come again; a thread of a worker leaves by its end alone.
    fn withdraw(&mut self, ticket: Ticket, _: Context<'_>) {
        if self.waiting.remove(ticket).is_some_and(|waiter| waiter.holder.is_some()) {
            self.break_it();
        }
    }

    fn died(&mut self, holder: HolderId, _: Context<'_>) {
        if self.waiting.iter().any(|waiter| waiter.holder == Some(holder)) {
            self.break_it();
        }
    }

    fn is_held(&self) -> bool {
        true
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        self.waiting.end_if(reply, |waiter| !over_http_only || waiter.holder.is_none());
    }

    fn show(&self, _: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.number("parties", self.parties);
        if let Some(timeout) = self.timeout {
            out.raw("timeout", seconds_text(timeout).as_bytes());
        }
        out.number("n_waiting", self.waiting.len());
        out.bool("broken", self.broken);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.waiting.len() * WAITER_BYTES
    }
}
