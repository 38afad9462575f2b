//! A command line with placeholders, and what a call's arguments make of it: words and standard input.
//!
//! `{0}` takes the first positional argument, `{name}` the named one; `{{name}}` is `{name}` itself, and
//! braces around anything else are letters. What no placeholder takes goes to standard input. Nothing here
//! runs anything.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use serde::Deserialize;

use super::{Refused, VALUE_DEPTH_MAX};
use crate::json;
use crate::worker::native::{Arguments, Raised};

/// A word's pieces, one after another.
type Word = Vec<Piece>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Position(usize),
    Name(String),
}

/// A command line.
#[derive(Debug)]
pub struct Template {
    program: String,
    words: Vec<Word>,
    positions: BTreeSet<usize>,
    names: BTreeSet<String>,
    allow_dash: bool,
}

/// What a call runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// The program's arguments.
    pub words: Vec<String>,
    /// Its standard input.
    pub input: Vec<u8>,
}

impl Template {
    /// Reads the words of a command line, of which the first is the program.
    pub fn parse(argv: &[String], allow_dash: bool) -> Result<Self, Refused> {
        let refused = |message: &str| Refused { reason: "unsupported", message: message.to_owned() };
        let mut words = argv.iter().map(|word| pieces(word));
        let program = match words.next().as_deref() {
            Some([Piece::Text(program)]) => program.clone(),
            Some([_, ..]) => return Err(refused("the program itself can't be a placeholder")),
            Some([]) | None => return Err(refused("no program is named")),
        };
        let words: Vec<Word> = words.collect();
        let (mut positions, mut names) = (BTreeSet::new(), BTreeSet::new());
        for piece in words.iter().flatten() {
            match piece {
                Piece::Text(_) => {}
                Piece::Position(position) => drop(positions.insert(*position)),
                Piece::Name(name) => drop(names.insert(name.clone())),
            }
        }
        Ok(Self { program, words, positions, names, allow_dash })
    }

    /// The program as it was written.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// How it is called, in Python's words: `(arg0, *stdin, name)`.
    pub fn signature(&self) -> String {
        let positions = self.positions.iter().map(|position| format!("arg{position}"));
        let stdin = std::iter::once("*stdin".to_owned());
        let all: Vec<String> = positions.chain(stdin).chain(self.names.iter().cloned()).collect();
        format!("({})", all.join(", "))
    }

    /// Its parameters by name: those by position (one without a placeholder, between two that have one, is
    /// `arg1`, too), and the named ones.
    pub fn parameters(&self) -> (Vec<String>, Vec<String>) {
        let count = self.positions.last().map_or(0, |last| last + 1);
        let positional = (0..count).map(|position| format!("arg{position}")).collect();
        (positional, self.names.iter().cloned().collect())
    }

    /// The words and the input of one call.
    pub fn fill(&self, arguments: Arguments<'_>) -> Result<Call, Raised> {
        let named = match arguments.keywords {
            Some(text) => json::envelope(text, VALUE_DEPTH_MAX)
                .map_err(|error| Raised::invalid("$.kwargs", error.to_string()))?
                .into_iter()
                .map(|member| (member.name, text.get(member.range).unwrap_or_default()))
                .collect(),
            None => Vec::new(),
        };
        let words = self.words.iter().map(|word| self.word(word, arguments.positional, &named));
        let words = words.collect::<Result<Vec<String>, Raised>>()?;
        let positional: Vec<(usize, &[u8])> = arguments
            .positional
            .iter()
            .enumerate()
            .filter(|(position, _)| !self.positions.contains(position))
            .map(|(position, raw)| (position, *raw))
            .collect();
        let named: Vec<_> = named.into_iter().filter(|(name, _)| !self.names.contains(&**name)).collect();
        Ok(Call { words, input: input(&positional, &named)? })
    }

    fn word(
        &self,
        word: &Word,
        positional: &[&[u8]],
        named: &[(Cow<'_, str>, &[u8])],
    ) -> Result<String, Raised> {
        let mut filled = String::new();
        for piece in word {
            let (found, path) = match piece {
                Piece::Text(text) => {
                    filled.push_str(text);
                    continue;
                }
                Piece::Position(at) => (positional.get(*at).copied(), format!("$.args[{at}]")),
                Piece::Name(name) => {
                    let found = named.iter().find(|(given, _)| given == name).map(|(_, raw)| *raw);
                    (found, format!("$.kwargs.{name}"))
                }
            };
            let raw = found.ok_or_else(|| Raised::invalid(&path, "the command needs this argument"))?;
            filled.push_str(&self.value(raw, &path)?);
        }
        Ok(filled)
    }

    /// What stands for an argument in the command line: a string as it is, anything else as JSON.
    fn value(&self, raw: &[u8], path: &str) -> Result<String, Raised> {
        let value = if raw.starts_with(b"\"") {
            string(raw, path)?
        } else {
            String::from_utf8_lossy(raw).into_owned()
        };
        if value.contains('\0') {
            return Err(Raised::invalid(path, "a command line can't hold a NUL"));
        }
        if value.starts_with('-') && !self.allow_dash {
            let why = "a value that begins with - could be taken for an option (allow_dash allows it)";
            return Err(Raised::invalid(path, why));
        }
        Ok(value)
    }
}

/// Cuts a word at its placeholders.
fn pieces(word: &str) -> Word {
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), word);
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        rest = &rest[open..];
        if let Some((inner, after)) = rest.strip_prefix("{{").and_then(placeholder)
            && let Some(after) = after.strip_prefix('}')
        {
            text.push('{');
            text.push_str(inner);
            text.push('}');
            rest = after;
        } else if let Some((inner, after)) = rest.strip_prefix('{').and_then(placeholder) {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            let position = inner.parse().map(Piece::Position);
            pieces.push(position.unwrap_or_else(|_| Piece::Name(inner.to_owned())));
            rest = after;
        } else {
            text.push('{');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// What a placeholder names, from after its opening brace, and what follows its closing one.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (inner, after) = text.split_once('}')?;
    let digits = !inner.is_empty() && inner.len() <= 4 && inner.bytes().all(|byte| byte.is_ascii_digit());
    let identifier = inner.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        && inner.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    (digits || identifier).then_some((inner, after))
}

/// Standard input: nothing, a lone value, an array, an object, or an array of both.
fn input(positional: &[(usize, &[u8])], named: &[(Cow<'_, str>, &[u8])]) -> Result<Vec<u8>, Raised> {
    let array = || {
        let items: Vec<&[u8]> = positional.iter().map(|(_, raw)| *raw).collect();
        [b"[".as_slice(), &items.join(b",".as_slice()), b"]"].concat()
    };
    match (positional, named) {
        ([], []) => Ok(Vec::new()),
        ([(position, raw)], []) => lone(raw, &format!("$.args[{position}]")),
        (_, []) => Ok(array()),
        ([], _) => Ok(object(named)),
        _ => Ok([b"[".as_slice(), &array(), b",", &object(named), b"]"].concat()),
    }
}

fn object(named: &[(Cow<'_, str>, &[u8])]) -> Vec<u8> {
    let mut text = vec![b'{'];
    for (name, raw) in named {
        if text.len() > 1 {
            text.push(b',');
        }
        // Writing JSON into memory can't fail for a text.
        let _ = serde_json::to_writer(&mut text, name);
        text.push(b':');
        text.extend_from_slice(raw);
    }
    text.push(b'}');
    text
}

/// `{"$bytes":"<base64>"}` and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BytesValue {
    #[serde(rename = "$bytes")]
    base64: String,
}

/// A string as its text, bytes as they are, anything else as its JSON.
fn lone(raw: &[u8], path: &str) -> Result<Vec<u8>, Raised> {
    if raw.starts_with(b"\"") {
        return string(raw, path).map(String::into_bytes);
    }
    if raw.starts_with(b"{")
        && let Ok(bytes) = serde_json::from_slice::<BytesValue>(raw)
    {
        let decoded = base64::engine::general_purpose::STANDARD.decode(bytes.base64);
        return decoded.map_err(|error| Raised::invalid(path, format!("$bytes is not base64: {error}")));
    }
    Ok(raw.to_vec())
}

fn string(raw: &[u8], path: &str) -> Result<String, Raised> {
    // It is JSON already: what is left is half of a surrogate pair.
    serde_json::from_slice(raw).map_err(|_| Raised::invalid(path, "the text is not Unicode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(words: &[&str]) -> Template {
        let argv: Vec<String> = ["prog"].iter().chain(words).map(ToString::to_string).collect();
        Template::parse(&argv, false).expect("good")
    }

    fn fill(
        words: &[&str],
        positional: &[&str],
        keywords: Option<&str>,
    ) -> Result<(Vec<String>, String), Raised> {
        let positional: Vec<&[u8]> = positional.iter().map(|raw| raw.as_bytes()).collect();
        let keywords = keywords.map(str::as_bytes);
        let call = template(words).fill(Arguments { positional: &positional, keywords, before: 0 })?;
        Ok((call.words, String::from_utf8_lossy(&call.input).into_owned()))
    }

    fn path_of(result: Result<(Vec<String>, String), Raised>) -> String {
        match result.expect_err("refused") {
            Raised::InvalidArguments { path, .. } => path,
            other @ (Raised::Error { .. }
            | Raised::UnknownRef { .. }
            | Raised::NotJson { .. }
            | Raised::TooLarge { .. }
            | Raised::CommandFailed { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn placeholders_are_told_from_other_braces() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            pieces("a{0}b{name}"),
            [text("a"), Piece::Position(0), text("b"), Piece::Name("name".to_owned())]
        );
        for (word, same) in [
            ("{print $1}", "{print $1}"),
            ("{}", "{}"),
            ("{{print}}", "{print}"),
            ("{a: {b: .c}}", "{a: {b: .c}}"),
            ("{", "{"),
            ("{12345}", "{12345}"),
            ("{{0}", "{{0}"),
        ] {
            if word == "{{0}" {
                assert_eq!(pieces(word), [text("{"), Piece::Position(0)]);
            } else {
                assert_eq!(pieces(word), [text(same)], "{word}");
            }
        }
        assert_eq!(pieces(""), []);
        assert_eq!(template(&["{1}", "--x={name}", "{0}"]).signature(), "(arg0, arg1, *stdin, name)");
    }

    #[test]
    fn arguments_find_their_places() {
        let filled = fill(&["-n", "{0}", "x={key}", ""], &["7", "\"rest\""], Some("{\"key\":[1, 2]}"));
        let words = ["-n", "7", "x=[1, 2]", ""].map(str::to_owned).to_vec();
        assert_eq!(filled, Ok((words, "rest".to_owned())));
        for (positional, keywords, input) in [
            (&[][..], None, ""),
            (&[][..], Some("{}"), ""),
            (&["\"a\\nb\""], None, "a\nb"),
            (&["{\"$bytes\":\"YWI=\"}"], None, "ab"),
            (&["[1,\"a\"]"], None, "[1,\"a\"]"),
            (&["null"], None, "null"),
            (&["1", "\"b\""], None, "[1,\"b\"]"),
            (&[], Some("{\"k\\n\":\"v\"}"), "{\"k\\n\":\"v\"}"),
            (&["1"], Some("{\"k\":2}"), "[[1],{\"k\":2}]"),
        ] {
            let filled = fill(&[], positional, keywords);
            assert_eq!(filled, Ok((Vec::new(), input.to_owned())), "{positional:?} {keywords:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(path_of(fill(&["{1}"], &["1"], None)), "$.args[1]");
        assert_eq!(path_of(fill(&["{name}"], &["1"], Some("{\"other\":1}"))), "$.kwargs.name");
        assert_eq!(path_of(fill(&["{0}"], &["\"--help\""], None)), "$.args[0]");
        assert_eq!(path_of(fill(&["x{0}"], &["-1"], None)), "$.args[0]");
        assert_eq!(path_of(fill(&["{0}"], &["\"a\\u0000b\""], None)), "$.args[0]");
        assert_eq!(path_of(fill(&["{0}"], &["\"\\ud800\""], None)), "$.args[0]");
        assert_eq!(path_of(fill(&["{0}"], &["1", "\"\\ud800\""], None)), "$.args[1]");
        assert_eq!(path_of(fill(&[], &["{\"$bytes\":\"?\"}"], None)), "$.args[0]");
        assert_eq!(path_of(fill(&[], &[], Some("{\"a\":1,\"a\":2}"))), "$.kwargs");
    }

    #[test]
    fn the_program_is_fixed() {
        let refused = |argv: &[&str]| {
            let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
            Template::parse(&argv, true).expect_err("refused").message
        };
        assert!(refused(&["{0}"]).contains("can't be a placeholder"));
        assert!(refused(&["/bin/{name}"]).contains("can't be a placeholder"));
        assert!(refused(&[]).contains("no program"));
        assert!(refused(&["", "x"]).contains("no program"));
    }
}
