//! `Pipe`: two ends. What one sends waits for the other to receive it.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

use super::address::HolderId;
use super::arguments::Arguments;
use super::elsewhere::ITEM_COST;
use super::error::{ErrorCode, ObjectError};
use super::quota::{ITEM_BYTES, WAITER_BYTES};
use super::shared_object::{
    Context, Invocation, Members, MethodOutcome, Operation, SharedObject, truth_text,
};
use super::wait_queue::{Reply, Ticket, Undo, WaitQueue};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Recv,
    Poll,
}

/// One end, and what was sent to it.
#[derive(Debug, Default)]
struct End {
    items: VecDeque<(u64, Bytes)>,
    item_bytes: usize,
    next_place: u64,
    receivers: WaitQueue<Want>,
    closed: bool,
    /// The processes that have used it and are there.
    users: HashSet<HolderId>,
    /// Whether it stays open without them: others have used it, clients over HTTP or processes that returned.
    stays_open: bool,
}

impl End {
    /// Something has come, or come back.
    fn hand_out(&mut self, end: usize) {
        while !self.items.is_empty()
            && let Some(receiver) = self.receivers.first()
        {
            match receiver.wants {
                Want::Poll => receiver.slot.fill(Ok((truth_text(true), None))),
                Want::Recv => {
                    let Some((place, item)) = self.items.pop_front() else { return };
                    self.item_bytes -= item.len();
                    receiver.slot.fill(Ok((item.clone(), Some(Undo::Item { place, item, end }))));
                }
            }
        }
    }

    fn insert(&mut self, place: u64, item: Bytes) {
        self.item_bytes += item.len();
        let at = self.items.partition_point(|(other, _)| *other < place);
        self.items.insert(at, (place, item));
    }
}

#[derive(Debug)]
pub(super) struct Pipe {
    duplex: bool,
    ends: [End; 2],
}

fn end_of_file() -> ObjectError {
    ObjectError::new(ErrorCode::Closed, "the other end is closed and nothing is left to receive")
        .of_exception("EOFError", "")
}

fn broken_pipe() -> ObjectError {
    ObjectError::new(ErrorCode::Closed, "the other end is closed: nobody will receive this; it was not sent")
        .of_exception("BrokenPipeError", "[Errno 32] Broken pipe")
        .with_args("[32,\"Broken pipe\"]".to_owned())
}

fn handle_closed() -> ObjectError {
    ObjectError::new(ErrorCode::Closed, "this end is closed").of_exception("OSError", "handle is closed")
}

impl Pipe {
    pub fn new(arguments: &Arguments) -> Self {
        Self { duplex: arguments.bool("duplex").unwrap_or(true), ends: <[End; 2]>::default() }
    }

    fn send(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        if !self.duplex && invocation.end == 0 {
            return Err(ObjectError::raised("OSError", "connection is read-only"));
        }
        let other = &mut self.ends[1 - invocation.end];
        if other.closed {
            return Err(broken_pipe());
        }
        let place = other.next_place;
        other.next_place += 1;
        other.insert(place, invocation.kept("obj"));
        other.hand_out(1 - invocation.end);
        Ok(MethodOutcome::null())
    }

    fn receive(&mut self, invocation: &Invocation<'_>, want: Want) -> Result<MethodOutcome, ObjectError> {
        let mut patience = invocation.patience()?;
        if want == Want::Poll && !invocation.arguments.is_null("timeout") {
            // `poll()` doesn't wait; `poll(None)` does.
            patience = Some(patience.unwrap_or_default());
        }
        if !self.duplex && invocation.end == 1 {
            return Err(ObjectError::raised("OSError", "connection is write-only"));
        }
        let other_closed = self.ends[1 - invocation.end].closed;
        let end = &mut self.ends[invocation.end];
        match want {
            Want::Recv => {
                if let Some((place, item)) = end.items.pop_front() {
                    end.item_bytes -= item.len();
                    return Ok(MethodOutcome::Done(
                        item.clone(),
                        Some(Undo::Item { place, item, end: invocation.end }),
                    ));
                }
                if other_closed {
                    return Err(end_of_file());
                }
                if patience.is_some_and(|time| time.is_zero()) {
                    return Err(ObjectError::empty());
                }
            }
            // The end of the file can be received, too.
            Want::Poll if !end.items.is_empty() || other_closed => return Ok(MethodOutcome::bool(true)),
            Want::Poll => {
                if patience.is_some_and(|time| time.is_zero()) {
                    return Ok(MethodOutcome::bool(false));
                }
            }
        }
        invocation.wait(&mut end.receivers, want, patience)
    }

    fn close(&mut self, end: usize, context: Context<'_>) {
        let (one, other) = self.ends.split_at_mut(1);
        let (this, peer) = if end == 0 { (&mut one[0], &mut other[0]) } else { (&mut other[0], &mut one[0]) };
        if this.closed {
            return;
        }
        this.closed = true;
        this.item_bytes = 0;
        let cost = this.items.len() * ITEM_COST;
        context.elsewhere.free(std::mem::take(&mut this.items), cost);
        this.receivers.end_all(&Err(handle_closed()));
        peer.receivers.end_if(&Ok((truth_text(true), None)), |waiter| waiter.wants == Want::Poll);
        peer.receivers.end_all(&Err(end_of_file()));
    }

    /// Which end a ticket waits at.
    fn leave(&mut self, ticket: Ticket) -> Option<Want> {
        self.ends.iter_mut().find_map(|end| end.receivers.remove(ticket)).map(|waiter| waiter.wants)
    }
}

impl SharedObject for Pipe {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        if method == "close" {
            self.close(invocation.end, invocation.context);
            return Ok(MethodOutcome::null());
        }
        let end = &mut self.ends[invocation.end];
        if end.closed {
            return Err(handle_closed());
        }
        match invocation.caller.holder {
            Some(holder) => drop(end.users.insert(holder)),
            None => end.stays_open = true,
        }
        match method {
            "send" => self.send(invocation),
            "recv" => self.receive(invocation, Want::Recv),
            "poll" => self.receive(invocation, Want::Poll),
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        let items: usize = self.ends.iter().map(|end| end.items.len()).sum();
        if matches!(operation, Operation::Free) { items * ITEM_COST } else { 0 }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        self.leave(ticket).map(|want| match want {
            Want::Recv => Err(ObjectError::empty()),
            Want::Poll => Ok((truth_text(false), None)),
        })
    }

    fn withdraw(&mut self, ticket: Ticket, _: Context<'_>) {
        self.leave(ticket);
    }

    fn undo(&mut self, undo: Undo, _: Context<'_>) {
        let Undo::Item { place, item, end } = undo else { return };
        let at = end & 1;
        let end = &mut self.ends[at];
        if !end.closed {
            end.insert(place, item);
            end.hand_out(at);
        }
    }

    fn returned(&mut self, holder: HolderId) {
        for end in &mut self.ends {
            end.stays_open |= end.users.remove(&holder);
        }
    }

    /// An end that this process alone has used is closed with it.
    fn died(&mut self, holder: HolderId, context: Context<'_>) {
        for at in 0..2 {
            let end = &mut self.ends[at];
            end.receivers.take_if(|waiter| waiter.holder == Some(holder));
            if end.users.remove(&holder) && end.users.is_empty() && !end.stays_open {
                self.close(at, context);
            }
        }
    }

    fn is_held(&self) -> bool {
        true
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        for end in &mut self.ends {
            end.receivers.end_if(reply, |waiter| !over_http_only || waiter.holder.is_none());
        }
    }

    fn show(&self, _: bool, out: &mut Members) -> Result<(), ObjectError> {
        out.bool("duplex", self.duplex);
        let end = |at: usize| {
            let end = &self.ends[at];
            format!("{{\"end\":{at},\"closed\":{},\"waiting\":{}}}", end.closed, end.items.len())
        };
        out.raw("ends", format!("[{},{}]", end(0), end(1)).as_bytes());
        Ok(())
    }

    fn bytes(&self) -> usize {
        let of = |end: &End| {
            let known = end.items.len() * ITEM_BYTES + end.users.len() * ITEM_BYTES;
            end.item_bytes + known + end.receivers.len() * WAITER_BYTES
        };
        self.ends.iter().map(of).sum()
    }
}
