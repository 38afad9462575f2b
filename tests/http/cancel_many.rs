//! `POST /v1/jobs/cancel`: every job that matches.

use serde_json::json;

use crate::support::Server;

#[test]
fn those_with_the_tag_end_and_others_go_on() {
    let server = Server::start(&["--workers", "1"]);
    let submit = |tag: &str| {
        let nap = if tag == "wanted" { 60.0 } else { 0.4 };
        let body = json!({"function": "faults.nap", "args": [nap], "tags": [tag, "all"]});
        server.post("/v1/apply_async", &body).accepted()
    };
    let first = submit("other");
    let wanted: Vec<_> = (0..3).map(|_| submit("wanted")).collect();
    assert_eq!(server.post("/v1/jobs/cancel", &json!({"tag": "wanted"})).value(), json!({"cancelled": 3}));
    for id in &wanted {
        assert_eq!(server.job(id)["state"], "cancelled");
    }
    assert_eq!(server.result(&first, 10.0).value(), 0.4);
    assert_eq!(server.post("/v1/jobs/cancel", &json!({"tag": "all"})).value(), json!({"cancelled": 0}));
}

#[test]
fn it_needs_a_member_and_knows_its_members() {
    let server = Server::start(&[]);
    for (body, member) in [
        (json!({}), "tag"),
        (json!({"state": "succeeded"}), "state"),
        (json!({"tag": 1}), "tag"),
        (json!({"tags": ["a"]}), "tags"),
    ] {
        let problem = server.post("/v1/jobs/cancel", &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{body}");
    }
}
