//! `Manager().dict`: keys and values are the texts that came in; equal keys are one.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::arguments::Arguments;
use super::elsewhere::ITEM_COST;
use super::error::{ErrorCode, ObjectError};
use super::python::{Key, members, shown};
use super::quota::Charge;
use super::shared_object::{
    self, Context, Invocation, Members, MethodOutcome, Operation, SharedObject, array,
};
use super::wait_queue::{Reply, Ticket};
use crate::json;

/// Counted for an entry besides its texts: two thirds of a node of the tree, three small allocations, and one more once
/// its value was read.
const ENTRY_BYTES: usize = 256;
/// Counted for each place in the table, taken or not: seven of eight can be.
const PLACE_BYTES: usize = (size_of::<(Key, u64)>() + 1) * 8 / 7;

#[derive(Debug, Default)]
pub(super) struct Dict {
    /// Where in the order each key stands.
    places: HashMap<Key, u64>,
    entries: BTreeMap<u64, (Bytes, Bytes)>,
    next_place: u64,
    text_bytes: usize,
}

impl Dict {
    pub fn new(arguments: &Arguments) -> Result<Self, ObjectError> {
        let mut dict = Self::default();
        let pairs = arguments.raw("items").map(pairs).transpose()?;
        for (key, value) in pairs.into_iter().flatten() {
            let key_read = read_key(key).map_err(|error| ObjectError::invalid("items", error.detail))?;
            dict.insert(key_read, key, Bytes::copy_from_slice(value));
        }
        Ok(dict)
    }

    fn find(&self, key: &Key) -> Option<&Bytes> {
        self.places.get(key).and_then(|place| self.entries.get(place)).map(|(_, value)| value)
    }

    /// The key that was there first stays; the value is the new one.
    fn insert(&mut self, key: Key, text: &[u8], value: Bytes) {
        if let Some((_, old)) = self.places.get(&key).and_then(|place| self.entries.get_mut(place)) {
            self.text_bytes = self.text_bytes + value.len() - old.len();
            *old = value;
            return;
        }
        self.text_bytes += text.len() + value.len() + key.bytes();
        self.entries.insert(self.next_place, (Bytes::copy_from_slice(text), value));
        self.places.insert(key, self.next_place);
        self.next_place += 1;
    }

    /// Makes the table large enough for so many keys more.
    fn reserve(&mut self, more: usize, quota: &Charge<'_>) -> Result<(), ObjectError> {
        let needed = self.places.len() + more;
        if needed > self.places.capacity() {
            // It doubles; the old one stands beside it for a while.
            quota.bytes(needed.next_power_of_two().saturating_mul(2 * PLACE_BYTES))?;
            self.places.reserve(more);
        }
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Option<Bytes> {
        let place = self.places.remove(key)?;
        let (text, value) = self.entries.remove(&place)?;
        self.text_bytes -= text.len() + value.len() + key.bytes();
        if self.places.is_empty() {
            self.places.shrink_to_fit();
        }
        Some(value)
    }

    fn pop_last(&mut self) -> Result<MethodOutcome, ObjectError> {
        let Some((_, (text, value))) = self.entries.last_key_value() else {
            return Err(key_error("popitem(): dictionary is empty".to_owned(), None));
        };
        // The answer of what is taken out is as large as that.
        let pair = array([&text[..], &value[..]].into_iter(), usize::MAX)?;
        if let Ok(key) = Key::read(&text.clone()) {
            self.remove(&key);
        }
        Ok(MethodOutcome::text(pair))
    }

    fn keys(&self, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
        array(self.entries.values().map(|(key, _)| &key[..]), bytes_max)
    }

    fn values(&self, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
        array(self.entries.values().map(|(_, value)| &value[..]), bytes_max)
    }

    fn pairs(&self, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
        shared_object::pairs(self.entries.values().map(|(key, value)| (key, value)), bytes_max)
    }

    fn update(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let Some(given) = invocation.arguments.raw("items") else { return Ok(MethodOutcome::null()) };
        let mut read = Vec::new();
        for (key, value) in pairs(given)? {
            read.push((read_key(key)?, key, value));
        }
        let new = read.iter().filter(|(key, ..)| !self.places.contains_key(key)).count();
        self.reserve(new, invocation.context.quota)?;
        for (key, text, value) in read {
            self.insert(key, text, Bytes::copy_from_slice(value));
        }
        Ok(MethodOutcome::null())
    }

    /// The methods of one key.
    fn of_key(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let text = invocation.arguments.raw("key").unwrap_or_default();
        let key = read_key(text)?;
        let missing = || key_error(shown(text), Some(text));
        match method {
            "__contains__" => Ok(MethodOutcome::bool(self.places.contains_key(&key))),
            "__getitem__" => self.find(&key).cloned().map(MethodOutcome::text).ok_or_else(missing),
            "get" => Ok(MethodOutcome::text(
                self.find(&key).cloned().unwrap_or_else(|| invocation.kept("default")),
            )),
            "__delitem__" => self.remove(&key).map(|_| MethodOutcome::null()).ok_or_else(missing),
            "pop" => {
                let value = self.remove(&key).or_else(|| invocation.arguments.kept("default"));
                value.map(MethodOutcome::text).ok_or_else(missing)
            }
            "setdefault" => {
                if let Some(value) = self.find(&key) {
                    return Ok(MethodOutcome::text(value.clone()));
                }
                self.reserve(1, invocation.context.quota)?;
                let value = invocation.kept("default");
                self.insert(key, text, value.clone());
                Ok(MethodOutcome::text(value))
            }
            _ => {
                self.reserve(usize::from(!self.places.contains_key(&key)), invocation.context.quota)?;
                self.insert(key, text, invocation.kept("value"));
                Ok(MethodOutcome::null())
            }
        }
    }
}

/// Texts of a key and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of an array of pairs, or the members of an object.
pub(super) fn pairs(text: &[u8]) -> Result<Vec<Pair<'_>>, ObjectError> {
    if text.first() == Some(&b'{') {
        return Ok(members(text));
    }
    let pair = |text| {
        let mut parts = json::elements(text);
        let pair = (parts.next(), parts.next(), parts.next());
        match (text.first(), pair) {
            (Some(b'['), (Some(key), Some(value), None)) => Ok((key, value)),
            _ => Err(ObjectError::invalid("items", "items must be pairs: [[key, value], …]")),
        }
    };
    json::elements(text).map(pair).collect()
}

fn read_key(text: &[u8]) -> Result<Key, ObjectError> {
    Key::read(text).map_err(|kind| ObjectError::raised("TypeError", format!("unhashable type: '{kind}'")))
}

fn key_error(message: String, key: Option<&[u8]>) -> ObjectError {
    let error = ObjectError::raised("KeyError", message);
    match key.and_then(|key| std::str::from_utf8(key).ok()) {
        Some(key) => error.with_args(format!("[{key}]")),
        None => error,
    }
}

impl SharedObject for Dict {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        match method {
            "__len__" => Ok(MethodOutcome::number(self.entries.len())),
            "__iter__" | "keys" => self.keys(invocation.context.answer_bytes_max).map(MethodOutcome::text),
            "values" => self.values(invocation.context.answer_bytes_max).map(MethodOutcome::text),
            "items" | "copy" => self.pairs(invocation.context.answer_bytes_max).map(MethodOutcome::text),
            "popitem" => self.pop_last(),
            "update" => self.update(invocation),
            "clear" => {
                let cost = self.cost(&Operation::Free);
                let empty = Self { next_place: self.next_place, ..Self::default() };
                invocation.context.elsewhere.free(std::mem::replace(self, empty), cost);
                Ok(MethodOutcome::null())
            }
            "__contains__" | "__getitem__" | "get" | "__delitem__" | "pop" | "setdefault" | "__setitem__" => {
                self.of_key(method, invocation)
            }
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        let all = self.text_bytes + self.entries.len() * ITEM_COST;
        let (method, arguments) = match operation {
            Operation::Show => return all,
            Operation::Free => return self.entries.len() * ITEM_COST,
            Operation::Call(method, arguments) => (method, arguments),
        };
        // A table that grows is filled anew.
        let growing = |more: usize| {
            let is_full = self.places.len() + more > self.places.capacity();
            if is_full { self.places.len() * ITEM_COST } else { 0 }
        };
        match *method {
            "__len__" | "clear" => 0,
            "__iter__" | "keys" | "values" | "items" | "copy" => all,
            "popitem" => self.entries.last_key_value().map_or(0, |(_, (key, value))| key.len() + value.len()),
            "update" => arguments.len() + growing(arguments.elements("items")),
            "__setitem__" | "setdefault" => arguments.len() + growing(1),
            _ => arguments.len(),
        }
    }

    fn late(&mut self, _: Ticket, _: Context<'_>) -> Option<Reply> {
        None
    }

    fn withdraw(&mut self, _: Ticket, _: Context<'_>) {}

    fn end_waits(&mut self, _: &Reply, _: bool) {}

    fn show(&self, whole: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.number("length", self.entries.len());
        if whole {
            out.raw("items", &self.pairs(out.bytes_max())?);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.text_bytes + self.entries.len() * ENTRY_BYTES + self.places.capacity() * PLACE_BYTES
    }
}
