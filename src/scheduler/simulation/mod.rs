//! Random histories against a plain model: whatever happens in whatever order, the scheduler's rules hold.
//!
//! [`world::World`] drives a scheduler with workers that are queues in memory, and a clock that is a number;
//! [`model`] says what should come of it, as simply as it can be said. The rules are checked after every step.
//!
//! A failure is shrunk to a short history and printed with its seed. `FORKPOOL_SIMULATION_STEPS` makes it longer than
//! in the gate, `FORKPOOL_SIMULATION_SEED` another one.

mod model;
mod world;

use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::core::sabotage::Bug;
use model::Rule;
use world::{Step, World};

/// Steps of one history, at most.
const HISTORY_MAX: usize = 300;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Runs histories of so many steps together; returns the first broken rule with a short history that breaks it.
fn simulate(bug: Option<Bug>, is_tight: bool, steps: u64, shrinks: u32) -> Result<(), (String, Vec<Step>)> {
    let cases = u32::try_from(steps / (HISTORY_MAX as u64 / 2)).expect("fewer steps");
    let config = Config { cases, max_shrink_iters: shrinks, failure_persistence: None, ..Config::default() };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&setting("FORKPOOL_SIMULATION_SEED", 1).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let history = proptest::collection::vec(any::<[u8; 4]>().prop_map(Step::of), 1..HISTORY_MAX);
    let ran = runner.run(&history, |steps| {
        World::new(bug, is_tight).run(&steps).map_err(|broken| TestCaseError::fail(broken.to_string()))
    });
    match ran {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, steps)) => Err((reason.to_string(), steps)),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

#[test]
fn no_history_breaks_a_rule() {
    let steps = setting("FORKPOOL_SIMULATION_STEPS", 100_000);
    if let Err((broken, history)) = simulate(None, false, steps, 5_000) {
        panic!("{broken}\nafter {history:#?}");
    }
}

/// While more answers wait to be taken than may, work waits for them, and all of it ends.
#[test]
fn no_history_hangs_where_answers_fill_the_room() {
    let steps = setting("FORKPOOL_SIMULATION_STEPS", 100_000);
    if let Err((broken, history)) = simulate(None, true, steps, 5_000) {
        panic!("{broken}\nafter {history:#?}");
    }
}

/// The simulation finds a planted bug, by a rule that it breaks.
fn finds(bug: Bug, rules: &[Rule]) {
    let (broken, history) = simulate(Some(bug), false, 100_000, 300).expect_err("the bug should be found");
    let named = rules.iter().any(|rule| broken.starts_with(&format!("{rule:?}")));
    assert!(named, "{bug:?} was found as {broken}\nafter {history:#?}");
}

#[test]
fn finds_a_returned_task_that_is_dropped() {
    finds(Bug::DropsReturnedTask, &[Rule::NothingLost, Rule::EndsOnce]);
}

#[test]
fn finds_a_task_that_is_handed_out_twice() {
    finds(Bug::HandsOutTwice, &[Rule::NothingTwice]);
}

#[test]
fn finds_a_permit_that_is_never_released() {
    finds(Bug::KeepsPermit, &[Rule::Limits]);
}

#[test]
fn finds_a_permit_that_is_released_too_early() {
    finds(Bug::ReleasesPermitEarly, &[Rule::Limits]);
}

#[test]
fn finds_that_another_pools_release_wakes_nobody() {
    finds(Bug::IgnoresWake, &[Rule::NothingLost]);
}

#[test]
fn finds_a_retry_that_is_forgotten() {
    finds(Bug::ForgetsRetry, &[Rule::NothingLost]);
}

#[test]
fn finds_a_queue_timeout_that_is_forgotten() {
    finds(Bug::ForgetsQueueTimeout, &[Rule::Timers]);
}

#[test]
fn finds_a_wake_up_that_comes_too_late() {
    finds(Bug::SleepsTooLong, &[Rule::Timers]);
}

#[test]
fn finds_that_priority_is_ignored() {
    finds(Bug::IgnoresPriority, &[Rule::Priority]);
}

#[test]
fn finds_that_keys_take_no_turns() {
    finds(Bug::IgnoresKeys, &[Rule::FairTurns]);
}

#[test]
fn finds_a_broken_order_within_a_key() {
    finds(Bug::LastComeFirstServed, &[Rule::OrderWithinKey]);
}

#[test]
fn finds_a_job_that_ends_twice() {
    finds(Bug::EndsTwice, &[Rule::EndsOnce]);
}

#[test]
fn finds_a_job_that_never_ends() {
    finds(Bug::NeverEnds, &[Rule::EndsOnce]);
}

#[test]
fn finds_parked_jobs_that_are_never_unparked() {
    finds(Bug::NeverUnparks, &[Rule::NothingLost]);
}

#[test]
fn finds_a_cancel_that_leaves_waiting_work() {
    finds(Bug::CancelLeavesWork, &[Rule::NothingTwice, Rule::EndsOnce]);
}

#[test]
fn finds_a_retry_loop_that_starves_other_keys() {
    finds(Bug::RetryTakesTurn, &[Rule::FairTurns]);
}

#[test]
fn finds_a_drain_that_ends_some_alone() {
    finds(Bug::DrainsOnce, &[Rule::EndsOnce, Rule::NothingTwice]);
}

#[test]
fn finds_an_abandoned_job_that_ends_before_its_tasks() {
    finds(Bug::AbandonEndsAtOnce, &[Rule::EndsOnce, Rule::States]);
}
