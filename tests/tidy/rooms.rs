//! Which room may import which, and use which crate.

use super::expect_none;
use super::source::{Source, is_word, leading_word, sources, words};

/// Rooms from top to bottom, and what each may import: rooms below it alone.
type Floors = &'static [(&'static str, &'static [&'static str])];

const ROOMS: Floors = &[
    ("main", &["entry", "sys"]),
    ("entry", &["cli", "worker"]),
    ("cli", &["app", "http", "catalog", "config"]),
    (
        "app",
        &[
            "telemetry",
            "http",
            "service",
            "processes",
            "pool",
            "object_server",
            "objects",
            "jobs",
            "process",
            "worker",
            "catalog",
            "schema",
            "names",
            "runtime",
            "config",
            "sys",
        ],
    ),
    ("telemetry", &["jobs", "config"]),
    (
        "http",
        &[
            "api",
            "service",
            "processes",
            "pool",
            "objects",
            "jobs",
            "catalog",
            "schema",
            "json",
            "offload",
            "runtime",
            "config",
            "sys",
        ],
    ),
    ("api", &["service", "processes", "pool", "objects", "jobs", "catalog", "json"]),
    ("service", &["processes", "pool", "objects", "jobs", "catalog", "json", "offload", "names", "config"]),
    ("processes", &["object_server", "jobs", "process", "transport", "runtime"]),
    ("pool", &["workers", "scheduler", "object_server", "jobs", "process", "catalog", "runtime"]),
    (
        "workers",
        &["scheduler", "object_server", "jobs", "process", "catalog", "transport", "counters", "runtime"],
    ),
    ("scheduler", &["jobs", "catalog", "transport", "json", "runtime"]),
    ("object_server", &["objects", "transport", "sys"]),
    ("objects", &["json", "names", "sys"]),
    ("jobs", &["json"]),
    ("process", &["transport", "offload", "runtime", "sys"]),
    ("worker", &["transport", "json", "counters", "sys"]),
    ("transport", &["json", "sys"]),
    ("catalog", &["schema", "runtime"]),
    ("schema", &[]),
    ("json", &[]),
    ("counters", &["sys"]),
    ("offload", &["sys"]),
    ("names", &[]),
    ("runtime", &[]),
    ("config", &["sys"]),
    ("sys", &[]),
];

/// The rooms within `http`, likewise.
const HTTP_ROOMS: Floors = &[
    ("router", &["document", "routes", "layers", "app"]),
    ("document", &["routes", "layers", "app", "edge"]),
    ("routes", &["app", "edge"]),
    ("layers", &["app", "edge"]),
    ("app", &["render", "edge"]),
    ("render", &["edge"]),
    ("server", &["edge"]),
    ("edge", &[]),
];

/// Tables of rooms, and the module whose rooms they are; the root of the crate has no name.
const FLOORS: [(&str, Floors); 2] = [("", ROOMS), ("http", HTTP_ROOMS)];

/// Crates that are some rooms' alone. What is not here (bytes, serde, thiserror, …) may be used anywhere.
const CRATES: &[(&str, &[&str])] = &[
    ("axum", &["http"]),
    ("base64", &["http", "objects", "worker"]),
    ("clap", &["cli", "config"]),
    ("flate2", &["http"]),
    ("http_body_util", &["http"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("itoa", &["http", "objects", "worker"]),
    ("jiff", &["api", "telemetry"]),
    ("percent_encoding", &["api"]),
    ("schemars", &["worker"]),
    ("sha2", &["config", "http"]),
    ("strsim", &["config", "service"]),
    ("subtle", &["config"]),
    (
        "tokio",
        &[
            "app",
            "cli",
            "http",
            "jobs",
            "object_server",
            "objects",
            "offload",
            "pool",
            "process",
            "processes",
            "service",
            "sys",
            "transport",
            "workers",
        ],
    ),
    ("toml", &["config"]),
    ("tower", &["http"]),
    (
        "tracing",
        &["app", "http", "jobs", "object_server", "process", "processes", "service", "telemetry", "workers"],
    ),
    ("utoipa", &["api", "http"]),
    ("uuid", &["jobs", "processes", "worker"]),
];

#[test]
fn crates_stay_in_their_rooms() {
    let mut violations = Vec::new();
    for source in sources(&["src"]) {
        let Some(room) = source.room() else { continue };
        for (name, rooms) in CRATES {
            let is_path = |at: &usize| {
                let (before, after) = (&source.code[..*at], &source.code[at + name.len()..]);
                after.starts_with("::") && !before.ends_with("::")
            };
            for at in words(&source.code, name).filter(is_path).filter(|_| !rooms.contains(&room)) {
                violations.push(format!("{}:{}: {room} uses {name}", source.path, source.line_at(at)));
            }
        }
    }
    expect_none("a crate is used in its rooms alone", &violations);
}

#[test]
fn the_tables_of_rooms_flow_down() {
    for (_, rooms) in FLOORS {
        for (at, (room, allowed)) in rooms.iter().enumerate() {
            for import in *allowed {
                let below = rooms[at + 1..].iter().any(|(name, _)| name == import);
                assert!(below, "{room} may not be allowed to import {import}: that is no room below it");
            }
        }
    }
}

#[test]
fn rooms_import_downwards_and_as_declared() {
    let mut violations = Vec::new();
    for (module, rooms) in FLOORS {
        for source in sources(&["src"]) {
            let Some(room) = source.room_in(module) else { continue };
            let Some((_, allowed)) = rooms.iter().find(|(name, _)| *name == room) else {
                violations.push(format!("{}: the room `{room}` is not in the table", source.path));
                continue;
            };
            for (offset, import) in imports(&source, module, rooms) {
                if import != room && !allowed.contains(&import) {
                    let line = source.line_at(offset);
                    violations.push(format!("{}:{line}: {room} imports {import}", source.path));
                }
            }
        }
    }
    expect_none("a room imports what the table allows", &violations);
}

/// What the file names of a module of the crate (of its root, if that has no name), and where.
fn imports<'a>(source: &'a Source, module: &str, rooms: Floors) -> Vec<(usize, &'a str)> {
    let code = source.code.as_str();
    let root = if source.path == "src/main.rs" { env!("CARGO_PKG_NAME") } else { "crate" };
    let (prefix, floor) =
        if module.is_empty() { (format!("{root}::"), 0) } else { (format!("{root}::{module}::"), 1) };
    let mut found = Vec::new();
    for at in words(code, root) {
        if let Some(path) = code[at..].strip_prefix(&prefix) {
            found.extend(roots(path).into_iter().map(|name| (at, name)));
        }
    }
    for at in words(code, "super") {
        let chain = &code[at..];
        let path = chain.trim_start_matches("super::");
        let continues = code[..at].ends_with("super::");
        let reaches_floor = (chain.len() - path.len()) / "super::".len() + floor >= source.module_depth();
        if !continues && reaches_floor {
            let known = roots(path).into_iter().filter(|name| rooms.iter().any(|(room, _)| room == name));
            found.extend(known.map(|name| (at, name)));
        }
    }
    found
}

/// The first names of a path, or of each path in braces.
fn roots(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return vec![leading_word(path)] };
    let (mut names, mut depth, mut fresh) = (Vec::new(), 1, true);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => fresh = true,
            _ if fresh && is_word(byte) => {
                names.push(leading_word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Its time is an argument and what it does is returned: so it can be simulated.
#[test]
fn the_scheduler_is_pure() {
    let impure = ["tokio", "Instant::now", "SystemTime", "std::fs", "std::thread", "std::env", "fd::"];
    let mut violations = Vec::new();
    for source in sources(&["src/scheduler"]) {
        // The simulation is a test; of the other files, what stands before their tests.
        if ["/simulation", "/sabotage.rs", "/tests.rs"].iter().any(|test| source.path.contains(test)) {
            continue;
        }
        let code = source.code.split("mod tests {").next().unwrap_or_default();
        for word in impure.iter().filter(|word| code.contains(**word)) {
            violations.push(format!("{}: {word}", source.path));
        }
    }
    expect_none("the scheduler neither reads a clock nor does I/O", &violations);
}

#[test]
fn the_roots_of_paths_are_found() {
    assert_eq!(roots("{a::{b, c}, d, e::f} g"), ["a", "d", "e"]);
    assert_eq!(roots("a::b"), ["a"]);
}
