//! The house rules that no compiler holds: heads, sizes, where `unsafe` may stand, who may import whom, no
//! leftovers.
//!
//! A small lexer blanks out comments and literals first, so that the rules look at code alone. It knows no
//! grammar:
//! - a function is measured from the line of its `fn` to its closing brace; a brace in its signature (a const
//!   argument) is taken for its body; functions that a macro makes are not seen;
//! - an import is a path that begins with `crate::`, with enough `super::` to leave its room, or, in
//!   `main.rs`, with the package's name, wherever in the code it stands; a path inside a macro's string is not
//!   seen.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 80;
const LINE_COLUMNS_MAX: usize = 120;

/// Rooms from top to bottom, and what each may import: rooms below it alone.
type Floors = &'static [(&'static str, &'static [&'static str])];

const ROOMS: Floors = &[
    ("main", &["program", "sys"]),
    ("program", &["cli", "worker"]),
    ("cli", &["app", "http", "config"]),
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
            "schema",
            "names",
            "runtime",
            "config",
            "sys",
        ],
    ),
    ("telemetry", &[]),
    (
        "http",
        &[
            "api",
            "service",
            "processes",
            "pool",
            "objects",
            "jobs",
            "schema",
            "json",
            "offload",
            "config",
            "sys",
        ],
    ),
    ("api", &["service", "processes", "pool", "objects", "jobs", "json"]),
    ("service", &["processes", "pool", "objects", "jobs", "schema", "json", "offload", "names", "config"]),
    ("processes", &["object_server", "jobs", "process", "transport", "runtime"]),
    ("pool", &["workers", "scheduler", "object_server", "jobs", "process", "runtime"]),
    ("workers", &["scheduler", "object_server", "jobs", "process", "transport", "counters", "runtime"]),
    ("scheduler", &["jobs", "transport", "schema", "json", "runtime"]),
    ("object_server", &["objects", "transport", "sys"]),
    ("objects", &["json", "names", "sys"]),
    ("jobs", &[]),
    ("process", &["transport", "runtime", "sys"]),
    ("worker", &["transport", "json", "counters", "sys"]),
    ("transport", &["sys"]),
    ("schema", &["json"]),
    ("json", &[]),
    ("counters", &["sys"]),
    ("offload", &[]),
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

/// A Rust file of ours.
struct Source {
    /// From the package's folder, with slashes.
    path: String,
    text: String,
    /// The text with comments and literals blanked out, byte by byte: offsets and lines are the same.
    code: String,
}

impl Source {
    fn line_at(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// The room of a file under `src`; `lib.rs` is none, it only lists them.
    fn room(&self) -> Option<&str> {
        self.room_in("")
    }

    /// The room within a module of the crate; the module's own file is none.
    fn room_in(&self, module: &str) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?.strip_prefix(module)?;
        let first = below.trim_start_matches('/').split('/').next()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (!["lib", "mod", ""].contains(&room)).then_some(room)
    }

    /// How many modules lie between a path in this file and the root of the crate.
    fn module_depth(&self) -> usize {
        let file_depth = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") { file_depth - 1 } else { file_depth }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        rust_files(&top.join(folder), &mut files);
    }
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let path = file.strip_prefix(top).unwrap_or(file).to_string_lossy().into_owned();
        Source { path, code: blanked(&text), text }
    };
    files.iter().map(read).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a folder can be read").path()) {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn all_sources() -> Vec<Source> {
    let sources = sources(&["src", "tests", "benches", "examples"]);
    assert!(sources.iter().any(|source| source.path == "tests/tidy.rs"), "the tree was not found");
    sources
}

/// The text with comments, strings and characters turned to spaces; line ends stay.
fn blanked(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let end = at + opaque_length(text, at);
        for byte in code[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code.iter().map(|b| if b.is_ascii() { *b } else { b'_' }).collect()).expect("ASCII")
}

/// The length of the comment or literal that begins at `at`, 0 if none does.
fn opaque_length(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    let in_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment_length(rest),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word => raw_string_length(rest, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !in_word => raw_string_length(rest, 2),
        // A lifetime has no second quote where a character has it.
        [b'\'', b'\\', ..] => quoted_length(rest, b'\''),
        [b'\'', ..] => {
            let character = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            if rest.get(1 + character) == Some(&b'\'') { character + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `prefix` bytes stand before the hashes. A raw identifier (`r#type`) is none.
fn raw_string_length(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let begin = prefix + hashes + 1;
    let end = rest[begin..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| begin + end + close.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The offsets at which `word` stands in `code`, not inside a longer word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    let apart = move |&(at, _): &(usize, &str)| {
        let before = at.checked_sub(1).is_some_and(|before| is_word(bytes[before]));
        let after = bytes.get(at + word.len()).is_some_and(|&b| is_word(b));
        !before && !after
    };
    code.match_indices(word).filter(apart).map(|(at, _)| at)
}

fn leading_word(code: &str) -> &str {
    &code[..code.bytes().take_while(|&b| is_word(b)).count()]
}

/// Fails with the whole list.
fn expect_none(rule: &str, violations: &[String]) {
    let list = violations.iter().fold(String::new(), |mut list, violation| {
        let _ = write!(list, "\n  {violation}");
        list
    });
    assert!(violations.is_empty(), "{rule}: {} times{list}", violations.len());
}

#[test]
fn every_file_says_what_it_is_for() {
    let sources = all_sources();
    let headless = sources.iter().filter(|source| !source.text.starts_with("//!"));
    let violations: Vec<String> = headless.map(|source| source.path.clone()).collect();
    expect_none("a file opens with a `//!` head", &violations);
}

#[test]
fn files_and_lines_are_short() {
    let mut violations = Vec::new();
    for Source { path, text, .. } in all_sources() {
        let count = text.lines().count();
        if count > FILE_LINES_MAX {
            violations.push(format!("{path}: {count} lines"));
        }
        for (number, line) in (1..).zip(text.lines()) {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX {
                violations.push(format!("{path}:{number}: {columns} columns"));
            }
        }
    }
    let rule = format!("a file has at most {FILE_LINES_MAX} lines, a line {LINE_COLUMNS_MAX} columns");
    expect_none(&rule, &violations);
}

#[test]
fn functions_are_short() {
    let mut violations = Vec::new();
    for source in all_sources() {
        for at in words(&source.code, "fn") {
            let name = leading_word(source.code[at + 2..].trim_start());
            let Some(end) = (!name.is_empty()).then(|| body_end(&source.code, at)).flatten() else {
                continue;
            };
            let (first, last) = (source.line_at(at), source.line_at(end));
            if last - first + 1 > FUNCTION_LINES_MAX {
                violations.push(format!("{}:{first}: `{name}` has {} lines", source.path, last - first + 1));
            }
        }
    }
    expect_none(&format!("a function has at most {FUNCTION_LINES_MAX} lines"), &violations);
}

/// The closing brace of the function that begins at `at`; `None` without a body.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let (mut round, mut curly) = (0, 0);
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => round += 1,
            b')' | b']' => round -= 1,
            b';' if round == 0 && curly == 0 => return None,
            b'{' => curly += 1,
            b'}' => {
                curly -= 1;
                if curly == 0 {
                    return Some(offset);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn unsafe_stands_in_sys_alone() {
    let mut violations = Vec::new();
    for source in all_sources().iter().filter(|source| !source.path.starts_with("src/sys/")) {
        let places =
            words(&source.code, "unsafe").map(|at| format!("{}:{}", source.path, source.line_at(at)));
        violations.extend(places);
    }
    expect_none("`unsafe` stands in src/sys alone", &violations);
}

#[test]
fn nothing_unfinished_is_left() {
    // Each is written in two halves, so that this file doesn't hold what it looks for.
    let in_code =
        [["to", "do!"], ["db", "g!"], ["unimple", "mented!"], ["#[ig", "nore"]].map(|halves| halves.concat());
    let anywhere = ["FIX", "ME"].concat();
    let mut violations = Vec::new();
    for source in all_sources() {
        for (number, (line, code)) in (1..).zip(source.text.lines().zip(source.code.lines())) {
            let left = in_code.iter().filter(|mark| code.contains(mark.as_str()));
            for mark in left.chain(line.contains(&anywhere).then_some(&anywhere)) {
                violations.push(format!("{}:{number}: {mark}", source.path));
            }
        }
    }
    expect_none("nothing unfinished is left", &violations);
}

#[test]
fn a_module_with_parts_is_a_folder() {
    let folders: Vec<String> = sources(&["src"])
        .iter()
        .filter_map(|source| source.path.rsplit_once('/').map(|(folder, _)| folder.to_owned()))
        .collect();
    let beside = |source: &&Source| {
        source.path.strip_suffix(".rs").is_some_and(|name| folders.iter().any(|f| f == name))
    };
    let violations: Vec<String> =
        sources(&["src"]).iter().filter(beside).map(|source| source.path.clone()).collect();
    expect_none("a module that has parts is NAME/mod.rs, not NAME.rs beside its folder", &violations);
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
fn the_map_names_every_room() {
    let sources = sources(&["src"]);
    let map = sources.iter().find(|source| source.path == "src/lib.rs").expect("src/lib.rs");
    let map: String = map.text.lines().filter(|line| line.starts_with("//!")).collect();
    let rooms = sources.iter().filter_map(Source::room);
    let mut missing: Vec<String> =
        rooms.filter(|room| !map.contains(&format!("`{room}`"))).map(str::to_owned).collect();
    missing.dedup();
    expect_none("the head of src/lib.rs names every room", &missing);
}

#[test]
fn the_lexer_blanks_literals_and_comments() {
    let text = r##"a('{', "\"{", r#"{"{"#, b'\'', 'x: loop {}) /* { /* */ { */ // {"##;
    let code = blanked(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(code.matches('{').count(), 1);
    assert!(code.contains("'x: loop {}"));
    assert_eq!(roots("{a::{b, c}, d, e::f} g"), ["a", "d", "e"]);
    assert_eq!(roots("a::b"), ["a"]);
    assert_eq!(body_end("fn f(a: [u8; 2]) -> u8 { { } } {}", 0), Some(29));
    assert_eq!(body_end("fn f(a: [u8; 2]);", 0), None);
}
