//! `Manager().Namespace`: attributes by name.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::arguments::Arguments;
use super::dict::pairs;
use super::elsewhere::ITEM_COST;
use super::error::{ErrorCode, ObjectError};
use super::quota::ITEM_BYTES;
use super::shared_object::{self, Context, Invocation, Members, MethodOutcome, Operation, SharedObject};
use super::wait_queue::{Reply, Ticket};

#[derive(Debug, Default)]
pub(super) struct Namespace {
    attributes: BTreeMap<String, Bytes>,
    text_bytes: usize,
}

impl Namespace {
    pub fn new(arguments: &Arguments) -> Result<Self, ObjectError> {
        let mut namespace = Self::default();
        let pairs = arguments.raw("items").map(pairs).transpose()?;
        for (name, value) in pairs.into_iter().flatten() {
            let name: String = serde_json::from_slice(name)
                .map_err(|_| ObjectError::invalid("items", "the name of an attribute must be a string"))?;
            namespace.set(name, Bytes::copy_from_slice(value));
        }
        Ok(namespace)
    }

    fn set(&mut self, name: String, value: Bytes) {
        let length = name.len();
        self.text_bytes += value.len();
        match self.attributes.insert(name, value) {
            Some(old) => self.text_bytes -= old.len(),
            None => self.text_bytes += length,
        }
    }

    fn delete(&mut self, name: &str) -> Option<()> {
        let value = self.attributes.remove(name)?;
        self.text_bytes -= value.len() + name.len();
        Some(())
    }
}

fn attribute_error(name: &str) -> ObjectError {
    let name: String = name.chars().take(200).collect();
    ObjectError::raised("AttributeError", format!("'Namespace' object has no attribute '{name}'"))
}

impl SharedObject for Namespace {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let name = invocation.arguments.text("name")?.unwrap_or_default();
        match method {
            "__getattribute__" | "__getattr__" => self
                .attributes
                .get(&name)
                .cloned()
                .map(MethodOutcome::text)
                .ok_or_else(|| attribute_error(&name)),
            "__setattr__" => {
                self.set(name, invocation.kept("value"));
                Ok(MethodOutcome::null())
            }
            "__delattr__" => {
                self.delete(&name).map(|()| MethodOutcome::null()).ok_or_else(|| attribute_error(&name))
            }
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        match operation {
            Operation::Show => self.text_bytes + self.attributes.len() * ITEM_COST,
            Operation::Free => self.attributes.len() * ITEM_COST,
            Operation::Call(_, arguments) => arguments.len(),
        }
    }

    fn late(&mut self, _: Ticket, _: Context<'_>) -> Option<Reply> {
        None
    }

    fn withdraw(&mut self, _: Ticket, _: Context<'_>) {}

    fn end_waits(&mut self, _: &Reply, _: bool) {}

    fn show(&self, whole: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.number("length", self.attributes.len());
        if whole {
            let named = self.attributes.iter();
            let named = named.map(|(name, value)| (serde_json::to_vec(name).unwrap_or_default(), value));
            out.raw("items", &shared_object::pairs(named, out.bytes_max())?);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.text_bytes + self.attributes.len() * 2 * ITEM_BYTES
    }
}
