//! How far a pool's actor is in its life: whether it takes work, whether it has workers, whom it answers at the end.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::jobs::{Failure, FailureCode, Outcome};
use crate::scheduler::of_shutdown;

/// The life of a pool's actor. It goes downwards only.
#[derive(Debug)]
pub(super) enum Life {
    /// Takes work.
    Open,
    /// Ends the work that it has; then its workers leave.
    Closing,
    /// Takes no work, ends what has started, keeps its workers unless it was closing. The reply is sent once, when
    /// all jobs have ended; until then it is here.
    Draining { was_closing: bool, reply: Option<oneshot::Sender<()>> },
    /// The server goes down: all jobs have ended. The reply is sent when no worker is left.
    Stopping { reply: oneshot::Sender<()> },
    /// The pool was terminated by request. The same.
    Terminating { reply: oneshot::Sender<()> },
}

impl Life {
    /// Takes no more work, unless it is further already.
    pub fn close(&mut self) {
        match self {
            Self::Open => *self = Self::Closing,
            Self::Draining { was_closing, .. } => *was_closing = true,
            Self::Closing | Self::Stopping { .. } | Self::Terminating { .. } => {}
        }
    }

    /// Drains; the reply of an earlier request is dropped, which answers it, too.
    pub fn drain(&mut self, reply: oneshot::Sender<()>) {
        match self {
            Self::Open => *self = Self::Draining { was_closing: false, reply: Some(reply) },
            Self::Closing => *self = Self::Draining { was_closing: true, reply: Some(reply) },
            Self::Draining { reply: earlier, .. } => *earlier = Some(reply),
            // All jobs have ended: dropping the reply says so.
            Self::Stopping { .. } | Self::Terminating { .. } => {}
        }
    }

    /// Stops. What was terminated stays so.
    pub fn stop(&mut self, reply: oneshot::Sender<()>) {
        *self = match self {
            Self::Terminating { .. } => Self::Terminating { reply },
            Self::Open | Self::Closing | Self::Draining { .. } | Self::Stopping { .. } => {
                Self::Stopping { reply }
            }
        };
    }

    /// Terminates.
    pub fn terminate(&mut self, reply: oneshot::Sender<()>) {
        *self = Self::Terminating { reply };
    }

    /// Answers who waits for the drain, as no job is left.
    pub fn drained(&mut self) {
        if let Self::Draining { reply, .. } = self
            && let Some(reply) = reply.take()
        {
            let _ = reply.send(());
        }
    }

    /// Whether the actor ends once no worker is left.
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::Stopping { .. } | Self::Terminating { .. })
    }

    /// Whether the pool ends once it has no jobs.
    pub fn is_closing(&self) -> bool {
        matches!(self, Self::Closing | Self::Draining { was_closing: true, .. })
    }

    /// Whether there should be workers.
    pub fn wants_workers(&self, has_jobs: bool) -> bool {
        !self.is_ending() && (has_jobs || !self.is_closing())
    }

    /// What a job ends with that is submitted now; `None`: it is taken. A closing pool takes what was on its way when
    /// it was closed.
    pub fn refusal(&self) -> Option<Outcome> {
        match self {
            Self::Open | Self::Closing => None,
            Self::Draining { .. } | Self::Stopping { .. } => Some(refusal(false)),
            Self::Terminating { .. } => Some(refusal(true)),
        }
    }

    /// The last worker has gone: answers who waits for that.
    pub fn ended(self) {
        if let Self::Stopping { reply } | Self::Terminating { reply } = self {
            let _ = reply.send(());
        }
    }
}

/// What a job ends with that comes too late.
pub(super) fn refusal(is_terminated: bool) -> Outcome {
    let failure = if is_terminated { pool_terminated() } else { of_shutdown(false) };
    Outcome::Failure(Arc::new(failure))
}

/// What every job of a terminated pool ends with.
pub(super) fn pool_terminated() -> Failure {
    Failure::new(FailureCode::PoolTerminated, "the pool was terminated before the job had ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_pool_answers_once_and_takes_no_work_any_more() {
        let (mut life, (reply, mut answer)) = (Life::Open, oneshot::channel());
        assert!(life.refusal().is_none());
        life.drain(reply);
        assert!(answer.try_recv().is_err() && life.refusal().is_some());
        life.drained();
        assert!(answer.try_recv().is_ok() && life.refusal().is_some());
        life.close();
        assert!(life.refusal().is_some() && life.is_closing() && !life.wants_workers(false));
    }

    #[test]
    fn nothing_leads_back() {
        let reply = || oneshot::channel().0;
        let mut life = Life::Closing;
        assert!(life.refusal().is_none() && life.wants_workers(true) && !life.wants_workers(false));
        life.terminate(reply());
        life.close();
        life.drain(reply());
        life.stop(reply());
        let outcome = life.refusal();
        let is_terminated = |failure: &Failure| failure.code == FailureCode::PoolTerminated;
        assert!(matches!(outcome, Some(Outcome::Failure(failure)) if is_terminated(&failure)));
        assert!(life.is_ending() && !life.wants_workers(true));
    }
}
