//! `GET /v1/jobs/{id}` with its wait, `POST …/cancel`, `DELETE`.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::{Gate, Server, on_time, promised, wait_until};

const MEMBERS: [&str; 19] = [
    "id",
    "kind",
    "function",
    "pool",
    "state",
    "ready",
    "successful",
    "progress",
    "attempts",
    "durable",
    "chunksize",
    "run_timeout",
    "tags",
    "created_at",
    "started_at",
    "finished_at",
    "expires_at",
    "error",
    "links",
];

fn seconds(job: &Value, member: &str) -> f64 {
    let text = job[member].as_str().unwrap_or_else(|| panic!("no {member}: {job}"));
    assert!(text.ends_with('Z'), "{member} is UTC: {text}");
    let time: jiff::Timestamp = text.parse().unwrap_or_else(|error| panic!("{member} {text}: {error}"));
    time.as_duration().as_secs_f64()
}

fn check_members(job: &Value) {
    let members = job.as_object().unwrap_or_else(|| panic!("a job is an object: {job}"));
    for (name, value) in members {
        assert!(MEMBERS.contains(&name.as_str()), "a member beyond the contract: {name} in {job}");
        assert!(!value.is_null(), "null instead of absent: {name} in {job}");
    }
    for name in ["id", "kind", "function", "pool", "state", "created_at"] {
        assert!(job[name].is_string(), "{name} in {job}");
    }
    assert!(job["ready"].is_boolean() && job["durable"] == false && job["attempts"].is_u64(), "{job}");
    assert!(job["progress"]["done"].is_u64() && job["progress"]["total"].is_u64(), "{job}");
    assert_eq!(job["successful"].is_boolean(), job["ready"] == true, "successful once ready: {job}");
    let links: Vec<&str> =
        job["links"].as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str()).collect();
    let place = format!("/v1/jobs/{}", job["id"].as_str().unwrap_or_default());
    assert!(links.iter().any(|link| link.ends_with(&place)), "a link to itself: {job}");
    assert!(
        links.iter().any(|link| link.ends_with(&format!("{place}/result"))),
        "a link to its result: {job}"
    );
}

#[test]
fn a_job_tells_its_life() {
    let server = Server::start(&["--workers", "1"]);
    let gate = Gate::shut();
    let running = server.submit("hold", &json!([gate.path()]));
    let queued = server.submit("square", &json!([3]));
    server.worker_of(&running);

    let job = server.job(&running);
    check_members(&job);
    assert_eq!((&job["state"], &job["ready"]), (&json!("running"), &json!(false)));
    assert_eq!((&job["function"], &job["pool"]), (&json!("faults.hold"), &json!("python")));
    assert_eq!((&job["attempts"], &job["progress"]), (&json!(1), &json!({"done": 0, "total": 1})));
    assert!(job["kind"].as_str().is_some_and(|kind| kind.starts_with("apply")), "{job}");
    assert!(seconds(&job, "created_at") <= seconds(&job, "started_at"));

    let job = server.job(&queued);
    check_members(&job);
    assert_eq!((&job["state"], &job["ready"]), (&json!("queued"), &json!(false)), "behind a head: {job}");
    assert!(job.get("started_at").is_none() && job.get("finished_at").is_none(), "{job}");

    gate.open();
    let job = server.get(&format!("/v1/jobs/{queued}?wait=20")).value();
    check_members(&job);
    assert_eq!((&job["state"], &job["successful"]), (&json!("succeeded"), &json!(true)));
    assert_eq!(job["progress"], json!({"done": 1, "total": 1}));
    assert!(job.get("error").is_none(), "{job}");
    assert!(seconds(&job, "started_at") <= seconds(&job, "finished_at"));
    let kept = seconds(&job, "expires_at") - seconds(&job, "finished_at");
    assert!((kept - 3_600.0).abs() < 2.0, "a result is kept an hour: {kept}");
}

#[test]
fn times_are_the_clocks() {
    let server = Server::start(&[]);
    let before = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
    let id = server.submit("square", &json!([2]));
    let after = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
    let created = seconds(&server.job(&id), "created_at");
    assert!(before - 0.01 <= created && created <= after + 0.01, "{before} {created} {after}");
}

#[test]
fn a_failed_job_holds_its_error() {
    let server = Server::start(&[]);
    let id = server.submit("fail", &json!(["why"]));
    let job = server.get(&format!("/v1/jobs/{id}?wait=10")).value();
    check_members(&job);
    assert_eq!(
        (&job["state"], &job["ready"], &job["successful"]),
        (&json!("failed"), &json!(true), &json!(false))
    );
    assert_eq!(job["error"]["code"], "function-raised", "{job}");
    assert_eq!(job["error"]["exception"]["type"], "ValueError", "{job}");
    let kept = seconds(&job, "expires_at") - seconds(&job, "finished_at");
    assert!((kept - 86_400.0).abs() < 2.0, "a failure is kept a day: {kept}");
}

#[test]
fn wait_ends_when_the_job_does_or_time_is_up() {
    on_time(|| {
        let server = Server::start(&[]);
        let gate = Gate::shut();
        let id = server.submit("hold", &json!([gate.path()]));
        let early = server.get(&format!("/v1/jobs/{id}?wait=0.2"));
        assert_eq!(early.value()["ready"], false);
        assert!(early.took >= Duration::from_millis(200), "{:?}", early.took);
        promised(early.took, Duration::from_millis(700), "a wait of 0.2 s");
        let at_once = server.get(&format!("/v1/jobs/{id}"));
        assert_eq!(at_once.value()["ready"], false);
        let (late, told) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let answer = server.get(&format!("/v1/jobs/{id}?wait=40"));
                (answer, Instant::now())
            });
            std::thread::sleep(Duration::from_millis(200));
            let opened = Instant::now();
            gate.open();
            let (answer, told) = waiting.join().expect("the client thread ends well");
            (answer, told.saturating_duration_since(opened))
        });
        assert_eq!(late.value()["ready"], true);
        promised(told, Duration::from_secs(2), "the end of a job ends a wait");
    });
}

#[test]
fn cancel_drops_queued_work_and_kills_running_work() {
    let server = Server::start(&["--workers", "1"]);
    let running = server.submit("nap", &json!([60]));
    let queued = server.submit("nap", &json!([60]));
    let worker = server.worker_of(&running);
    let job = server.cancel(&queued).value();
    check_members(&job);
    assert_eq!((&job["state"], &job["ready"]), (&json!("cancelled"), &json!(true)), "{job}");
    server.cancel(&running).value();
    let problem = server.result(&running, 5.0).outcome("cancelled");
    assert_eq!(problem["instance"], format!("/v1/jobs/{running}"));
    server.result(&queued, 0.0).outcome("cancelled");
    assert_eq!(server.job(&running)["state"], "cancelled");
    assert_eq!(server.job(&running)["successful"], false);
    assert_ne!(
        server.apply("pid", &json!([])).value(),
        worker.pid,
        "the worker of the cancelled job is gone"
    );
}

#[test]
fn cancel_leaves_finished_work_unchanged() {
    let server = Server::start(&[]);
    let id = server.submit("square", &json!([4]));
    assert_eq!(server.result(&id, 5.0).value(), 16);
    let before = server.job(&id);
    assert_eq!(server.cancel(&id).value(), before);
    assert_eq!(server.result(&id, 0.0).value(), 16);
    let unknown = "00000000-0000-4000-8000-000000000000";
    server.cancel(unknown).problem(404, "unknown-job");
}

#[test]
fn cancel_of_a_map_ends_all_its_chunks() {
    let server = Server::start(&[]);
    let body = json!({"function": "faults.nap", "iterable": vec![30; 20], "chunksize": 1});
    let id = server.post("/v1/map_async", &body).accepted();
    wait_until(Duration::from_secs(5), "both workers are busy", || {
        server.workers().iter().all(|worker| worker.state == "busy")
    });
    server.cancel(&id).value();
    server.result(&id, 5.0).outcome("cancelled");
    let answer = server.apply("square", &json!([2]));
    assert_eq!(answer.value(), 4);
    assert!(answer.took < Duration::from_secs(5), "no chunk went on: {:?}", answer.took);
}

#[test]
fn delete_forgets_a_finished_job() {
    let server = Server::start(&[]);
    let id = server.submit("square", &json!([4]));
    server.result(&id, 5.0).value();
    let answer = server.delete(&format!("/v1/jobs/{id}"));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    server.get(&format!("/v1/jobs/{id}")).problem(404, "unknown-job");
    server.result(&id, 0.0).problem(404, "unknown-job");
    server.cancel(&id).problem(404, "unknown-job");
    server.delete(&format!("/v1/jobs/{id}")).problem(404, "unknown-job");
}

#[test]
fn delete_of_an_unfinished_job_is_refused() {
    let server = Server::start(&["--workers", "1"]);
    let running = server.submit("nap", &json!([60]));
    let queued = server.submit("nap", &json!([60]));
    server.worker_of(&running);
    for id in [&running, &queued] {
        server.delete(&format!("/v1/jobs/{id}")).problem(409, "not-finished");
        server.cancel(id).value();
    }
    server.result(&running, 5.0).outcome("cancelled");
    assert_eq!(server.delete(&format!("/v1/jobs/{running}")).status, 204);
}

#[test]
fn synchronous_jobs_are_listed_while_they_run_and_then_forgotten() {
    let server = Server::start(&[]);
    let gate = Gate::shut();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| server.apply("hold", &json!([gate.path()])));
        let mut id = String::new();
        wait_until(Duration::from_secs(5), "the call is listed", || {
            let page = server.get("/v1/jobs").value();
            id = page["items"][0]["id"].as_str().unwrap_or_default().to_owned();
            !id.is_empty()
        });
        check_members(&server.job(&id));
        gate.open();
        let answer = call.join().expect("the client thread ends well");
        assert_eq!(answer.value(), gate.path());
        assert_eq!(answer.header("forkpool-job"), Some(id.as_str()));
        server.get(&format!("/v1/jobs/{id}")).problem(404, "unknown-job");
        assert_eq!(server.get("/v1/jobs").value()["items"], json!([]), "forgotten once answered");
    });
}

#[test]
fn results_expire_and_are_remembered_as_expired() {
    let server = Server::start(&["--result-ttl", "1"]);
    let id = server.submit("square", &json!([4]));
    let place = format!("/v1/jobs/{id}");
    wait_until(Duration::from_secs(10), "the result expires", || server.get(&place).status != 200);
    server.get(&place).problem(410, "expired");
    server.get(&format!("{place}/result?timeout=1")).problem(410, "expired");
    assert_eq!(server.get("/v1/jobs").value()["items"], json!([]));
}

#[test]
fn an_id_tells_whether_its_job_was_before_the_start() {
    let server = Server::start(&[]);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let version_7 = |millis: u128| {
        let (high, low) = (millis >> 16, millis & 0xffff);
        format!("{high:08x}-{low:04x}-7abc-8def-0123456789ab")
    };
    for path in ["", "/result?timeout=0"] {
        let ask = |id: &str| server.get(&format!("/v1/jobs/{id}{path}"));
        ask(&version_7(now - 3_600_000)).problem(410, "lost-at-restart");
        ask(&version_7(now + 3_600_000)).problem(404, "unknown-job");
        ask("6fa459ea-ee8a-4ca4-894e-db77e160355e").problem(404, "unknown-job");
        ask("not-an-id").problem(404, "unknown-job");
        ask("1").problem(404, "unknown-job");
        ask("%00").problem(404, "unknown-job");
    }
    let old = version_7(now - 3_600_000);
    server.cancel(&old).problem(410, "lost-at-restart");
    server.delete(&format!("/v1/jobs/{old}")).problem(410, "lost-at-restart");
}
