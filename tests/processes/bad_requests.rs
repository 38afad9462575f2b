//! What is no request for a process: each its status and code, and nothing is started.

use serde_json::{Value, json};

use super::{server, start};

#[test]
fn garbage_starts_nothing() {
    let server = server(&[]);
    let good = |more: Value| {
        let mut body = json!({"target": "processes.nothing"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let wrong = [
        (json!({}), "target"),
        (json!({"target": 1}), "target"),
        (good(json!({"args": {}})), "args"),
        (good(json!({"args": "x"})), "args"),
        (good(json!({"kwargs": []})), "kwargs"),
        (good(json!({"name": 1})), "name"),
        (good(json!({"name": "a\nb"})), "name"),
        (good(json!({"name": "x".repeat(257)})), "name"),
        (good(json!({"daemon": 1})), "daemon"),
        (good(json!({"daemon": "true"})), "daemon"),
        (good(json!({"group": null})), "group"),
        (good(json!({"pool": "python"})), "pool"),
    ];
    for (body, member) in wrong {
        let problem = server.post("/v1/processes", &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], member, "{body}: {problem}");
    }
    for text in ["", "[]", "{", "nul", "{\"target\":\"processes.nothing\",\"args\":[NaN]}"] {
        let answer = server.post_text("/v1/processes", text);
        answer.problem_of(400);
    }
    let near = server.post("/v1/processes", &json!({"target": "processes.nothin"}));
    let near = near.problem(404, "unknown-function");
    assert!(near["near"].to_string().contains("processes.nothing"), "{near}");
    let bytes = json!({"target": "processes.say", "args": [{"$bytes": "?"}]});
    let refused = server.post("/v1/processes", &bytes).problem(422, "invalid-arguments");
    assert_eq!(refused["path"], "$.args[0]", "{refused}");
    for reference in ["/v1/queues/none", "/v1/nothing/q", "x"] {
        let body = json!({"target": "processes.say", "args": [{"$forkpool": reference}]});
        server.post("/v1/processes", &body).problem(422, "unknown-ref");
    }
    let body = json!({"target": "processes.nothing"}).to_string();
    let text = [("Content-Type", "text/plain")];
    let answer = server.send("POST", "/v1/processes", &text, Some(body.as_bytes()));
    answer.problem(415, "unsupported-media-type");
    server.post_text("/v1/processes?name=x", &body).problem(400, "invalid-request");
    assert_eq!(server.get("/v1/processes").value(), json!({"items": []}), "nothing was started");
}

#[test]
fn unknown_processes_are_named_so() {
    let server = server(&[]);
    let none = ["x", "..%2f", "0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11", "00000000-0000-0000-0000-000000000000"];
    for id in none {
        server.get(&format!("/v1/processes/{id}")).problem(404, "unknown-process");
        server.get(&format!("/v1/processes/{id}/output")).problem(404, "unknown-process");
        for operation in ["join", "terminate", "kill"] {
            let path = format!("/v1/processes/{id}/{operation}");
            server.send("POST", &path, &[], None).problem(404, "unknown-process");
        }
    }
    let process = start(&server, "nothing", &json!([]));
    let path = format!("/v1/processes/{}", super::id(&process));
    for timeout in [json!(-1), json!("1"), json!(1e9), json!([])] {
        let body = json!({"timeout": timeout});
        let problem = server.post(&format!("{path}/join"), &body).problem(400, "invalid-request");
        assert_eq!(problem["member"], "timeout", "{problem}");
    }
    let ended = server.post(&format!("{path}/join"), &json!({"timeout": null})).value();
    assert_eq!(ended["alive"], false, "null is left out");
    server.post(&format!("{path}/kill"), &json!({"signal": 9})).problem(400, "invalid-request");
    server.send("DELETE", &path, &[], None).problem(405, "method-not-allowed");
    for query in ["limit=0", "limit=x", "limit=1001", "cursor=x", "state=alive"] {
        server.get(&format!("/v1/processes?{query}")).problem(400, "invalid-request");
    }
}
