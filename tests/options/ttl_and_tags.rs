//! `result_ttl`, `tags`, `durable`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::verbs::{Verbs, body};
use crate::support::{Gate, wait_until};

/// Seconds from a job's end to its expiry.
fn kept_for(job: &Value) -> f64 {
    let moment = |name: &str| -> Timestamp {
        let text = job[name].as_str().unwrap_or_else(|| panic!("no {name}: {job}"));
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    moment("expires_at").duration_since(moment("finished_at")).as_secs_f64()
}

fn ids(server: &Verbs, query: &str) -> Vec<String> {
    let page = server.get(&format!("/v1/jobs{query}")).value();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|job| job["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_value_is_kept_as_long_as_asked() {
    let server = Verbs::start(1);
    for (ttl, seconds) in [(json!(5.5), 5.5), (json!(7_200), 7_200.0), (json!(31_622_400), 31_622_400.0)] {
        let id = server.job_of("apply_async", "nap_echo", &json!([[0, 1]]), &json!({"result_ttl": ttl}));
        server.result(&id, 5.0).value();
        let job = server.job(&id);
        assert!((kept_for(&job) - seconds).abs() < 0.05, "{ttl}: {job}");
    }
    let id = server.job_of("apply_async", "nap_echo", &json!([[0, 1]]), &json!({}));
    server.result(&id, 5.0).value();
    assert!((kept_for(&server.job(&id)) - 3_600.0).abs() < 0.05, "the default is an hour");
}

#[test]
fn then_it_is_410_for_good_and_others_stay() {
    let server = Verbs::start(1);
    let short = json!({"result_ttl": 5});
    let call = server.job_of("apply_async", "nap_echo", &json!([[0, 1]]), &short);
    let map = server.job_of("map_async", "nap_echo", &json!([[0, 1], [0, 2]]), &short);
    let other = server.job_of("apply_async", "nap_echo", &json!([[0, 3]]), &json!({}));
    for id in [&call, &map, &other] {
        server.result(id, 5.0).value();
    }
    assert_eq!(server.result(&map, 0.0).value(), json!([1, 2]), "it may be read again until then");
    for id in [&call, &map] {
        let mut last = 0;
        wait_until(Duration::from_secs(15), "it expires", || {
            last = server.result(id, 0.0).status;
            last != 200
        });
        assert_eq!(last, 410);
        server.result(id, 0.0).problem(410, "expired");
        server.get(&format!("/v1/jobs/{id}")).problem(410, "expired");
        server.cancel(id).problem(410, "expired");
    }
    assert_eq!(ids(&server, ""), [other.as_str()]);
    assert_eq!(server.result(&other, 0.0).value(), 3);
}

#[test]
fn a_job_has_no_expiry_while_it_runs() {
    let server = Verbs::start(1);
    let gate = Gate::shut();
    let held = json!([[gate.path(), "x"]]);
    let id = server.job_of("apply_async", "hold_echo", &held, &json!({"result_ttl": 10}));
    server.worker_of(&id);
    assert!(server.job(&id).get("expires_at").is_none());
    std::thread::sleep(Duration::from_millis(500));
    gate.open();
    assert_eq!(server.result(&id, 10.0).value(), "x");
    assert!((kept_for(&server.job(&id)) - 10.0).abs() < 0.05, "its time begins with its end");
}

#[test]
fn tags_are_told_and_listed_by() {
    let server = Verbs::start(1);
    let strange = "ä b&c=d/%";
    let table = [json!(["a"]), json!(["a", "b"]), json!(["b", strange]), json!([])];
    let made: Vec<String> = table
        .iter()
        .map(|tags| server.job_of("apply_async", "nap_echo", &json!([[0, 1]]), &json!({"tags": tags})))
        .collect();
    let untagged = server.submit("square", &json!([2]));
    let map = server.job_of("map_async", "nap_echo", &json!([[0, 1]]), &json!({"tags": ["b"]}));
    for (id, tags) in made.iter().zip(&table) {
        server.result(id, 5.0).value();
        assert_eq!(&server.job(id)["tags"], tags, "in their order");
    }
    assert_eq!(server.job(&untagged)["tags"], json!([]));
    server.result(&map, 5.0).value();
    // The newest first.
    assert_eq!(ids(&server, "?tag=a"), [made[1].as_str(), &made[0]]);
    assert_eq!(ids(&server, "?tag=b"), [map.as_str(), &made[2], &made[1]]);
    assert_eq!(ids(&server, "?tag=%C3%A4%20b%26c%3Dd%2F%25"), [made[2].as_str()]);
    assert_eq!(ids(&server, "?tag=A"), [""; 0], "letters count");
    assert_eq!(ids(&server, "?tag=b&function=verbs.nap_echo&state=succeeded&limit=2").len(), 2);
    assert_eq!(ids(&server, "?tag=b&state=failed"), [""; 0]);
}

#[test]
fn a_page_of_a_tag_goes_on_where_it_ended() {
    let server = Verbs::start(1);
    for i in 0..10 {
        let tags = if i % 2 == 0 { json!(["even"]) } else { json!(["odd"]) };
        server.job_of("apply_async", "nap_echo", &json!([[0, i]]), &json!({"tags": tags}));
    }
    let whole = ids(&server, "?tag=even");
    assert_eq!(whole.len(), 5);
    let (mut paged, mut query) = (Vec::new(), "?tag=even&limit=2".to_owned());
    loop {
        let page = server.get(&format!("/v1/jobs{query}")).value();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        paged.extend(items.iter().filter_map(|job| job["id"].as_str().map(str::to_owned)));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("?tag=even&limit=2&cursor={next}");
    }
    assert_eq!(paged, whole);
}

#[test]
fn without_a_data_directory_nothing_is_durable() {
    let server = Verbs::start(1);
    for verb in ["apply", "apply_async", "map", "map_async", "starmap", "starmap_async"] {
        let path = server.path("ran");
        let given = if verb.starts_with("apply") { json!([path, "x"]) } else { json!([[path, "x"]]) };
        let ask = |durable: bool| body(verb, "verbs.write", &given, &json!({"durable": durable}));
        server.post(&format!("/v1/{verb}"), &ask(true)).problem(400, "not-durable");
    }
    assert_eq!(server.apply("square", &json!([1])).value(), 1);
    assert!(server.words("ran").is_empty(), "nothing of it ran");
    let id = server.job_of("apply_async", "nap_echo", &json!([[0, 1]]), &json!({"durable": false}));
    server.result(&id, 5.0).value();
    assert_eq!(server.job(&id)["durable"], false);
}
