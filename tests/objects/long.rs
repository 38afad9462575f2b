//! Operations that take long hold up nobody but those who want the same object.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{call, make, server, value};
use crate::support::{Looks, Server, on_time, promised, scaled};

/// Of 99 in 100 looks at `/livez` meanwhile.
const LIVE: Duration = Duration::from_millis(50);

/// Looks at `/livez` until `work` is over. On a machine with other work both are slow: a server that is held up lets a
/// look wait for as long as the work takes.
fn live_meanwhile(server: &Server, what: &str, work: impl FnOnce(&Server) + Send) {
    let looks = Looks::during(server, work);
    let bound = LIVE.max(looks.elapsed / 4);
    promised(looks.percentile(99), bound, &format!("{} looks at /livez beside {what}", looks.count()));
}

#[test]
fn the_server_answers_while_lists_and_dicts_are_worked_on() {
    on_time(|| {
        let server = Server::alone(&["--builtin", "--workers", "1"]);
        let many = scaled(100_000);
        let floats: Vec<f64> = (0..many).map(|at| (at * 7_919 % many) as f64 + 0.5).collect();
        let pairs: Vec<(String, usize)> = (0..many).map(|at| (format!("key-{at}"), at)).collect();
        let nested = vec![json!([vec![json!({"a": 0}); 1_000]]); many / 1_000];
        live_meanwhile(&server, "PUT of a list", |server| {
            make(server, "lists/l", &json!({"values": floats}));
        });
        live_meanwhile(&server, "PUT of a dict", |server| {
            make(server, "dicts/d", &json!({"items": pairs}));
        });
        make(&server, "lists/nested", &json!({"values": nested}));
        for (method, arguments) in [
            ("lists/l/sort", json!({})),
            ("lists/l/count", json!({"value": 0.5})),
            ("lists/nested/count", json!({"value": [[{"a": 0}]]})),
            ("lists/l/copy", json!({})),
            ("dicts/d/items", json!({})),
            ("lists/l/clear", json!({})),
        ] {
            live_meanwhile(&server, method, |server| {
                value(server, method, &arguments);
            });
        }
        live_meanwhile(&server, "DELETE of a dict", |server| {
            assert_eq!(server.delete("/v1/dicts/d").status, 204);
        });
    });
}

/// Calls of one object are answered in the order in which they came, however long one takes.
#[test]
fn an_append_beside_a_sort_comes_before_or_after_it() {
    let server = server(&[]);
    let many = scaled(100_000);
    let numbers: Vec<usize> = (0..many).rev().collect();
    make(&server, "lists/l", &json!({"values": numbers}));
    thread::scope(|scope| {
        let sort = scope.spawn(|| value(&server, "lists/l/sort", &json!({})));
        for at in 0..20 {
            call(&server, "lists/l/append", &json!({"object": many + at})).value();
        }
        assert_eq!(sort.join().expect("it ends well"), Value::Null);
    });
    let all: Vec<usize> = (0..many + 20).collect();
    assert_eq!(value(&server, "lists/l/copy", &json!({})), json!(all), "nothing was lost");
}
