//! A document as it is written, a member at a time: for programs without a blank, or for people, where a value that
//! fits stands on one line and any other has a line for each member.

use std::io::{self, Write};

use serde_json::Value;

use crate::schema::with_large_integers;

/// Columns of a line, where its value can be broken.
const COLUMNS_MAX: usize = 120;
const INDENT: usize = 2;

/// For whom a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Programs.
    Compact,
    /// People.
    Lines,
}

/// Writes one object, whose members may be objects that are opened and closed.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    layout: Layout,
    /// Objects that are open.
    depth: usize,
    /// Nothing is in the last of them yet.
    is_empty: bool,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Begins the object.
    pub fn new(out: W, layout: Layout) -> io::Result<Self> {
        let mut writer = Self { out, layout, depth: 1, is_empty: true, bytes: 0 };
        writer.put("{")?;
        Ok(writer)
    }

    /// Begins an object that is a member. Something must follow in it.
    pub fn open(&mut self, name: &str) -> io::Result<()> {
        let head = self.head(name);
        self.put(&(head + "{"))?;
        self.depth += 1;
        self.is_empty = true;
        Ok(())
    }

    /// Writes a member.
    pub fn member(&mut self, name: &str, value: &Value) -> io::Result<()> {
        let mut text = self.head(name);
        match self.layout {
            Layout::Compact => text.push_str(&value.to_string()),
            Layout::Lines => {
                let line = text.rfind('\n').map_or(0, |at| at + 1);
                let taken = text[line..].chars().count();
                write(&mut text, value, self.depth * INDENT, taken);
            }
        }
        self.put(&with_large_integers(text))
    }

    /// Ends the object that was opened last.
    pub fn close(&mut self) -> io::Result<()> {
        self.depth -= 1;
        self.is_empty = false;
        let mut text = String::new();
        self.new_line(&mut text);
        text.push('}');
        self.put(&text)
    }

    /// Ends the whole: where it was written, and how many bytes.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.close()?;
        self.put("\n")?;
        Ok((self.out, self.bytes))
    }

    /// What stands before a member's value.
    fn head(&mut self, name: &str) -> String {
        let mut text = String::new();
        if !std::mem::replace(&mut self.is_empty, false) {
            text.push(',');
        }
        self.new_line(&mut text);
        text.push_str(&Value::from(name).to_string());
        text.push_str(if self.layout == Layout::Lines { ": " } else { ":" });
        text
    }

    fn new_line(&self, text: &mut String) {
        if self.layout == Layout::Lines {
            new_line(text, self.depth * INDENT);
        }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.bytes += text.len() as u64;
        self.out.write_all(text.as_bytes())
    }
}

/// Writes a value into a line of this indentation of which so many columns are taken.
fn write(text: &mut String, value: &Value, indent: usize, taken: usize) {
    let start = text.len();
    // A comma may follow.
    if on_one_line(text, value, start + COLUMNS_MAX.saturating_sub(taken + 1)) {
        return;
    }
    text.truncate(start);
    let (open, members, close): (_, Vec<(Option<&String>, &Value)>, _) = match value {
        Value::Object(members) => {
            ('{', members.iter().map(|(name, member)| (Some(name), member)).collect(), '}')
        }
        Value::Array(items) => ('[', items.iter().map(|item| (None, item)).collect(), ']'),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
            return;
        }
    };
    text.push(open);
    let last = members.len().saturating_sub(1);
    for (number, (name, member)) in members.into_iter().enumerate() {
        new_line(text, indent + INDENT);
        let line = text.len();
        if let Some(name) = name {
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push_str(": ");
        }
        let taken = indent + INDENT + text[line..].chars().count();
        write(text, member, indent + INDENT, taken);
        if number < last {
            text.push(',');
        }
    }
    new_line(text, indent);
    text.push(close);
}

fn new_line(text: &mut String, indent: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
}

/// Whether the value ends within so many bytes of the text, to which it is added as far as it was looked at.
fn on_one_line(text: &mut String, value: &Value, end: usize) -> bool {
    match value {
        Value::Object(members) => {
            text.push('{');
            for (number, (name, member)) in members.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push_str(": ");
                if !on_one_line(text, member, end) {
                    return false;
                }
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                if !on_one_line(text, item, end) {
                    return false;
                }
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
    text.len() <= end
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(layout: Layout) -> String {
        let write = || {
            let mut writer = Writer::new(Vec::new(), layout)?;
            writer.member("a", &json!({"b": [1, 2], "c": {}, "big": "\0int:18446744073709551616"}))?;
            writer.open("paths")?;
            writer.member("d", &json!(["x".repeat(COLUMNS_MAX), []]))?;
            writer.member("e", &json!(null))?;
            writer.close()?;
            writer.finish()
        };
        let (text, bytes): (Vec<u8>, u64) = write().expect("memory takes it");
        assert_eq!(bytes, text.len() as u64);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn what_fits_stands_on_one_line() {
        let long = "x".repeat(COLUMNS_MAX);
        let lines = [
            "{",
            "  \"a\": {\"b\": [1, 2], \"big\": 18446744073709551616, \"c\": {}},",
            "  \"paths\": {",
            "    \"d\": [",
            &format!("      \"{long}\","),
            "      []",
            "    ],",
            "    \"e\": null",
            "  }",
            "}\n",
        ];
        assert_eq!(written(Layout::Lines), lines.join("\n"));
    }

    #[test]
    fn programs_get_no_blank() {
        let long = "x".repeat(COLUMNS_MAX);
        let first = r#"{"a":{"b":[1,2],"big":18446744073709551616,"c":{}},"#;
        let wanted = format!("{first}\"paths\":{{\"d\":[\"{long}\",[]],\"e\":null}}}}\n");
        assert_eq!(written(Layout::Compact), wanted);
    }
}
