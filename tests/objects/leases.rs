//! Leases and tokens: what is held by somebody who doesn't come back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rules::becomes;
use super::{acquire, call, make, meanwhile, refused, server, value};

#[test]
fn the_end_of_a_lease_hands_the_lock_on_and_tells() {
    let server = server(&[]);
    make(&server, "locks/l", &json!({}));
    let start = Instant::now();
    let first = value(&server, "locks/l/acquire", &json!({"lease": 0.4, "owner": "a"}));
    let next = meanwhile(&server, "locks/l/acquire", json!({"timeout": 20, "owner": "b"}));
    let next = next.join().expect("no panic").value();
    assert!(start.elapsed() >= Duration::from_millis(400), "not before its end: {:?}", start.elapsed());
    assert_eq!((&next["acquired"], &next["recovered"]), (&json!(true), &json!(true)));
    assert!(next["token"].as_i64() > first["token"].as_i64());
    refused(&server, "locks/l/release", &json!({"token": first["token"]}), "stale-token");
    refused(&server, "locks/l/renew", &json!({"token": first["token"], "lease": 5}), "stale-token");
    assert_eq!(value(&server, "locks/l/locked", &json!({})), true, "b's hold is untouched");
    assert_eq!(value(&server, "locks/l/release", &json!({"token": next["token"]})), Value::Null);
    let after = value(&server, "locks/l/acquire", &json!({"block": false}));
    assert_eq!(after["recovered"], false, "told once");
}

#[test]
fn a_lease_ends_where_nobody_waits_too() {
    let server = server(&[]);
    make(&server, "semaphores/s", &json!({"value": 2}));
    value(&server, "semaphores/s/acquire", &json!({}));
    value(&server, "semaphores/s/acquire", &json!({"lease": 0.1}));
    becomes(&server, "semaphores/s", "free", &json!(1));
    let next = value(&server, "semaphores/s/acquire", &json!({"block": false}));
    assert_eq!((&next["acquired"], &next["recovered"]), (&json!(true), &json!(true)));
}

#[test]
fn a_renewed_lease_goes_on() {
    let server = server(&[]);
    make(&server, "rlocks/r", &json!({}));
    let token = value(&server, "rlocks/r/acquire", &json!({"owner": "a", "lease": 3}))["token"].clone();
    let renewed = value(&server, "rlocks/r/renew", &json!({"token": token, "lease": 30}));
    assert_eq!(renewed, json!({"token": token, "lease": 30.0}));
    let other = value(&server, "rlocks/r/acquire", &json!({"owner": "b", "timeout": 3.3}));
    assert_eq!(other, json!({"acquired": false}), "still a's after its first lease");
    value(&server, "rlocks/r/renew", &json!({"token": token, "lease": 0.1}));
    let other = value(&server, "rlocks/r/acquire", &json!({"owner": "b", "timeout": 10}));
    assert_eq!((&other["acquired"], &other["recovered"]), (&json!(true), &json!(true)));
    make(&server, "locks/l", &json!({}));
    let token = acquire(&server, "locks/l", "a");
    let problem = call(&server, "locks/l/renew", &json!({"token": token})).problem(400, "invalid-request");
    assert_eq!(problem["member"], "lease", "it has none yet");
    value(&server, "locks/l/renew", &json!({"token": token, "lease": 0.1}));
    becomes(&server, "locks/l", "locked", &json!(false));
}

#[test]
fn tokens_only_grow_across_a_new_making_and_a_new_server() {
    let mut last = 0;
    for _ in 0..2 {
        let server = server(&[]);
        for _ in 0..3 {
            make(&server, "locks/l", &json!({}));
            let token = acquire(&server, "locks/l", "a");
            assert!(token > last, "{token} after {last}");
            last = token;
            server.delete("/v1/locks/l");
        }
    }
    assert!(last < 1 << 53, "a double holds it");
}

#[test]
fn a_stale_token_does_nothing_where_the_owner_is_right() {
    let server = server(&[]);
    make(&server, "rlocks/r", &json!({}));
    let old = acquire(&server, "rlocks/r", "a");
    value(&server, "rlocks/r/release", &json!({"owner": "a", "token": old}));
    let new = acquire(&server, "rlocks/r", "a");
    refused(&server, "rlocks/r/release", &json!({"owner": "a", "token": old}), "stale-token");
    refused(&server, "rlocks/r/release", &json!({"owner": "b", "token": new}), "not-owner");
    value(&server, "rlocks/r/release", &json!({"owner": "a", "token": new}));
}
