//! The HTTP API from outside, route by route: a real server, real workers, the contract's words.

mod support;

mod http {
    mod apply;
    mod bad_json;
    mod bad_requests;
    mod bad_timeouts;
    mod doors;
    mod every_operation;
    mod functions;
    mod jobs;
    mod jobs_list;
    mod knobs;
    mod map;
    mod names;
    mod negotiation;
    mod operations;
    mod outcomes;
    mod overload;
    mod pools;
    mod result;
    mod values;
}
