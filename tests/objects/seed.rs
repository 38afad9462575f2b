//! The introduction's examples, step by step over HTTP.

use serde_json::json;

use super::{make, meanwhile, server, shown, value};

#[test]
fn a_queue_and_a_pipe_bring_the_object_across() {
    let server = server(&[]);
    make(&server, "queues/q", &json!({}));
    let parent = meanwhile(&server, "queues/q/get", json!({"timeout": 20}));
    value(&server, "queues/q/put", &json!({"obj": [42, null, "hello"]}));
    assert_eq!(parent.join().expect("no panic").value(), json!([42, null, "hello"]));

    make(&server, "pipes/p", &json!({}));
    let parent = meanwhile(&server, "pipes/p/0/recv", json!({"timeout": 20}));
    value(&server, "pipes/p/1/send", &json!({"obj": [42, null, "hello"]}));
    value(&server, "pipes/p/1/close", &json!({}));
    assert_eq!(parent.join().expect("no panic").value(), json!([42, null, "hello"]));
}

#[test]
fn shared_memory_and_a_manager_hold_what_was_set() {
    let server = server(&[]);
    make(&server, "values/num", &json!({"typecode": "d", "value": 0.0}));
    make(&server, "arrays/arr", &json!({"typecode": "i", "values": (0..10).collect::<Vec<i32>>()}));
    value(&server, "values/num/set", &json!({"value": 3.1415927}));
    for index in 0..10 {
        let number = value(&server, "arrays/arr/get", &json!({"index": index})).as_i64().expect("a number");
        value(&server, "arrays/arr/set", &json!({"index": index, "value": -number}));
    }
    assert_eq!(value(&server, "values/num/get", &json!({})), json!(3.1415927));
    assert_eq!(value(&server, "arrays/arr/get", &json!({})), json!([0, -1, -2, -3, -4, -5, -6, -7, -8, -9]));

    make(&server, "dicts/d", &json!({}));
    make(&server, "lists/l", &json!({"values": (0..10).collect::<Vec<i32>>()}));
    for (key, item) in [(json!(1), json!("1")), (json!("2"), json!(2)), (json!(0.25), json!(null))] {
        value(&server, "dicts/d/__setitem__", &json!({"key": key, "value": item}));
    }
    value(&server, "lists/l/reverse", &json!({}));
    assert_eq!(shown(&server, "dicts/d", "items"), json!([[1, "1"], ["2", 2], [0.25, null]]));
    assert_eq!(shown(&server, "lists/l", "values"), json!([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]));
}
