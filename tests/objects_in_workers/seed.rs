//! The functions of the introduction, unchanged, over the server's objects.

use serde_json::json;

use super::{call, make, reference};
use crate::support::Server;

fn serve(name: &str) -> Server {
    Server::bare(&[&format!("{}/examples/seed/{name}.py", env!("CARGO_MANIFEST_DIR"))])
}

#[test]
fn the_queue_of_the_introduction() {
    let server = serve("queue_example");
    make(&server, "queues/q", &json!({}));
    let body = json!({"function": "queue_example.f", "args": [reference("queues/q")]});
    assert_eq!(server.post("/v1/apply", &body).value(), json!(null));
    assert_eq!(call(&server, "queues/q/get", &json!({"block": false})).text(), r#"[42,null,"hello"]"#);
}

#[test]
fn the_pipe_of_the_introduction() {
    let server = serve("pipe");
    make(&server, "pipes/p", &json!({}));
    let body = json!({"function": "pipe.f", "args": [reference("pipes/p/1")]});
    assert_eq!(server.post("/v1/apply", &body).value(), json!(null));
    assert_eq!(call(&server, "pipes/p/0/recv", &json!({"timeout": 0})).text(), r#"[42,null,"hello"]"#);
    let closed = call(&server, "pipes/p/0/recv", &json!({})).problem(409, "closed");
    assert_eq!(closed["title"], "EOFError");
}

#[test]
fn the_lock_of_the_introduction() {
    let server = serve("lock");
    make(&server, "locks/l", &json!({}));
    let items: Vec<_> = (0..10).map(|i| json!([reference("locks/l"), i])).collect();
    let body = json!({"function": "lock.f", "iterable": items, "chunksize": 1});
    let id = server.post("/v1/starmap_async", &body).accepted();
    server.result(&id, 20.0).value();
    let log = server.get(&format!("/v1/jobs/{id}/logs")).text();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    let expected: Vec<String> = (0..10).map(|i| format!("hello world {i}")).collect();
    assert_eq!(lines, expected);
    assert_eq!(call(&server, "locks/l/locked", &json!({})).value(), false);
}

#[test]
fn the_shared_memory_of_the_introduction() {
    let server = serve("shared_state");
    make(&server, "values/num", &json!({"typecode": "d", "value": 0.0}));
    make(&server, "arrays/arr", &json!({"typecode": "i", "values": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}));
    let args = [reference("values/num"), reference("arrays/arr")];
    server.post("/v1/apply", &json!({"function": "shared_state.f", "args": args})).value();
    assert_eq!(call(&server, "values/num/get", &json!({})).text(), "3.1415927");
    assert_eq!(call(&server, "arrays/arr/get", &json!({})).text(), "[0,-1,-2,-3,-4,-5,-6,-7,-8,-9]");
}

#[test]
fn the_manager_of_the_introduction() {
    let server = serve("manager");
    make(&server, "dicts/d", &json!({}));
    make(&server, "lists/l", &json!({"values": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}));
    let args = [reference("dicts/d"), reference("lists/l")];
    server.post("/v1/apply", &json!({"function": "manager.f", "args": args})).value();
    assert_eq!(call(&server, "dicts/d/items", &json!({})).text(), r#"[[1,"1"],["2",2],[0.25,null]]"#);
    assert_eq!(call(&server, "lists/l/copy", &json!({})).text(), "[9,8,7,6,5,4,3,2,1,0]");
}
