//! `/openapi.json` and `/openapi-3.0.json` as they are served: gzip and entity tags, the functions alone, and what
//! thousands of functions cost.

use std::fmt::Write as _;
use std::io::Read as _;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Server, fixture, proc, scaled, wait_until};

const PATHS: [&str; 4] = [
    "/openapi.json",
    "/openapi-3.0.json",
    "/openapi.json?only=functions",
    "/openapi-3.0.json?only=functions",
];

/// More bytes of memory than before, for all documents together.
const MEMORY_MAX: u64 = 64 << 20;

fn inflated(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut text).expect("gzip");
    text
}

fn tag_of(answer: &Answer) -> &str {
    answer.header("etag").expect("a tag")
}

#[test]
fn who_takes_gzip_gets_the_same_document_in_fewer_bytes() {
    let server = Server::bare(&[&fixture("contract/tasks.py")]);
    for path in PATHS {
        let plain = server.get(path);
        let gzip = server.send("GET", path, &[("accept-encoding", "br, gzip")], None);
        assert_eq!((plain.status, gzip.status), (200, 200));
        assert!(inflated(&gzip) == plain.body, "{path}");
        assert!(gzip.body.len() * 3 < plain.body.len(), "{path}");
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("content-length"), Some(&*plain.body.len().to_string()));
        assert_ne!(tag_of(&plain), tag_of(&gzip), "other bytes, another tag");
        for answer in [&plain, &gzip] {
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("accept-encoding")));
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        // As it is served, a document has no blanks but those in its texts.
        let text = String::from_utf8(plain.body.clone()).expect("text");
        assert!(!text.contains("\": ") && text.lines().count() == 1, "{path}");
        assert_eq!(server.send("HEAD", path, &[], None).header("etag"), plain.header("etag"));
    }
}

#[test]
fn who_has_it_is_told_so() {
    let server = Server::bare(&[&fixture("contract/tasks.py")]);
    for path in PATHS {
        for coding in ["gzip", "identity"] {
            let ask = |tag: &str| {
                server.send("GET", path, &[("accept-encoding", coding), ("if-none-match", tag)], None)
            };
            let tag = tag_of(&ask("\"other\"")).to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"'), "strong: {tag}");
            let same = ask(&tag);
            assert_eq!((same.status, same.body.len(), tag_of(&same)), (304, 0, &*tag), "{path}");
            assert_eq!(ask(&format!("\"a\", W/{tag}")).status, 304);
            assert_eq!(ask("\"other\"").status, 200);
        }
    }
}

#[test]
fn it_is_written_once_however_many_ask() {
    let server = Server::with_environment(&[], &[("RUST_LOG", "info,forkpool::http::document=debug")]);
    let bodies: Vec<Vec<u8>> = thread::scope(|scope| {
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(|| server.get(PATHS[0]).body)).collect();
        asking.into_iter().map(|asked| asked.join().expect("answered")).collect()
    });
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    // Lines come in order: with that of the second document all of the first are there.
    server.get(PATHS[1]);
    let written = |version: &str| {
        let errors = server.errors();
        let lines = errors.lines().filter(|line| line.contains("a document was written"));
        lines.filter(|line| line.contains(version)).count()
    };
    wait_until(Duration::from_secs(10), "the second is logged", || written("V30") > 0);
    assert_eq!(written("V31"), 1, "{}", server.errors());
}

#[test]
fn the_functions_alone_are_small_and_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("eighteen.py");
    let mut text = "import dataclasses\n@dataclasses.dataclass\nclass Size:\n    width: int\n".to_owned();
    for number in 0..18 {
        let signature = format!("def f{number}(x: int, size: Size | None = None) -> Size:");
        let _ =
            writeln!(text, "{signature}\n    \"\"\"Makes it.\n\n    And more.\n    \"\"\"\n    return size");
    }
    std::fs::write(&file, text).expect("a file");
    let server = Server::bare(&[file.to_str().expect("text")]);
    let answer = server.get("/openapi.json?only=functions");
    assert!(answer.body.len() <= 60_000, "{} bytes", answer.body.len());
    let document = answer.value();
    let mut waiting = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("operations").values() {
            let id = operation["operationId"].as_str().expect("an operationId");
            if !path.starts_with("/v1/functions/eighteen.f") {
                waiting.push(id);
            }
            let names = operation["responses"].as_object().expect("responses").keys().collect::<Vec<_>>();
            assert!(names.len() == 2 && names.iter().any(|name| *name == "default"), "{id}: {names:?}");
        }
    }
    waiting.sort_unstable();
    assert_eq!(waiting, ["cancelJob", "getJob", "getResult"]);
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for name in ["Job", "Problem", "eighteen_Size", "eighteen_f3_Arguments"] {
        assert!(schemas.contains_key(name), "{name}");
    }
    assert!(!schemas.contains_key("ApplyBody") && !schemas.contains_key("SharedQueue"));
}

#[test]
fn other_parts_are_refused_with_what_there_is() {
    let server = Server::start(&[]);
    for path in ["/openapi.json", "/openapi-3.0.json"] {
        for (query, member) in [
            ("only=jobs", "only"),
            ("only=", "only"),
            ("only=functions&only=functions", "only"),
            ("part=functions", "part"),
        ] {
            let answer = server.get(&format!("{path}?{query}"));
            answer.problem(400, "invalid-request");
            assert_eq!(answer.json()["member"], member, "{query}");
        }
        assert!(server.get(&format!("{path}?only=jobs")).says("only must be functions"));
    }
}

/// The functions' own operations stand before all others, and so does their tag.
#[test]
fn functions_come_first() {
    let server = Server::bare(&[&fixture("contract/tasks.py")]);
    for path in ["/openapi.json", "/openapi-3.0.json"] {
        let text = String::from_utf8(server.get(path).body).expect("text");
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words}"));
        assert!(at("\"/v1/functions/tasks.square/call\"") < at("\"/livez\""), "{path}");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["tags"][0]["name"], "functions");
        assert_eq!(document["servers"], json!([{"url": "/"}]));
    }
}

#[test]
fn thousands_of_functions_cost_little_memory() {
    let count = scaled(3_000);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("many.py");
    let mut text = "import dataclasses\n".to_owned();
    for number in 0..count {
        let class = format!("@dataclasses.dataclass\nclass C{number}:\n    a: int\n    b: str = ''");
        let function =
            format!("def f{number}(x: int, c: C{number}) -> C{number}:\n    'Does it.'\n    return c");
        let _ = writeln!(text, "{class}\n{function}");
    }
    std::fs::write(&file, text).expect("a file");
    let server = Server::bare(&[file.to_str().expect("text")]);
    let before = proc::memory(server.pid());
    for path in PATHS {
        let gzip = server.send("GET", path, &[("accept-encoding", "gzip")], None);
        let document: Value = serde_json::from_slice(&inflated(&gzip)).expect("JSON");
        let of_functions = |path: &&String| path.starts_with("/v1/functions/many.");
        let paths = document["paths"].as_object().expect("paths").keys().filter(of_functions).count();
        assert!(paths >= 2 * count, "{path}: {paths}");
        assert_eq!(server.get(path).value(), document);
    }
    let (after, peak) = (proc::memory(server.pid()), proc::peak_memory(server.pid()));
    assert!(
        after < before + MEMORY_MAX && peak < before + MEMORY_MAX,
        "{before}, then {after}, {peak} at most"
    );
}
