//! The options of submissions from outside: what each promises, and that each wrong one is named.

mod bad_input;
mod cancelled_retries;
mod ended_in_a_pause;
mod fair_turns;
mod kept_terms;
mod many_retries;
mod priority;
mod queue_timeout;
mod retries;
mod retries_in_the_queue;
mod run_timeout;
mod ttl_and_tags;
mod unread;
mod verbs;
