//! How a call begins: its arguments are read, its object is locked, its method runs. At once if that is short and the
//! object is free; else elsewhere or later.

use std::sync::Arc;
use std::time::Duration;

use super::address::ObjectCaller;
use super::arguments::Arguments;
use super::call::Begun;
use super::catalog::{Method, OWNER_CHARS_MAX};
use super::elsewhere::Driven;
use super::entry::{ObjectEntry, ObjectGuard};
use super::error::{ErrorCode, ObjectError};
use super::quota::{QuotaReservation, WAITER_BYTES};
use super::shared_object::{Invocation, Operation};
use super::{Call, Kind, Objects};

/// Arguments of so many bytes take about a millisecond to read.
const LARGE_FROM: usize = 256 << 10;

/// A call whose arguments were read.
#[derive(Debug)]
struct Prepared {
    objects: Objects,
    entry: Arc<ObjectEntry>,
    method: &'static Method,
    arguments: Arguments,
    caller: ObjectCaller,
    end: usize,
    max_wait: Option<Duration>,
    /// What the arguments take until the method runs.
    kept: Option<QuotaReservation>,
}

/// What becomes of a call.
pub(super) enum Beginning {
    Now(Result<Begun, ObjectError>),
    /// Once its object is free, or from another thread.
    Later(Driven<Begun>),
}

impl Objects {
    pub(super) fn begin(&self, call: Call) -> Beginning {
        let common = self.common();
        let elsewhere = &common.elsewhere;
        if call.arguments.len() >= LARGE_FROM {
            return Beginning::Later(elsewhere.drive(begin_large(self.clone(), call)));
        }
        let mut prepared = match Prepared::new(self.clone(), call, None) {
            Ok(prepared) => prepared,
            Err(error) => return Beginning::Now(Err(error)),
        };
        match prepared.entry.try_lock() {
            Some(guard) if !prepared.is_long(&guard) => {
                prepared.note_holder(&guard);
                Beginning::Now(prepared.run(guard))
            }
            guard => Beginning::Later(elsewhere.drive(async move {
                prepared.kept = prepared.objects.keep_arguments(prepared.arguments.len())?;
                begin_later(prepared, guard).await
            })),
        }
    }

    /// Arguments of a call that waits for its object count; short ones are part of what a connection costs.
    fn keep_arguments(&self, bytes: usize) -> Result<Option<QuotaReservation>, ObjectError> {
        let counts = bytes > WAITER_BYTES;
        counts.then(|| self.common().quota.reserve(bytes)).transpose()
    }
}

/// Reading the arguments alone would take long.
async fn begin_large(objects: Objects, call: Call) -> Result<Begun, ObjectError> {
    let kept = objects.keep_arguments(call.arguments.len())?;
    let common = objects.common();
    let prepared = common.elsewhere.read(move || Prepared::new(objects, call, kept)).await??;
    let guard = prepared.entry.try_lock();
    begin_later(prepared, guard).await
}

async fn begin_later(prepared: Prepared, guard: Option<ObjectGuard>) -> Result<Begun, ObjectError> {
    let guard = match guard {
        Some(guard) => guard,
        None => prepared.entry.lock().await,
    };
    prepared.note_holder(&guard);
    if prepared.is_long(&guard) {
        let common = prepared.objects.common();
        return common.elsewhere.run(move || prepared.run(guard)).await?;
    }
    prepared.run(guard)
}

impl Prepared {
    fn new(objects: Objects, call: Call, kept: Option<QuotaReservation>) -> Result<Self, ObjectError> {
        let Call { at, method, arguments, mut caller, max_wait } = call;
        let entry = objects.find(&at)?;
        let method = at.kind.spec().method(&method).ok_or_else(|| unknown_method(at.kind, &method))?;
        let end = match (at.kind, at.end) {
            (Kind::Pipes, None) => return Err(ObjectError::new(ErrorCode::UnknownMethod, AN_END)),
            (_, end) => usize::from(end.unwrap_or(0)),
        };
        let arguments = Arguments::read(arguments, method.params, objects.common().limits.depth_max)?;
        if let Some(owner) = arguments.text("owner")? {
            if owner.chars().count() > OWNER_CHARS_MAX {
                let detail = format!("owner must be a string of at most {OWNER_CHARS_MAX} characters");
                return Err(ObjectError::invalid("owner", detail));
            }
            caller.owner = Some(owner.into());
        }
        Ok(Self { objects, entry, method, arguments, caller, end, max_wait, kept })
    }

    fn is_long(&self, guard: &ObjectGuard) -> bool {
        let operation = Operation::Call(self.method.name, &self.arguments);
        guard.object().is_some_and(|object| object.is_long(&operation))
    }

    /// Before it is called: a process that dies meanwhile loses what it gets.
    fn note_holder(&self, guard: &ObjectGuard) {
        if let Some(holder) = self.caller.holder
            && guard.object().is_some_and(|object| object.is_held())
        {
            self.objects.note_holder(holder, &self.entry);
        }
    }

    fn run(mut self, mut guard: ObjectGuard) -> Result<Begun, ObjectError> {
        // What the object keeps of the arguments is counted there.
        drop(self.kept.take());
        let common = self.objects.common();
        let cost = if self.method.allocates { self.arguments.cost() } else { 0 };
        let over_http = self.caller.holder.is_none();
        let timeout_max = over_http.then_some(common.limits.timeout_max);
        let outcome = guard.act(&common, |object, context| {
            if cost > 0 {
                context.quota.bytes(cost)?;
            }
            let (arguments, caller) = (&self.arguments, &self.caller);
            let invocation = Invocation { context, arguments, caller, end: self.end, timeout_max };
            object.call(self.method.name, &invocation)
        });
        drop(guard);
        let begun = Begun::new(outcome??, self.entry, common, self.max_wait);
        if over_http && matches!(begun, Begun::Waits(_)) && self.objects.is_closed() {
            return Err(ObjectError::draining());
        }
        Ok(begun)
    }
}

const AN_END: &str = "a pipe has no methods of its own; call one of its ends, 0 or 1";

fn unknown_method(kind: Kind, method: &str) -> ObjectError {
    let names: Vec<&str> = kind.spec().methods.iter().map(|method| method.name).collect();
    let method: String = method.chars().take(200).collect();
    let detail = format!("{kind} have no method {method:?}; they have: {}", names.join(", "));
    ObjectError::new(ErrorCode::UnknownMethod, detail)
}
