//! What the service refuses, as problems.

use super::Problem;
use crate::api::Invalid;
use crate::service::Refusal;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Starting => Self::starting(),
            Refusal::Draining => Self::draining(),
            Refusal::UnknownFunction { name, near } => Self::unknown_function(&name, near),
            Refusal::UnknownPool { name, known } => Self::unknown_pool(&name, &known.join(", ")),
            Refusal::WrongPool(function, pool) => Self::wrong_pool(&function, &pool),
            Refusal::PoolClosed(pool) => Self::pool_closed(&pool),
            Refusal::Quarantined(function, rest) => Self::function_quarantined(&function, rest),
            Refusal::Overloaded(overloaded) => Self::overloaded(&overloaded),
            Refusal::KeyMismatch => Self::idempotency_mismatch(),
            Refusal::KeyExpired => Self::answer_expired(),
            Refusal::KeysFull(full) => Self::keys_full(full),
            Refusal::Invalid { member, detail } => Invalid::new(member, detail).into(),
            Refusal::UnknownJob => Self::unknown_job(),
            Refusal::Expired => Self::expired(),
            Refusal::LostAtRestart => Self::lost_at_restart(),
            Refusal::NotFinished(handle) => Self::not_finished(&handle),
            Refusal::ResultTimeout(handle, waited) => Self::result_timeout(&handle, waited),
            Refusal::PoolExists(name) => Self::pool_exists(&name),
            Refusal::TooManyWorkers(error) => Self::too_many_workers(error),
            Refusal::Boot(failure) => Self::of_boot(&failure),
            Refusal::NotMade(pool) => Self::not_made(&pool),
            Refusal::PoolPermanent(pool) => Self::pool_permanent(&pool),
            Refusal::PoolRunning(pool) => Self::pool_running(&pool),
            Refusal::JoinTimeout(pool, waited) => Self::join_timeout(&pool, waited),
            Refusal::Unavailable(pool) => Self::unavailable(&pool),
            Refusal::UnknownProcess => Self::unknown_process(),
            Refusal::NotStarted { target, reason } => Self::of_not_started(&reason, &target),
            Refusal::Object(error) => error.into(),
        }
    }
}
