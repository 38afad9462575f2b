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

#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/source.rs"]
mod source;

use std::fmt::Write as _;

use source::{Source, all_sources, leading_word, sources, words};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 80;
const LINE_COLUMNS_MAX: usize = 120;

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
fn the_end_of_a_function_is_found() {
    assert_eq!(body_end("fn f(a: [u8; 2]) -> u8 { { } } {}", 0), Some(29));
    assert_eq!(body_end("fn f(a: [u8; 2]);", 0), None);
}
