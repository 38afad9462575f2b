//! Rules 24 and 25 of the library: the Manager's dicts, lists and namespaces.

use serde_json::{Value, json};

use super::{call, make, raised, refused, server, shown, value};

#[test]
fn rule_24_values_are_copies_and_errors_keep_their_type() {
    let server = server(&[]);
    make(&server, "dicts/d", &json!({}));
    value(&server, "dicts/d/__setitem__", &json!({"key": "l", "value": [1]}));
    assert_eq!(value(&server, "dicts/d/__getitem__", &json!({"key": "l"})), json!([1]));
    let problem = call(&server, "dicts/d/__getitem__", &json!({"key": 2.5})).problem(409, "method-raised");
    assert_eq!(problem["exception"], json!({"type": "KeyError", "message": "2.5", "args": [2.5]}));
    call(&server, "dicts/d/fromkeys", &json!({})).problem(404, "unknown-method");
    call(&server, "lists/none/append", &json!({"object": 1})).problem(404, "unknown-object");
}

#[test]
fn rule_25_dicts_have_every_method_of_the_proxy() {
    let server = server(&[]);
    make(&server, "dicts/d", &json!({"items": [[1, "one"], ["1", "text"]]}));
    let call = |method: &str, arguments: Value| value(&server, &format!("dicts/d/{method}"), &arguments);
    assert_eq!(call("__len__", json!({})), 2);
    assert_eq!(call("__contains__", json!({"key": 1.0})), true);
    assert_eq!(call("__contains__", json!({"key": true})), true);
    assert_eq!(call("__contains__", json!({"key": 2})), false);
    assert_eq!(call("__getitem__", json!({"key": "1"})), "text");
    call("__setitem__", json!({"key": true, "value": "still the key 1"}));
    assert_eq!(call("items", json!({})), json!([[1, "still the key 1"], ["1", "text"]]));
    call("__delitem__", json!({"key": 1.0}));
    assert_eq!(call("__iter__", json!({})), json!(["1"]));
    assert_eq!(call("get", json!({"key": 9})), Value::Null);
    assert_eq!(call("get", json!({"key": 9, "default": "x"})), "x");
    assert_eq!(call("setdefault", json!({"key": null, "default": [0]})), json!([0]));
    assert_eq!(call("setdefault", json!({"key": null, "default": 5})), json!([0]));
    call("update", json!({"items": [[0.25, null], ["1", 1]]}));
    call("update", json!({"items": {"k": {"x": 1}}}));
    call("update", json!({}));
    assert_eq!(call("keys", json!({})), json!(["1", null, 0.25, "k"]));
    assert_eq!(call("values", json!({})), json!([1, [0], null, {"x": 1}]));
    assert_eq!(call("copy", json!({})), json!([["1", 1], [null, [0]], [0.25, null], ["k", {"x": 1}]]));
    assert_eq!(call("pop", json!({"key": null})), json!([0]));
    assert_eq!(call("pop", json!({"key": null, "default": 7})), 7);
    assert_eq!(call("popitem", json!({})), json!(["k", {"x": 1}]));
    call("clear", json!({}));
    assert_eq!(shown(&server, "dicts/d", "items"), json!([]));
    assert_eq!(raised(&server, "dicts/d/pop", &json!({"key": "k"})), "KeyError: 'k'");
    assert_eq!(raised(&server, "dicts/d/__delitem__", &json!({"key": 1})), "KeyError: 1");
    assert_eq!(raised(&server, "dicts/d/popitem", &json!({})), "KeyError: popitem(): dictionary is empty");
    let list = json!({"key": [1], "value": 0});
    assert_eq!(raised(&server, "dicts/d/__setitem__", &list), "TypeError: unhashable type: 'list'");
    let dict = json!({"key": {"a": 1}});
    assert_eq!(raised(&server, "dicts/d/__contains__", &dict), "TypeError: unhashable type: 'dict'");
}

#[test]
fn rule_25_every_digit_is_kept() {
    let server = server(&[]);
    let text = "123456789012345678901234567890.10000000000000000000001";
    let body = format!("{{\"items\":[[ 18446744073709551616 ,  {text}],[\"\\u0061\",[ 1.50 ,{{ }}]]]}}");
    let json = [("content-type", "application/json")];
    assert_eq!(server.send("PUT", "/v1/dicts/d", &json, Some(body.as_bytes())).status, 200);
    let items = server.post_empty("/v1/dicts/d/items").text();
    assert_eq!(items, format!("[[18446744073709551616,{text}],[\"\\u0061\",[ 1.50 ,{{ }}]]]"));
    let found = server.post_text("/v1/dicts/d/__getitem__", r#"{"key":18446744073709551616.0}"#);
    assert_eq!(found.text(), text);
    assert_eq!(server.post_text("/v1/dicts/d/__contains__", r#"{"key":"a"}"#).text(), "true");
    assert_eq!(
        server.post_text("/v1/dicts/d/__contains__", r#"{"key":18446744073709551617}"#).text(),
        "false"
    );
}

#[test]
fn rule_25_lists_have_every_method_of_the_proxy() {
    let server = server(&[]);
    make(&server, "lists/l", &json!({"values": [0, 1, 2]}));
    let call = |method: &str, arguments: Value| value(&server, &format!("lists/l/{method}"), &arguments);
    assert_eq!(call("__add__", json!({"value": [3]})), json!([0, 1, 2, 3]));
    assert_eq!(call("__mul__", json!({"value": 2})), json!([0, 1, 2, 0, 1, 2]));
    assert_eq!(call("__rmul__", json!({"value": -1})), json!([]));
    assert_eq!(call("__reversed__", json!({})), json!([2, 1, 0]));
    assert_eq!(call("__contains__", json!({"value": 1.0})), true);
    assert_eq!(call("__len__", json!({})), 3);
    call("append", json!({"object": "a"}));
    call("extend", json!({"iterable": [[1], {"k": null}]}));
    call("insert", json!({"index": 0, "object": null}));
    call("insert", json!({"index": -100, "object": -1}));
    call("insert", json!({"index": 100, "object": 9}));
    assert_eq!(call("copy", json!({})), json!([-1, null, 0, 1, 2, "a", [1], {"k": null}, 9]));
    assert_eq!(call("__getitem__", json!({"index": -1})), 9);
    assert_eq!(call("__getitem__", json!({"start": 1, "stop": 3})), json!([null, 0]));
    assert_eq!(call("__getitem__", json!({"step": -4})), json!([9, 2, -1]));
    call("__setitem__", json!({"index": 1, "value": 0}));
    assert_eq!(call("count", json!({"value": false})), 2);
    assert_eq!(call("index", json!({"value": 0})), 1);
    assert_eq!(call("index", json!({"value": 0, "start": 2})), 2);
    assert_eq!(call("pop", json!({})), 9);
    assert_eq!(call("pop", json!({"index": 0})), -1);
    call("remove", json!({"value": [1.0]}));
    call("__delitem__", json!({"start": -2}));
    assert_eq!(call("copy", json!({})), json!([0, 0, 1, 2]));
    call("__setitem__", json!({"start": 0, "stop": 2, "value": [5, 6, 7]}));
    call("__delitem__", json!({"index": 0}));
    call("__setitem__", json!({"step": 2, "value": ["x", "y"]}));
    assert_eq!(call("copy", json!({})), json!(["x", 7, "y", 2]));
    call("clear", json!({}));
    call("extend", json!({"iterable": [3, 1.5, true, -2]}));
    call("sort", json!({}));
    assert_eq!(call("copy", json!({})), json!([-2, true, 1.5, 3]));
    call("sort", json!({"reverse": true}));
    call("reverse", json!({}));
    call("__imul__", json!({"value": 2}));
    assert_eq!(shown(&server, "lists/l", "values"), json!([-2, true, 1.5, 3, -2, true, 1.5, 3]));
}

#[test]
fn rule_25_lists_raise_what_python_raises() {
    let server = server(&[]);
    make(&server, "lists/l", &json!({"values": [1, "a"]}));
    for (method, arguments, wanted) in [
        ("__getitem__", json!({"index": 2}), "IndexError: list index out of range"),
        ("__setitem__", json!({"index": -3, "value": 0}), "IndexError: list assignment index out of range"),
        ("__delitem__", json!({"index": 2}), "IndexError: list assignment index out of range"),
        ("pop", json!({"index": 5}), "IndexError: pop index out of range"),
        ("remove", json!({"value": 5}), "ValueError: list.remove(x): x not in list"),
        ("index", json!({"value": "b"}), "ValueError: 'b' is not in list"),
        ("index", json!({"value": 1, "start": 1}), "ValueError: 1 is not in list"),
        ("sort", json!({}), "TypeError: '<' not supported between instances of 'str' and 'int'"),
        ("__getitem__", json!({"step": 0}), "ValueError: slice step cannot be zero"),
        (
            "__setitem__",
            json!({"step": 2, "value": [1, 2, 3]}),
            "ValueError: attempt to assign sequence of size 3 to extended slice of size 1",
        ),
        ("__setitem__", json!({"start": 0, "value": 3}), "TypeError: can only assign an iterable"),
    ] {
        assert_eq!(raised(&server, &format!("lists/l/{method}"), &arguments), wanted);
    }
    assert_eq!(shown(&server, "lists/l", "values"), json!([1, "a"]), "nothing of that changed it");
    make(&server, "lists/empty", &json!({}));
    assert_eq!(raised(&server, "lists/empty/pop", &json!({})), "IndexError: pop from empty list");
    make(&server, "queues/q", &json!({}));
    refused(&server, "queues/q/get", &json!({"block": false}), "empty");
}

#[test]
fn rule_25_namespaces() {
    let server = server(&[]);
    make(&server, "namespaces/n", &json!({"items": [["x", 10]]}));
    value(&server, "namespaces/n/__setattr__", &json!({"name": "y", "value": "hello"}));
    assert_eq!(value(&server, "namespaces/n/__getattribute__", &json!({"name": "y"})), "hello");
    value(&server, "namespaces/n/__delattr__", &json!({"name": "x"}));
    assert_eq!(shown(&server, "namespaces/n", "items"), json!([["y", "hello"]]));
    for method in ["__getattribute__", "__getattr__", "__delattr__"] {
        let message = raised(&server, &format!("namespaces/n/{method}"), &json!({"name": "x"}));
        assert_eq!(message, "AttributeError: 'Namespace' object has no attribute 'x'");
    }
}
