//! `Value`.

use std::time::Instant;

use super::SharedMemory;
use super::locked::Locked;
use super::typecode::{Amount, Typecode};
use crate::objects::address::HolderId;
use crate::objects::arguments::Arguments;
use crate::objects::error::{ErrorCode, ObjectError};
use crate::objects::lock::{acquire, acquired, not_acquired, release, renew};
use crate::objects::shared_object::{Context, Invocation, Members, MethodOutcome, Operation, SharedObject};
use crate::objects::wait_queue::{Reply, Ticket, Undo};

/// What the lock is waited for.
#[derive(Debug)]
enum Purpose {
    Acquire,
    Add(Amount),
}

#[derive(Debug)]
pub(in crate::objects) struct SharedValue(Locked<Purpose>);

impl SharedValue {
    pub fn new(arguments: &Arguments) -> Result<Self, ObjectError> {
        let typecode = Typecode::read(arguments.text("typecode")?.as_deref())?;
        let bits = match arguments.raw("value") {
            Some(value) => {
                typecode.bits(value).map_err(|error| ObjectError::invalid("value", error.detail))?
            }
            None => 0,
        };
        // What could not be shown is not made.
        typecode.check(bits)?;
        let shared = Locked::new(typecode, 1)?;
        shared.store(0, bits);
        Ok(Self(shared))
    }

    fn settle(&mut self, context: Context<'_>) {
        while let Some((slot, purpose, grant)) = self.0.lock.next(context) {
            match purpose {
                Purpose::Acquire => slot.fill(Ok(acquired(grant))),
                Purpose::Add(amount) => {
                    slot.fill(self.0.add(0, amount).map(|text| (text.into(), None)));
                    // It can't be told that the lock had come back; the next one is.
                    self.0.lock.give_back(grant.token, 1, grant.recovered);
                }
            }
        }
    }

    fn add(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let patience = invocation.patience()?;
        // What can't be added is told at once. The number waits, not its text: that may be as long as a body.
        let amount = self.0.typecode.amount(invocation.arguments.raw("amount").unwrap_or(b"1"))?;
        if self.0.lock.free() > 0 || self.0.lock.is_mine(invocation.caller) {
            return self.0.add(0, amount).map(MethodOutcome::text);
        }
        if patience.is_some_and(|time| time.is_zero()) {
            return Err(not_had());
        }
        self.0.lock.wait(invocation, None, Purpose::Add(amount), patience)
    }
}

fn not_had() -> ObjectError {
    let detail = "the value's lock was held until the time was up; nothing was added";
    ObjectError::new(ErrorCode::ResultTimeout, detail).of_exception("TimeoutError", "")
}

impl SharedObject for SharedValue {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let outcome = match method {
            "get" => self.0.text(0).map(MethodOutcome::text),
            "set" => {
                let value = invocation.arguments.raw("value").unwrap_or_default();
                self.0.typecode.bits(value).map(|bits| {
                    self.0.store(0, bits);
                    MethodOutcome::null()
                })
            }
            "add" => self.add(invocation),
            "acquire" => acquire(&mut self.0.lock, Purpose::Acquire, invocation),
            "release" => release(&mut self.0.lock, invocation),
            "renew" => renew(&mut self.0.lock, invocation),
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        };
        self.settle(invocation.context);
        outcome
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        // A number may be as long as a body.
        if let Operation::Call(_, arguments) = operation { arguments.len() } else { 0 }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        self.0.lock.remove(ticket).map(|want| match want.purpose {
            Purpose::Acquire => Ok((not_acquired(), None)),
            Purpose::Add(_) => Err(not_had()),
        })
    }

    fn withdraw(&mut self, ticket: Ticket, _: Context<'_>) {
        self.0.lock.remove(ticket);
    }

    fn undo(&mut self, undo: Undo, context: Context<'_>) {
        if let Undo::Hold { token, depth, recovered } = undo {
            self.0.lock.give_back(token, depth, recovered);
            self.settle(context);
        }
    }

    fn died(&mut self, holder: HolderId, context: Context<'_>) {
        self.0.forget(holder);
        self.settle(context);
    }

    fn is_held(&self) -> bool {
        true
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        self.0.end_waits(reply, over_http_only);
    }

    fn show(&self, whole: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.text("typecode", &self.0.typecode.letter.to_string());
        match self.0.text(0) {
            Ok(value) => out.raw("value", &value),
            Err(error) if whole => return Err(error),
            // A list shows it without what JSON can't say.
            Err(_) => {}
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn due(&self) -> Option<Instant> {
        self.0.lock.due()
    }

    fn expire(&mut self, context: Context<'_>) {
        self.0.lock.expire(context.now);
        self.settle(context);
    }

    fn memory(&self) -> Option<SharedMemory> {
        self.0.memory()
    }
}
