//! Shared objects, as the service's callers see them.

use bytes::Bytes;

use super::Service;
use super::answer::Answer;
use super::refusal::Refusal;
use crate::objects::catalog::Answer as Returned;
use crate::objects::{Address, Call, Kind};

impl Service {
    pub(super) async fn list_objects(
        &self,
        kind: Kind,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Answer, Refusal> {
        self.parts()?;
        Ok(Answer::Objects(self.objects.list(kind, limit, cursor).await))
    }

    pub(super) async fn object(&self, at: &Address) -> Result<Answer, Refusal> {
        self.parts()?;
        if holds_much(at.kind) {
            self.answers.admit()?;
        }
        Ok(Answer::Object(self.objects.show(at).await?))
    }

    pub(super) async fn make_object(&self, at: Address, arguments: Bytes) -> Result<Answer, Refusal> {
        self.parts_for_work()?;
        Ok(Answer::ObjectMade { shown: self.objects.make(&at, arguments).await?, at })
    }

    pub(super) fn remove_object(&self, at: &Address) -> Result<Answer, Refusal> {
        self.parts()?;
        self.objects.remove(at)?;
        Ok(Answer::Done)
    }

    /// Calls that need not wait are answered as long as there is a server: who holds a lock can release it. Past
    /// `--answer-bytes`, those that copy content are not.
    pub(super) async fn call_object(&self, call: Call) -> Result<Answer, Refusal> {
        self.parts()?;
        if reads_content(&call) {
            self.answers.admit()?;
        }
        Ok(Answer::Delivered(self.objects.hand_over(call).await?))
    }
}

/// Whether objects of this kind may hold much, all of which is copied where it is shown.
fn holds_much(kind: Kind) -> bool {
    matches!(kind, Kind::Arrays | Kind::Dicts | Kind::Lists | Kind::Namespaces)
}

/// Whether the answer may be a copy of all that an object holds.
fn reads_content(call: &Call) -> bool {
    let method = call.at.kind.spec().method(&call.method);
    let copies = [Returned::Any, Returned::List, Returned::Pairs];
    holds_much(call.at.kind) && method.is_some_and(|method| copies.contains(&method.answer))
}
