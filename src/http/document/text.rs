//! The document as it is written: a value that fits stands on one line, any other has a line for each member.

use serde_json::Value;

/// Columns of a line, where its value can be broken.
const COLUMNS_MAX: usize = 120;
const INDENT: usize = 2;

/// JSON text with a newline at its end.
pub fn laid_out(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, 0);
    text.push('\n');
    text
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
    let last = members.len() - 1;
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

    #[test]
    fn what_fits_stands_on_one_line() {
        let long = "x".repeat(COLUMNS_MAX);
        let value = json!({"a": {"b": [1, 2], "c": {}}, "d": [long, []]});
        let text = laid_out(&value);
        assert_eq!(
            text,
            format!(
                "{{\n  \"a\": {{\"b\": [1, 2], \"c\": {{}}}},\n  \"d\": [\n    \"{long}\",\n    []\n  ]\n}}\n"
            )
        );
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), value);
        assert_eq!(laid_out(&json!([])), "[]\n");
    }
}
