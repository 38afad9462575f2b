//! Rule 23 of the library: values and arrays.

use std::time::Duration;

use serde_json::{Value, json};

use super::{acquire, call, make, meanwhile, put, raised, server, shown, value};
use crate::support::proc;

#[test]
fn rule_23_whole_numbers_wrap_and_types_are_checked() {
    let server = server(&[]);
    for (name, typecode, given, want) in [
        ("a", "i", json!(1_099_511_627_781_i64), json!(5)),
        ("b", "b", json!(200), json!(-56)),
        ("c", "B", json!(-1), json!(255)),
        ("d", "H", json!(65_537), json!(1)),
        ("e", "Q", json!(-1), json!(18_446_744_073_709_551_615_u64)),
        ("f", "d", json!(3.1415927), json!(3.1415927)),
        ("g", "f", json!(0.5), json!(0.5)),
        ("h", "u", json!("é"), json!("é")),
        ("i", "c", json!({"$bytes": "YQ=="}), json!({"$bytes": "YQ=="})),
        ("j", "l", json!(-5), json!(-5)),
    ] {
        let path = format!("values/{name}");
        assert_eq!(
            make(&server, &path, &json!({"typecode": typecode, "value": given}))["value"],
            want,
            "{typecode}"
        );
        make(&server, &format!("values/zero_{name}"), &json!({"typecode": typecode}));
        value(&server, &format!("values/zero_{name}/set"), &json!({"value": given}));
        assert_eq!(value(&server, &format!("values/zero_{name}/get"), &json!({})), want, "{typecode}");
    }
    let message = raised(&server, "values/a/set", &json!({"value": "x"}));
    assert!(message.starts_with("TypeError: "), "{message}");
    let message = raised(&server, "values/f/set", &json!({"value": "x"}));
    assert_eq!(message, "TypeError: must be real number, not str");
    assert_eq!(value(&server, "values/a/add", &json!({})), 6);
    assert_eq!(value(&server, "values/b/add", &json!({"amount": -100})), 100, "it wraps");
    assert_eq!(value(&server, "values/f/add", &json!({"amount": 0.5})), json!(3.6415927));
    put(&server, "values/x", &json!({"typecode": "x"})).problem(400, "invalid-request");
    put(&server, "values/x", &json!({"typecode": "i", "value": 1.5})).problem(400, "invalid-request");
}

#[test]
fn rule_23_arrays() {
    let server = server(&[]);
    make(&server, "arrays/a", &json!({"typecode": "i", "values": [0, 1, 2, 3]}));
    make(&server, "arrays/zeros", &json!({"typecode": "d", "length": 3}));
    assert_eq!(value(&server, "arrays/zeros/get", &json!({})), json!([0.0, 0.0, 0.0]));
    assert_eq!(value(&server, "arrays/a/get", &json!({"index": -1})), 3);
    assert_eq!(value(&server, "arrays/a/get", &json!({"start": 1, "stop": -1})), json!([1, 2]));
    assert_eq!(value(&server, "arrays/a/get", &json!({"start": 9})), json!([]));
    value(&server, "arrays/a/set", &json!({"index": 0, "value": -7}));
    value(&server, "arrays/a/set", &json!({"start": 1, "stop": 3, "values": [10, 20]}));
    assert_eq!(shown(&server, "arrays/a", "values"), json!([-7, 10, 20, 3]));
    for index in [4, -5, i64::MAX, i64::MIN] {
        assert_eq!(raised(&server, "arrays/a/get", &json!({"index": index})), "IndexError: invalid index");
    }
    let short = json!({"start": 0, "stop": 2, "value": [1]});
    assert_eq!(raised(&server, "arrays/a/set", &short), "ValueError: Can only assign sequence of same size");
    assert!(raised(&server, "arrays/a/set", &json!({"index": 0, "value": null})).starts_with("TypeError: "));
    assert_eq!(shown(&server, "arrays/a", "values"), json!([-7, 10, 20, 3]), "nothing of that changed it");
    for (arguments, member) in [
        (json!({"typecode": "i"}), "values"),
        (json!({"typecode": "i", "values": [1], "length": 1}), "length"),
        (json!({"typecode": "i", "length": -1}), "length"),
        (json!({"typecode": "i", "length": 1_i64 << 40}), "length"),
        (json!({"typecode": "i", "values": ["x"]}), "values"),
        (json!({"values": [1]}), "typecode"),
    ] {
        assert_eq!(put(&server, "arrays/bad", &arguments).problem(400, "invalid-request")["member"], member);
    }
}

#[test]
fn rule_23_add_takes_the_lock_and_set_does_not() {
    let server = server(&[]);
    make(&server, "values/v", &json!({"typecode": "q"}));
    acquire(&server, "values/v", "a");
    assert_eq!(value(&server, "values/v/add", &json!({"owner": "a"})), 1, "its own lock");
    call(&server, "values/v/add", &json!({"timeout": 0.05})).problem(408, "result-timeout");
    let adding = meanwhile(&server, "values/v/add", json!({"amount": 10, "timeout": 20}));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!adding.is_finished());
    value(&server, "values/v/set", &json!({"value": 100}));
    assert_eq!(value(&server, "values/v/get", &json!({})), 100);
    value(&server, "values/v/release", &json!({"owner": "a"}));
    assert_eq!(adding.join().expect("no panic").value(), 110);
}

#[test]
fn rule_23_the_memory_is_a_sealed_memfd_that_goes_with_its_object() {
    let server = server(&[]);
    let blocks =
        || proc::descriptors(server.pid()).iter().filter(|fd| fd.contains("memfd:forkpool-shared")).count();
    assert_eq!(blocks(), 0);
    make(&server, "values/v", &json!({"typecode": "i"}));
    make(&server, "arrays/a", &json!({"typecode": "d", "length": 100_000}));
    assert_eq!(blocks(), 2);
    for path in ["/v1/values/v", "/v1/arrays/a"] {
        assert_eq!(server.delete(path).status, 204);
    }
    assert_eq!(blocks(), 0);
}

#[test]
fn a_number_that_json_cannot_say_is_told() {
    let server = server(&[]);
    put(&server, "values/v", &json!({"typecode": "f"})).value();
    assert_eq!(
        value(&server, "values/v/set", &json!({"value": 1e300})),
        Value::Null,
        "as ctypes: it is infinite"
    );
    call(&server, "values/v/get", &json!({})).problem(422, "result-not-json");
    server.get("/v1/values/v").problem(422, "result-not-json");
}
