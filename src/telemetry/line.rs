//! A line of the log, as text or as a JSON object. Nothing that is logged can pass for another line, or for anything
//! but text on a terminal: what isn't seen, breaks lines or turns them around is escaped.

use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::config::LogFormat;

/// The field that is what an event says.
const MESSAGE: &str = "message";

/// A line that is being written.
#[derive(Debug)]
pub(super) struct Line {
    format: LogFormat,
    text: String,
}

/// What a text is within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A line.
    Line,
    /// Quotes in a line.
    Quotes,
    /// A JSON string.
    Json,
}

impl Line {
    /// Of this moment.
    pub fn new(format: LogFormat, level: Level, target: &str) -> Self {
        let now = Timestamp::now();
        let mut text = String::with_capacity(256);
        // A String takes all that is written to it.
        let _ = match format {
            LogFormat::Text => write!(text, "{now:.6} {level:>5} {target}:"),
            LogFormat::Json => {
                write!(text, "{{\"time\":\"{now:.6}\",\"level\":\"{level}\",\"target\":\"{target}\"")
            }
        };
        Self { format, text }
    }

    /// A line without fields.
    pub fn plain(format: LogFormat, level: Level, target: &str, message: &str) -> String {
        let mut line = Self::new(format, level, target);
        line.string(MESSAGE, message);
        line.finish()
    }

    /// The whole line, with its end.
    pub fn finish(mut self) -> String {
        self.text.push_str(match self.format {
            LogFormat::Text => "\n",
            LogFormat::Json => "}\n",
        });
        self.text
    }

    fn name(&mut self, name: &str) {
        let _ = match self.format {
            LogFormat::Text => write!(self.text, " {name}="),
            LogFormat::Json => write!(self.text, ",\"{name}\":"),
        };
    }

    fn string(&mut self, name: &str, value: &str) {
        match self.format {
            LogFormat::Json => {
                self.name(name);
                self.quoted(value, Place::Json);
            }
            LogFormat::Text if name == MESSAGE => {
                self.text.push(' ');
                push_escaped(&mut self.text, value, Place::Line);
            }
            LogFormat::Text => {
                self.name(name);
                let is_word = |letter: char| is_plain(letter) && !matches!(letter, ' ' | '\t' | '"' | '=');
                if !value.is_empty() && value.chars().all(is_word) {
                    self.text.push_str(value);
                } else {
                    self.quoted(value, Place::Quotes);
                }
            }
        }
    }

    fn quoted(&mut self, value: &str, place: Place) {
        self.text.push('"');
        push_escaped(&mut self.text, value, place);
        self.text.push('"');
    }

    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field.name());
        let _ = write!(self.text, "{value}");
    }
}

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no others.
        if value.is_finite() {
            self.bare(field, value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.string(field.name(), &format!("{value:?}"));
    }
}

fn push_escaped(to: &mut String, text: &str, place: Place) {
    let is_usual =
        |byte: u8| matches!(byte, b' '..=b'~') && (place == Place::Line || !matches!(byte, b'"' | b'\\'));
    if text.bytes().all(is_usual) {
        return to.push_str(text);
    }
    for letter in text.chars() {
        match letter {
            '"' | '\\' if place != Place::Line => to.extend(['\\', letter]),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' if place != Place::Line => to.push_str("\\t"),
            _ if is_plain(letter) => to.push(letter),
            _ if place == Place::Json => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(to, "\\u{unit:04x}");
                }
            }
            _ => to.extend(letter.escape_unicode()),
        }
    }
}

/// Not so: controls but the tab; Unicode's marks of direction, line separators, invisible characters and tags.
fn is_plain(letter: char) -> bool {
    let is_hidden = matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{061C}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
    letter == '\t' || !letter.is_control() && !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, place: Place) -> String {
        let mut to = String::new();
        push_escaped(&mut to, text, place);
        to
    }

    #[test]
    fn f8_a9_control_characters_never_reach_a_terminal() {
        for (line, shown) in [
            ("plain \u{e9}\ttext \"quoted\" \\", "plain \u{e9}\ttext \"quoted\" \\"),
            ("x\rforged\nagain", "x\\rforged\\nagain"),
            ("a\0b\x1b[31m\u{85}\x07\x7f", "a\\u{0}b\\u{1b}[31m\\u{85}\\u{7}\\u{7f}"),
            ("\u{202e}dnuora\u{2028}", "\\u{202e}dnuora\\u{2028}"),
            ("", ""),
        ] {
            assert_eq!(escaped(line, Place::Line), shown, "{line:?}");
        }
        assert_eq!(escaped("a \"b\"\t\\\n", Place::Quotes), "a \\\"b\\\"\\t\\\\\\n");
    }

    /// What a JSON string says is what was logged, and the line holds nothing else than text.
    #[test]
    fn a_json_string_reads_back_the_same() {
        let every: String =
            ('\0'..'\u{3000}').chain('\u{E0000}'..'\u{E0090}').chain(['\u{10ffff}']).collect();
        let text = escaped(&every, Place::Json);
        assert!(text.chars().all(is_plain));
        assert_eq!(serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap(), every);
    }

    #[test]
    fn a_line_has_time_level_part_message() {
        let text = Line::plain(LogFormat::Text, Level::INFO, "forkpool::pool", "it is \"so\"");
        let (time, rest) = text.split_once(' ').unwrap();
        assert_eq!((time.len(), time.ends_with('Z')), ("2026-01-01T00:00:00.000000Z".len(), true), "{time}");
        assert_eq!(rest, " INFO forkpool::pool: it is \"so\"\n");
        let text = Line::plain(LogFormat::Json, Level::WARN, "forkpool::pool", "it is \"so\"");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&value["level"], &value["target"], &value["message"]),
            (&"WARN".into(), &"forkpool::pool".into(), &"it is \"so\"".into())
        );
        assert!(value["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }

    #[test]
    fn values_are_words_or_quoted() {
        for (value, shown) in [
            ("tasks.f", "tasks.f"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("a=b", "\"a=b\""),
            ("a\nb", "\"a\\nb\""),
            ("\u{e9}", "\u{e9}"),
        ] {
            let mut line = Line { format: LogFormat::Text, text: String::new() };
            line.string("name", value);
            assert_eq!(line.text, format!(" name={shown}"));
        }
    }
}
