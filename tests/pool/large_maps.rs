//! Large arguments and values: a map of 16 MB in and out never stands still.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, scaled};

const ROUND: Duration = Duration::from_secs(30);

#[test]
fn sixteen_megabytes_in_and_out_never_stand_still() {
    let server = Server::start(&[]);
    // 1,600 texts of 10 KB; the chunk sizes make frames of 10 KB, 100 KB, 1 MB and 2 MB.
    let items: Vec<Value> = (0..1_600).map(|i| json!(format!("{i:010}").repeat(1_000))).collect();
    let wanted = Value::from(items).to_string();
    let bodies = [r#""chunksize":1,"#, r#""chunksize":10,"#, r#""chunksize":100,"#, ""]
        .map(|chunksize| format!(r#"{{{chunksize}"function":"faults.echo","iterable":{wanted}}}"#));
    let client = server.keeping();
    for round in 0..scaled(100) {
        let answer = client.post_text("/v1/map", &bodies[round % bodies.len()]);
        assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
        assert_eq!(answer.body.len(), wanted.len(), "round {round}");
        assert!(answer.body == wanted.as_bytes(), "round {round}: another text came back");
        assert!(answer.took < ROUND, "round {round} took {:?}", answer.took);
    }
}

#[test]
fn several_of_them_at_once() {
    let server = Server::start(&[]);
    let items: Vec<Value> = (0..400).map(|i| json!(format!("{i:010}").repeat(1_000))).collect();
    let wanted = Value::from(items).to_string();
    let body = format!(r#"{{"chunksize":50,"function":"faults.echo","iterable":{wanted}}}"#);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let answer = server.post_text("/v1/map", &body);
                    assert!(answer.status == 200 && answer.body == wanted.as_bytes(), "{}", answer.text());
                    assert!(answer.took < ROUND, "{:?}", answer.took);
                }
            });
        }
    });
}

#[test]
fn an_argument_of_sixteen_megabytes() {
    let server = Server::start(&[]);
    let text = "0123456789abcdef".repeat(1 << 20);
    let answer = server.apply("echo", &json!([text]));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.value() == text, "another text came back");
}

#[test]
fn arguments_around_one_packet() {
    let server = Server::start(&["--workers", "1"]);
    let client = server.keeping();
    (0..100).for_each(|_| drop(client.apply("echo", &json!([0])).value()));
    for length in (4_000..4_200).chain(65_400..65_560) {
        let text = "p".repeat(length);
        assert_eq!(client.apply("echo", &json!([text])).value(), text, "{length} bytes");
    }
    // Small ones and large ones in one crowd.
    let lengths: Vec<usize> = (0..60).map(|i| (i * 977) % 9_000).collect();
    let ids: Vec<_> =
        lengths.iter().map(|length| client.submit("echo", &json!(["q".repeat(*length)]))).collect();
    for (length, id) in lengths.iter().zip(&ids) {
        assert_eq!(client.result(id, 20.0).value(), "q".repeat(*length));
    }
}

#[test]
fn a_map_of_a_hundred_thousand_numbers() {
    let server = Server::start(&[]);
    let numbers: Vec<u64> = (0..100_000).collect();
    let squares: Vec<u64> = numbers.iter().map(|x| x * x).collect();
    assert!(server.map("square", &json!(numbers)).value() == json!(squares), "each its square, in order");
}
