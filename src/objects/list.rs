//! `Manager().list`.

use bytes::Bytes;

use super::arguments::Arguments;
use super::elsewhere::{ITEM_COST, sum_until_long};
use super::error::{ErrorCode, ObjectError};
use super::python::{NoOrder, Wanted, shown, sorted};
use super::quota::ITEM_BYTES;
use super::shared_object::{Context, Invocation, Members, MethodOutcome, Operation, SharedObject, array};
use super::slice::Slice;
use super::wait_queue::{Reply, Ticket};
use crate::json;

#[derive(Debug, Default)]
pub(super) struct List {
    items: Vec<Bytes>,
    item_bytes: usize,
}

/// Each element as a text of its own.
fn copied(text: &[u8]) -> Vec<Bytes> {
    json::elements(text).map(Bytes::copy_from_slice).collect()
}

impl List {
    pub fn new(arguments: &Arguments) -> Self {
        let mut list = Self::default();
        list.extend(arguments.raw("values").map(copied).unwrap_or_default());
        list
    }

    fn extend(&mut self, items: Vec<Bytes>) {
        self.item_bytes += items.iter().map(Bytes::len).sum::<usize>();
        self.items.extend(items);
    }

    fn recount(&mut self) {
        self.item_bytes = self.items.iter().map(Bytes::len).sum();
    }

    fn all(&self, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
        array(self.items.iter().map(|item| &item[..]), bytes_max)
    }

    /// Which item, with this message if there is none.
    fn at(&self, index: i64, message: &str) -> Result<usize, ObjectError> {
        let length = i64::try_from(self.items.len()).unwrap_or(i64::MAX);
        let at = if index < 0 { index.saturating_add(length) } else { index };
        let at = usize::try_from(at).ok().filter(|at| *at < self.items.len());
        at.ok_or_else(|| ObjectError::raised("IndexError", message))
    }

    fn get(&self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        if let Some(slice) = Slice::of(invocation.arguments, self.items.len())? {
            let items = slice.places().map(|at| &self.items[at][..]);
            return array(items, invocation.context.answer_bytes_max).map(MethodOutcome::text);
        }
        let index = invocation.arguments.integer("index").unwrap_or(0);
        Ok(MethodOutcome::text(self.items[self.at(index, "list index out of range")?].clone()))
    }

    fn set(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        if let Some(slice) = Slice::of(invocation.arguments, self.items.len())? {
            let value = invocation.arguments.raw("value").unwrap_or_default();
            if value.first() != Some(&b'[') {
                return Err(ObjectError::raised("TypeError", "can only assign an iterable"));
            }
            let values = copied(value);
            if let Some(range) = slice.range() {
                self.items.splice(range, values);
            } else {
                let places: Vec<usize> = slice.places().collect();
                if places.len() != values.len() {
                    let (given, wanted) = (values.len(), places.len());
                    let message = format!(
                        "attempt to assign sequence of size {given} to extended slice of size {wanted}"
                    );
                    return Err(ObjectError::raised("ValueError", message));
                }
                for (at, value) in places.into_iter().zip(values) {
                    self.items[at] = value;
                }
            }
            self.recount();
            return Ok(MethodOutcome::null());
        }
        let index = invocation.arguments.integer("index").unwrap_or(0);
        let at = self.at(index, "list assignment index out of range")?;
        let value = invocation.kept("value");
        self.item_bytes = self.item_bytes + value.len() - self.items[at].len();
        self.items[at] = value;
        Ok(MethodOutcome::null())
    }

    fn delete(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        if let Some(slice) = Slice::of(invocation.arguments, self.items.len())? {
            let mut gone = vec![false; self.items.len()];
            slice.places().for_each(|at| gone[at] = true);
            let mut gone = gone.into_iter();
            self.items.retain(|_| !gone.next().unwrap_or(false));
            self.recount();
            return Ok(MethodOutcome::null());
        }
        let index = invocation.arguments.integer("index").unwrap_or(0);
        let at = self.at(index, "list assignment index out of range")?;
        self.item_bytes -= self.items.remove(at).len();
        Ok(MethodOutcome::null())
    }

    fn pop(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        if self.items.is_empty() {
            return Err(ObjectError::raised("IndexError", "pop from empty list"));
        }
        let at = self.at(invocation.arguments.integer("index").unwrap_or(-1), "pop index out of range")?;
        let item = self.items.remove(at);
        self.item_bytes -= item.len();
        Ok(MethodOutcome::text(item))
    }

    fn insert(&mut self, invocation: &Invocation<'_>) {
        let length = i64::try_from(self.items.len()).unwrap_or(i64::MAX);
        let index = invocation.arguments.integer("index").unwrap_or(0);
        let at = if index < 0 { index.saturating_add(length) } else { index }.clamp(0, length);
        let item = invocation.kept("object");
        self.item_bytes += item.len();
        self.items.insert(usize::try_from(at).unwrap_or(0), item);
    }

    fn find(&self, invocation: &Invocation<'_>, mut range: std::ops::Range<usize>) -> Option<usize> {
        let wanted = Wanted::read(invocation.arguments.raw("value").unwrap_or_default());
        range.find(|at| wanted.is(&self.items[*at]))
    }

    fn index(&self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let found = self.find(invocation, Slice::bounds(invocation.arguments, self.items.len()));
        let text = invocation.arguments.raw("value").unwrap_or_default();
        let missing = || ObjectError::raised("ValueError", format!("{} is not in list", shown(text)));
        found.map(MethodOutcome::number).ok_or_else(missing)
    }

    fn remove(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let missing = || ObjectError::raised("ValueError", "list.remove(x): x not in list");
        let at = self.find(invocation, 0..self.items.len()).ok_or_else(missing)?;
        self.item_bytes -= self.items.remove(at).len();
        Ok(MethodOutcome::null())
    }

    fn count(&self, invocation: &Invocation<'_>) -> usize {
        let wanted = Wanted::read(invocation.arguments.raw("value").unwrap_or_default());
        self.items.iter().filter(|item| wanted.is(item)).count()
    }

    fn sort(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let reverse = invocation.arguments.bool("reverse").unwrap_or(false);
        let charge = |bytes| invocation.context.quota.bytes(bytes);
        // The list in its new order stands beside the old one.
        charge(self.items.len().saturating_mul(size_of::<Bytes>()))?;
        let order = sorted(&self.items, reverse, charge)?;
        let mut items = std::mem::take(&mut self.items);
        self.items = order.into_iter().map(|at| std::mem::take(&mut items[at])).collect();
        Ok(MethodOutcome::null())
    }

    /// What it costs to look at every item.
    fn cost_of_all(&self) -> usize {
        self.item_bytes + self.items.len() * ITEM_COST
    }

    /// How many items move when one comes or goes here.
    fn moved(&self, index: i64) -> usize {
        let length = i64::try_from(self.items.len()).unwrap_or(i64::MAX);
        let behind = if index < 0 { index.saturating_neg() } else { length.saturating_sub(index) };
        usize::try_from(behind.clamp(0, length)).unwrap_or(0)
    }

    fn cost_of_items(&self, method: &str, arguments: &Arguments) -> usize {
        if let Some(index) = arguments.integer("index") {
            return if method == "__delitem__" { self.moved(index) } else { 0 };
        }
        match Slice::of(arguments, self.items.len()) {
            Ok(Some(slice)) if method == "__getitem__" => {
                sum_until_long(slice.places().map(|at| self.items[at].len()))
            }
            Ok(Some(_)) => self.cost_of_all() + arguments.len(),
            Ok(None) | Err(_) => 0,
        }
    }

    /// The items so often, if there is room for that.
    fn times(&self, invocation: &Invocation<'_>) -> Result<Vec<Bytes>, ObjectError> {
        let times = usize::try_from(invocation.arguments.integer("value").unwrap_or(0)).unwrap_or(0);
        let each = self.item_bytes + self.items.len() * ITEM_BYTES;
        invocation.context.quota.bytes(each.saturating_mul(times))?;
        let times = if self.items.is_empty() { 0 } else { times };
        Ok(std::iter::repeat_n(&self.items, times).flatten().cloned().collect())
    }
}

impl From<NoOrder> for ObjectError {
    fn from(NoOrder(one, other): NoOrder) -> Self {
        let message = format!("'<' not supported between instances of '{one}' and '{other}'");
        Self::raised("TypeError", message)
    }
}

impl SharedObject for List {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let bytes_max = invocation.context.answer_bytes_max;
        match method {
            "__len__" => return Ok(MethodOutcome::number(self.items.len())),
            "__getitem__" => return self.get(invocation),
            "__setitem__" => return self.set(invocation),
            "__delitem__" => return self.delete(invocation),
            "__contains__" => {
                return Ok(MethodOutcome::bool(self.find(invocation, 0..self.items.len()).is_some()));
            }
            "__add__" => {
                let other = invocation.arguments.raw("value").unwrap_or_default();
                let both = self.items.iter().map(|item| &item[..]).chain(json::elements(other));
                return array(both, bytes_max).map(MethodOutcome::text);
            }
            "__mul__" | "__rmul__" => {
                let items = self.times(invocation)?;
                return array(items.iter().map(|item| &item[..]), bytes_max).map(MethodOutcome::text);
            }
            "__reversed__" => {
                return array(self.items.iter().rev().map(|item| &item[..]), bytes_max)
                    .map(MethodOutcome::text);
            }
            "copy" => return self.all(bytes_max).map(MethodOutcome::text),
            "count" => return Ok(MethodOutcome::number(self.count(invocation))),
            "index" => return self.index(invocation),
            "pop" => return self.pop(invocation),
            "remove" => return self.remove(invocation),
            "sort" => return self.sort(invocation),
            "__imul__" => {
                self.items = self.times(invocation)?;
                self.recount();
            }
            "append" => self.extend(vec![invocation.kept("object")]),
            "extend" => self.extend(invocation.arguments.raw("iterable").map(copied).unwrap_or_default()),
            "insert" => self.insert(invocation),
            "clear" => {
                let cost = self.cost(&Operation::Free);
                invocation.context.elsewhere.free(std::mem::take(self), cost);
            }
            "reverse" => self.items.reverse(),
            _ => return Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
        Ok(MethodOutcome::null())
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        let (method, arguments) = match operation {
            Operation::Show => return self.cost_of_all(),
            Operation::Free => return self.items.len() * ITEM_COST,
            Operation::Call(method, arguments) => (method, arguments),
        };
        match *method {
            "__len__" | "append" | "clear" => 0,
            "__getitem__" | "__setitem__" | "__delitem__" => self.cost_of_items(method, arguments),
            "pop" => self.moved(arguments.integer("index").unwrap_or(-1)),
            "insert" => self.moved(arguments.integer("index").unwrap_or(0)),
            "extend" => arguments.len(),
            "__mul__" | "__rmul__" | "__imul__" => {
                self.cost_of_all().saturating_mul(arguments.count("value").unwrap_or(0))
            }
            _ => self.cost_of_all() + arguments.len(),
        }
    }

    fn late(&mut self, _: Ticket, _: Context<'_>) -> Option<Reply> {
        None
    }

    fn withdraw(&mut self, _: Ticket, _: Context<'_>) {}

    fn end_waits(&mut self, _: &Reply, _: bool) {}

    fn show(&self, whole: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.number("length", self.items.len());
        if whole {
            out.raw("values", &self.all(out.bytes_max())?);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.item_bytes + self.items.len() * ITEM_BYTES
    }
}
