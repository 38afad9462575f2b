//! All objects, by kind and name.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::address::{Address, HolderId, ObjectCaller};
use super::arguments::Arguments;
use super::call::{Calling, Delivery};
use super::elsewhere::{Elsewhere, LONG_FROM};
use super::entry::{Common, ObjectEntry, ObjectGuard, made};
use super::error::{ErrorCode, ObjectError};
use super::held::Held;
use super::quota::{OBJECT_BYTES, Quota};
use super::shared_object::{Members, Numbers, Operation, SharedObject};
use super::{Kind, ObjectLimits, SharedMemory};
use crate::names::{NAME_RULE, is_name};

/// All objects; a clone is the same ones.
#[derive(Debug, Clone)]
pub struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    common: Arc<Common>,
    named: Mutex<[BTreeMap<Arc<str>, Arc<ObjectEntry>>; Kind::ALL.len()]>,
    /// What each process may hold something of.
    held: Mutex<HashMap<HolderId, Held<ObjectEntry>>>,
    hashers: [RandomState; 2],
    closed: AtomicBool,
}

/// One method called.
#[derive(Debug)]
pub struct Call {
    /// Of which object, or end of a pipe.
    pub at: Address,
    /// Its name.
    pub method: String,
    /// Its arguments by name: a JSON object; empty is `{}`.
    pub arguments: Bytes,
    /// Who calls.
    pub caller: ObjectCaller,
    /// How long a call may wait that names no timeout; `None`: for ever.
    pub max_wait: Option<Duration>,
}

/// Some objects of a kind, by name.
#[derive(Debug)]
pub struct ObjectPage {
    /// Each as GET shows it, without its content.
    pub items: Vec<Bytes>,
    /// Where the next page begins; `None` on the last.
    pub next_cursor: Option<String>,
}

impl Objects {
    /// No objects yet; the runtime that this is called in watches their leases and runs their long operations.
    pub fn new(limits: ObjectLimits) -> Self {
        let (numbers, quota, elsewhere) = (Numbers::new(), Quota::new(&limits), Elsewhere::new());
        let common = Common { numbers, quota, limits, elsewhere };
        Self(Arc::new(Inner {
            common: Arc::new(common),
            named: Mutex::default(),
            held: Mutex::default(),
            hashers: [RandomState::new(), RandomState::new()],
            closed: AtomicBool::new(false),
        }))
    }

    pub(super) fn common(&self) -> Arc<Common> {
        Arc::clone(&self.0.common)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    pub(super) fn find(&self, at: &Address) -> Result<Arc<ObjectEntry>, ObjectError> {
        let found = self.0.named.lock()[at.kind as usize].get(&*at.name).map(Arc::clone);
        found.ok_or_else(|| ObjectError::unknown(at))
    }

    /// Makes an object (PUT) and shows it, a large content left out. The same arguments again change nothing.
    ///
    /// # Errors
    /// A name or argument that can't be; another object of that name; no room.
    pub async fn make(&self, at: &Address, arguments: Bytes) -> Result<Bytes, ObjectError> {
        if !is_name(&at.name) {
            return Err(ObjectError::invalid("name", format!("a name must be {NAME_RULE}")));
        }
        loop {
            let made = if arguments.len() < LONG_FROM {
                self.made_or_found(at, arguments.clone())
            } else {
                let kept = self.0.common.quota.reserve(arguments.len())?;
                let (objects, at, arguments) = (self.clone(), at.clone(), arguments.clone());
                let work = move || {
                    let made = objects.made_or_found(&at, arguments);
                    // Not before: the work goes on when its caller has left.
                    drop(kept);
                    made
                };
                self.0.common.elsewhere.run(work).await?
            };
            match made? {
                Ok(shown) => return Ok(shown),
                Err(there) => match self.shown(there, is_small).await {
                    // Removed since it was found: then it is made anew.
                    Err(error) if error.code == ErrorCode::UnknownObject => {}
                    result => return result,
                },
            }
        }
    }

    /// A new object, shown; or the one that is there, if it was made with the same arguments.
    fn made_or_found(
        &self,
        at: &Address,
        arguments: Bytes,
    ) -> Result<Result<Bytes, Arc<ObjectEntry>>, ObjectError> {
        let arguments =
            Arguments::read(arguments, at.kind.spec().constructor, self.0.common.limits.depth_max)?;
        let made_with = self.fingerprint(&arguments, at.kind);
        let made = match self.find(at) {
            Ok(there) => Err(there),
            Err(_) => self.made(at, &arguments, made_with)?,
        };
        if let Err(there) = &made {
            same(there, made_with)?;
        }
        Ok(made)
    }

    /// A new object, shown, unless another one of its name was faster.
    fn made(
        &self,
        at: &Address,
        arguments: &Arguments,
        made_with: [u64; 2],
    ) -> Result<Result<Bytes, Arc<ObjectEntry>>, ObjectError> {
        let common = &self.0.common;
        common.quota.object()?;
        let charge = common.quota.charge();
        let cost = arguments.cost() + OBJECT_BYTES;
        charge.bytes(cost)?;
        let object = made(at.kind, arguments, &common.limits)?;
        charge.bytes((object.bytes() + OBJECT_BYTES).saturating_sub(cost))?;
        let shown = shown(&at.name, &*object, is_small(&*object), common.limits.answer_bytes_max)?;
        let mut named = self.0.named.lock();
        let named = &mut named[at.kind as usize];
        if let Some(there) = named.get(&*at.name) {
            return Ok(Err(Arc::clone(there)));
        }
        common.quota.enter()?;
        let address = Address { end: None, ..at.clone() };
        let entry = ObjectEntry::new(address, made_with, (object, &charge), common.numbers.ticket());
        named.insert(Arc::clone(&at.name), Arc::new(entry));
        Ok(Ok(shown))
    }

    /// The arguments of a constructor, whatever their order and white space around them.
    fn fingerprint(&self, arguments: &Arguments, kind: Kind) -> [u64; 2] {
        let mut words = Vec::new();
        for param in kind.spec().constructor {
            words.push(arguments.raw(param.name).unwrap_or_else(|| default_text(kind, param.name)));
        }
        [0, 1].map(|at| self.0.hashers[at].hash_one(&words))
    }

    /// An object's arguments and content (GET).
    ///
    /// # Errors
    /// There is none, or its content is too large for an answer.
    pub async fn show(&self, at: &Address) -> Result<Bytes, ObjectError> {
        self.shown(self.find(at)?, |_| true).await
    }

    /// An object's arguments and state, without its content.
    ///
    /// # Errors
    /// There is none.
    pub async fn summary(&self, at: &Address) -> Result<Bytes, ObjectError> {
        self.shown(self.find(at)?, |_| false).await
    }

    async fn shown(
        &self,
        entry: Arc<ObjectEntry>,
        whole: fn(&dyn SharedObject) -> bool,
    ) -> Result<Bytes, ObjectError> {
        let common = self.common();
        let show = move |guard: &mut ObjectGuard| {
            let name = Arc::clone(&guard.entry().address.name);
            guard.act(&common, |object, context| {
                shown(&name, object, whole(object), context.answer_bytes_max)
            })?
        };
        let is_long = move |object: &dyn SharedObject| whole(object) && object.is_long(&Operation::Show);
        if let Some(mut guard) = entry.try_lock()
            && !guard.object().is_some_and(is_long)
        {
            return show(&mut guard);
        }
        let common = self.common();
        let work = async move {
            let mut guard = entry.lock().await;
            if !guard.object().is_some_and(is_long) {
                return show(&mut guard);
            }
            common.elsewhere.run(move || show(&mut guard)).await?
        };
        self.0.common.elsewhere.drive(work).await
    }

    /// Removes an object (DELETE); those who wait for it are told.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(&self, at: &Address) -> Result<(), ObjectError> {
        let removed = self.0.named.lock()[at.kind as usize].remove(&*at.name);
        removed.ok_or_else(|| ObjectError::unknown(at))?.end(&self.0.common);
        Ok(())
    }

    /// The objects of a kind in the order of their names, after the one that `cursor` names.
    pub async fn list(&self, kind: Kind, limit: usize, cursor: Option<&str>) -> ObjectPage {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found: Vec<Arc<ObjectEntry>> = {
            let named = self.0.named.lock();
            let range = named[kind as usize].range::<str, _>((from, Bound::Unbounded));
            range.take(limit.saturating_add(1)).map(|(_, entry)| Arc::clone(entry)).collect()
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(|entry| entry.address.name.to_string());
        let mut items = Vec::with_capacity(found.len());
        for entry in found {
            // Those removed meanwhile are left out.
            items.extend(self.shown(entry, |_| false).await);
        }
        ObjectPage { items, next_cursor }
    }

    /// Calls a method. What can be done at once is done in the first poll; a future that is dropped before it is ready
    /// has withdrawn, and what was handed over to it at that moment goes back.
    pub fn call(
        &self,
        call: Call,
    ) -> impl Future<Output = Result<Bytes, ObjectError>> + Send + 'static + use<> {
        let calling = self.hand_over(call);
        async move { calling.await.map(Delivery::taken) }
    }

    /// The same, for a caller who may not be there any more: what was handed over goes back unless
    /// [`Delivery::taken`] is called.
    pub fn hand_over(&self, call: Call) -> Calling {
        Calling::new(self.clone(), call)
    }

    /// This process may hold something of the object from now on. Nothing of one that has died may be noted.
    pub(super) fn note_holder(&self, holder: HolderId, entry: &Arc<ObjectEntry>) {
        self.0.held.lock().entry(holder).or_default().note(entry.id, entry);
    }

    /// A process has died: what it held comes back, what waits for it is told. Whoever says so has begun its calls and
    /// begins none after it.
    pub fn died(&self, holder: HolderId) {
        let held = self.0.held.lock().remove(&holder).unwrap_or_default();
        for entry in held.into_objects() {
            entry.soon(&self.0.common, move |object, context| object.died(holder, context));
        }
    }

    /// A Process returned: what it holds stays held, for anyone to release, and nobody will ask for it by its name.
    pub fn returned(&self, holder: HolderId) {
        let held = self.0.held.lock().remove(&holder).unwrap_or_default();
        for entry in held.into_objects() {
            entry.soon(&self.0.common, move |object, _| object.returned(holder));
        }
    }

    /// The memory of a value or an array, for a process to map.
    ///
    /// # Errors
    /// There is none, or it is of another kind; or the process has no descriptor left.
    pub async fn memory(&self, at: &Address) -> Result<SharedMemory, ObjectError> {
        let (entry, common) = (self.find(at)?, self.common());
        let memory = async move { entry.lock().await.act(&common, |object, _| object.memory()) };
        let memory = self.0.common.elsewhere.drive(memory).await?;
        memory.ok_or_else(|| {
            let detail = format!("{at} has no memory of its own, or no descriptor is left");
            ObjectError::new(ErrorCode::Overloaded, detail)
        })
    }

    /// The server drains: calls over HTTP wait no longer. Calls of workers go on: they are part of running work.
    pub fn close(&self) {
        // A call that lines up in an object after the look at it below sees this: the object's lock orders them.
        self.0.closed.store(true, Ordering::Relaxed);
        let all: Vec<Arc<ObjectEntry>> =
            self.0.named.lock().iter().flat_map(BTreeMap::values).map(Arc::clone).collect();
        let common = self.common();
        let end_waits = move |objects: &[Arc<ObjectEntry>]| {
            for entry in objects {
                entry.soon(&common, |object, _| object.end_waits(&Err(ObjectError::draining()), true));
            }
        };
        let (first, rest) = all.split_at(all.len().min(CLOSED_AT_ONCE));
        end_waits(first);
        let Some(runtime) = self.0.common.elsewhere.runtime().filter(|_| !rest.is_empty()) else {
            return end_waits(rest);
        };
        let rest = rest.to_vec();
        runtime.spawn(async move {
            for some in rest.chunks(CLOSED_AT_ONCE) {
                tokio::task::yield_now().await;
                end_waits(some);
            }
        });
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> (usize, usize) {
        self.0.common.quota.taken()
    }
}

/// Whether making it shows its content, too: nobody has to be told at length what he has just sent, and zeros in
/// millions are work for nothing.
fn is_small(object: &dyn SharedObject) -> bool {
    object.bytes() <= CONTENT_SHOWN_MAX
}

fn shown(name: &str, object: &dyn SharedObject, whole: bool, bytes_max: usize) -> Result<Bytes, ObjectError> {
    let mut members = Members::new(bytes_max);
    members.text("name", name);
    object.show(whole, &mut members)?;
    Ok(members.finish())
}

/// Content of more bytes, as the quota counts them, is not shown when it is made.
const CONTENT_SHOWN_MAX: usize = 256 << 10;
/// So many objects are closed before others have their turn.
const CLOSED_AT_ONCE: usize = 1_000;

/// What a constructor's argument is when it is left out, as text, where that is the same object.
fn default_text(kind: Kind, name: &str) -> &'static [u8] {
    match (kind, name) {
        (Kind::Queues, "kind") => b"\"queue\"",
        (Kind::Queues, "maxsize") => b"0",
        (Kind::Pipes, "duplex") => b"true",
        (Kind::Semaphores | Kind::BoundedSemaphores, "value") => b"1",
        (Kind::Values, "value") => b"0",
        (Kind::Dicts | Kind::Lists | Kind::Namespaces, _) => b"[]",
        _ => b"",
    }
}

fn same(there: &ObjectEntry, made_with: [u64; 2]) -> Result<(), ObjectError> {
    if there.made_with == made_with {
        return Ok(());
    }
    let address = &there.address;
    let detail = format!("{address} was made with other arguments; remove it, or choose another name");
    Err(ObjectError::new(ErrorCode::AlreadyExists, detail))
}
