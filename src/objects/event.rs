//! `Event`.

use super::error::{ErrorCode, ObjectError};
use super::line::{Line, Outcome, Ticket};
use super::room::WAITER_BYTES;
use super::thing::{Context, Members, Step, Thing, Turn, truth_text};

#[derive(Debug, Default)]
pub(super) struct Event {
    is_set: bool,
    waiting: Line<()>,
}

impl Thing for Event {
    fn call(&mut self, method: &str, turn: &Turn<'_>) -> Result<Step, ObjectError> {
        match method {
            "set" => {
                self.is_set = true;
                self.waiting.end_all(&Ok((truth_text(true), None)));
                Ok(Step::null())
            }
            "clear" => {
                self.is_set = false;
                Ok(Step::null())
            }
            "is_set" => Ok(Step::bool(self.is_set)),
            "wait" => {
                let patience = turn.patience()?;
                if self.is_set || patience.is_some_and(|time| time.is_zero()) {
                    return Ok(Step::bool(self.is_set));
                }
                turn.wait(&mut self.waiting, (), patience)
            }
            _ => Err(ObjectError::new(ErrorCode::UnknownMethod, "there is no such method")),
        }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Outcome> {
        self.waiting.remove(ticket).map(|_| Ok((truth_text(false), None)))
    }

    fn withdraw(&mut self, ticket: Ticket, _: Context<'_>) {
        self.waiting.remove(ticket);
    }

    fn end_waits(&mut self, outcome: &Outcome, over_http_only: bool) {
        self.waiting.end_if(outcome, |waiter| !over_http_only || waiter.holder.is_none());
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
