//! `Array`.

use std::ops::Range;
use std::time::Instant;

use super::SharedMemory;
use super::locked::Locked;
use super::typecode::Typecode;
use crate::json;
use crate::objects::address::HolderId;
use crate::objects::arguments::Arguments;
use crate::objects::catalog::LENGTH_MAX;
use crate::objects::elsewhere::ITEM_COST;
use crate::objects::error::{ErrorCode, ObjectError};
use crate::objects::lock::{acquire, acquired, not_acquired, release, renew};
use crate::objects::shared_object::{
    Context, Invocation, Members, MethodOutcome, Operation, SharedObject, array_of,
};
use crate::objects::wait_queue::{Reply, Ticket, Undo};

#[derive(Debug)]
pub(in crate::objects) struct SharedArray(Locked<()>);

/// One item, or some.
enum Which {
    One(usize),
    Some(Range<usize>),
}

impl SharedArray {
    pub fn new(arguments: &Arguments) -> Result<Self, ObjectError> {
        let typecode = Typecode::read(arguments.text("typecode")?.as_deref())?;
        let values = arguments.raw("values");
        let length = match (values, arguments.count("length")) {
            (Some(_), None) => arguments.elements("values"),
            (None, Some(length)) => length,
            (Some(_), Some(_)) => {
                return Err(ObjectError::invalid("length", "give values or length, not both"));
            }
            (None, None) => {
                return Err(ObjectError::invalid("values", "give values, or length for so many zeros"));
            }
        };
        if i64::try_from(length).is_ok_and(|length| length > LENGTH_MAX) {
            let detail = format!("values must have at most {LENGTH_MAX} items, not {length}");
            return Err(ObjectError::invalid("values", detail));
        }
        let shared = Locked::new(typecode, length)?;
        for (index, value) in values.map(json::elements).into_iter().flatten().enumerate() {
            let bits = typecode.bits(value).map_err(|error| ObjectError::invalid("values", error.detail))?;
            // What could not be shown is not made.
            typecode.check(bits)?;
            shared.store(index, bits);
        }
        Ok(Self(shared))
    }

    fn which(&self, arguments: &Arguments) -> Result<Which, ObjectError> {
        let (start, stop) = (arguments.integer("start"), arguments.integer("stop"));
        let length = i64::try_from(self.0.length).unwrap_or(i64::MAX);
        let Some(index) = arguments.integer("index") else {
            let clamp = |at: i64| {
                let from_start = if at < 0 { at.saturating_add(length) } else { at };
                usize::try_from(from_start.clamp(0, length)).unwrap_or(0)
            };
            let start = clamp(start.unwrap_or(0));
            return Ok(Which::Some(start..clamp(stop.unwrap_or(length)).max(start)));
        };
        if start.is_some() || stop.is_some() {
            return Err(ObjectError::invalid("index", "give index, or start and stop"));
        }
        let at = if index < 0 { index.saturating_add(length) } else { index };
        let at = usize::try_from(at).ok().filter(|at| *at < self.0.length);
        at.map(Which::One).ok_or_else(|| ObjectError::raised("IndexError", "invalid index"))
    }

    fn slice(&self, range: Range<usize>, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
        array_of(range, bytes_max, |index, text| self.0.write(index, text))
    }

    fn get(&self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        match self.which(invocation.arguments)? {
            Which::One(index) => self.0.text(index).map(MethodOutcome::text),
            Which::Some(range) => {
                self.slice(range, invocation.context.answer_bytes_max).map(MethodOutcome::text)
            }
        }
    }

    fn set(&self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let value = invocation.arguments.raw("value").unwrap_or_default();
        match self.which(invocation.arguments)? {
            Which::One(index) => self.0.store(index, self.0.typecode.bits(value)?),
            Which::Some(range) => {
                if value.first() != Some(&b'[') {
                    return Err(ObjectError::raised("TypeError", "can only assign an iterable"));
                }
                let bits = json::elements(value).map(|value| self.0.typecode.bits(value));
                let bits = bits.collect::<Result<Vec<_>, _>>()?;
                if bits.len() != range.len() {
                    return Err(ObjectError::raised("ValueError", "Can only assign sequence of same size"));
                }
                for (index, bits) in range.zip(bits) {
                    self.0.store(index, bits);
                }
            }
        }
        Ok(MethodOutcome::null())
    }

    fn settle(&mut self, context: Context<'_>) {
        while let Some((slot, (), grant)) = self.0.lock.next(context) {
            slot.fill(Ok(acquired(grant)));
        }
    }
}

impl SharedObject for SharedArray {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let outcome = match method {
            "get" => self.get(invocation),
            "set" => self.set(invocation),
            "acquire" => acquire(&mut self.0.lock, (), invocation),
            "release" => release(&mut self.0.lock, invocation),
            "renew" => renew(&mut self.0.lock, invocation),
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        };
        self.settle(invocation.context);
        outcome
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        match operation {
            Operation::Show => self.0.length * ITEM_COST,
            Operation::Call("get" | "set", arguments) => match self.which(arguments) {
                Ok(Which::Some(range)) => range.len() * ITEM_COST + arguments.len(),
                Ok(Which::One(_)) | Err(_) => arguments.len(),
            },
            Operation::Free | Operation::Call(..) => 0,
        }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        self.0.lock.remove(ticket).map(|_| Ok((not_acquired(), None)))
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
        out.number("length", self.0.length);
        if whole {
            out.raw("values", &self.slice(0..self.0.length, out.bytes_max())?);
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
