//! The options of submissions from outside: what each promises, and that each wrong one is named.

mod support;

mod options {
    mod bad_input;
    mod fair_turns;
    mod kept_terms;
    mod many_retries;
    mod priority;
    mod queue_timeout;
    mod retries;
    mod run_timeout;
    mod ttl_and_tags;
    mod verbs;
}
