//! `GET /v1/jobs`: filters and pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::Server;

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("a list has items: {page}"));
    items.iter().map(|job| job["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_empty_list_is_a_list() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/v1/jobs").value(), json!({"items": []}), "next_cursor is left out at the end");
}

#[test]
fn pages_cover_every_job_once() {
    let server = Server::start(&[]);
    let wanted: BTreeSet<String> = (0..25).map(|i| server.submit("square", &json!([i]))).collect();
    for limit in [1, 7, 24, 25, 26] {
        let mut seen = Vec::new();
        let mut path = format!("/v1/jobs?limit={limit}");
        let mut pages = 0;
        loop {
            let page = server.get(&path).value();
            let found = ids(&page);
            assert!(found.len() <= limit, "limit {limit}: {}", found.len());
            seen.extend(found);
            pages += 1;
            let Some(cursor) = page.get("next_cursor") else {
                break;
            };
            let cursor = cursor.as_str().expect("a cursor is a string");
            path = format!("/v1/jobs?limit={limit}&cursor={cursor}");
            assert!(pages < 100, "limit {limit}: the pages never end");
        }
        assert_eq!(seen.len(), wanted.len(), "limit {limit}: each once");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), wanted, "limit {limit}: all of them");
    }
}

#[test]
fn paging_goes_on_while_jobs_come_and_go() {
    let server = Server::start(&[]);
    let first: Vec<String> = (0..10).map(|i| server.submit("square", &json!([i]))).collect();
    for id in &first {
        server.result(id, 5.0).value();
    }
    let page = server.get("/v1/jobs?limit=5").value();
    let mut seen = ids(&page);
    let cursor = page["next_cursor"].as_str().expect("more is to come").to_owned();
    // The very job that the cursor may stand on is forgotten, and new ones come.
    server.delete(&format!("/v1/jobs/{}", seen[4]));
    (0..5).for_each(|i| drop(server.submit("square", &json!([i]))));
    let rest = server.get(&format!("/v1/jobs?limit=100&cursor={cursor}")).value();
    seen.extend(ids(&rest));
    for id in &first {
        assert_eq!(seen.iter().filter(|one| *one == id).count(), 1, "{id} once");
    }
}

#[test]
fn filters_by_state_and_function() {
    let server = Server::start(&["--workers", "1"]);
    let done = server.submit("square", &json!([2]));
    let failed = server.submit("fail", &json!(["x"]));
    server.result(&done, 5.0).value();
    server.result(&failed, 5.0).outcome("function-raised");
    let running = server.submit("nap", &json!([60]));
    server.worker_of(&running);
    let queued = server.submit("nap", &json!([60]));
    let cancelled = server.submit("nap", &json!([60]));
    server.cancel(&cancelled).value();

    let list = |query: &str| ids(&server.get(&format!("/v1/jobs?{query}")).value());
    let only = |query: &str, id: &String| assert_eq!(&list(query), std::slice::from_ref(id), "{query}");
    only("state=succeeded", &done);
    only("state=failed", &failed);
    only("state=running", &running);
    only("state=queued", &queued);
    only("state=cancelled", &cancelled);
    only("function=faults.square", &done);
    assert_eq!(list("function=faults.nap").len(), 3);
    only("function=faults.nap&state=running", &running);
    assert_eq!(list("function=faults.echo"), [""; 0]);
    for id in [&running, &queued] {
        server.cancel(id).value();
    }
}

#[test]
fn wrong_filters_are_named() {
    let server = Server::start(&[]);
    for (query, member) in [
        ("state=sleeping", "state"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=1.5", "limit"),
        ("cursor=not%20a%20cursor", "cursor"),
        ("bogus=1", "bogus"),
    ] {
        let problem = server.get(&format!("/v1/jobs?{query}")).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{query}: {problem}");
    }
}
