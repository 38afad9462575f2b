//! The Rust files of the project, and a small lexer that blanks out comments and literals.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file of ours.
pub struct Source {
    /// From the package's folder, with slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked out, byte by byte: offsets and lines are the same.
    pub code: String,
}

impl Source {
    pub fn line_at(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// The room of a file under `src`; `lib.rs` is none, it only lists them.
    pub fn room(&self) -> Option<&str> {
        self.room_in("")
    }

    /// The room within a module of the crate; the module's own file is none.
    pub fn room_in(&self, module: &str) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?.strip_prefix(module)?;
        let first = below.trim_start_matches('/').split('/').next()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (!["lib", "mod", ""].contains(&room)).then_some(room)
    }

    /// How many modules lie between a path in this file and the root of the crate.
    pub fn module_depth(&self) -> usize {
        let file_depth = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") { file_depth - 1 } else { file_depth }
    }
}

pub fn sources(folders: &[&str]) -> Vec<Source> {
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

pub fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a folder can be read").path()) {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

pub fn all_sources() -> Vec<Source> {
    let sources = sources(&["src", "tests", "benches", "examples"]);
    assert!(sources.iter().any(|source| source.path == "tests/tidy.rs"), "the tree was not found");
    sources
}

/// The text with comments, strings and characters turned to spaces; line ends stay.
pub fn blanked(text: &str) -> String {
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
pub fn opaque_length(text: &str, at: usize) -> usize {
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

pub fn block_comment_length(rest: &[u8]) -> usize {
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

pub fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `prefix` bytes stand before the hashes. A raw identifier (`r#type`) is none.
pub fn raw_string_length(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let begin = prefix + hashes + 1;
    let end = rest[begin..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| begin + end + close.len())
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The offsets at which `word` stands in `code`, not inside a longer word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    let apart = move |&(at, _): &(usize, &str)| {
        let before = at.checked_sub(1).is_some_and(|before| is_word(bytes[before]));
        let after = bytes.get(at + word.len()).is_some_and(|&b| is_word(b));
        !before && !after
    };
    code.match_indices(word).filter(apart).map(|(at, _)| at)
}

pub fn leading_word(code: &str) -> &str {
    &code[..code.bytes().take_while(|&b| is_word(b)).count()]
}

#[test]
fn the_lexer_blanks_literals_and_comments() {
    let text = r##"a('{', "\"{", r#"{"{"#, b'\'', 'x: loop {}) /* { /* */ { */ // {"##;
    let code = blanked(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(code.matches('{').count(), 1);
    assert!(code.contains("'x: loop {}"));
}
