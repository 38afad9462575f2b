//! Whole numbers of a schema that `serde_json::Value` can't hold: beyond 64 bits. (Its `arbitrary_precision` would
//! hold them, and would change serde's view of every number in a user's own Rust types.) A worker announces them as
//! texts with a mark; they are numbers again where the schema is written.

/// What stands before the digits, in JSON text.
const MARK: &str = r#""\u0000int:"#;

/// The mark as the text has it.
const MARK_OF_TEXT: &str = "\0int:";

/// Whether a schema's text stands for such a number.
pub fn is_large_integer(text: &str) -> bool {
    text.strip_prefix(MARK_OF_TEXT).is_some_and(is_integer)
}

/// JSON text with the marked numbers as numbers.
pub fn with_large_integers(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let mut pieces = text.split(MARK);
    let mut made = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once('"') {
            Some((number, rest)) if is_integer(number) => made.extend([number, rest]),
            _ => made.extend([MARK, piece]),
        }
    }
    made
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::with_large_integers;

    #[test]
    fn every_digit_is_written() {
        let schema =
            json!({"default": "\0int:1180591620717411303425", "enum": ["\0int:-99999999999999999999", 1]});
        let text = r#"{"default":1180591620717411303425,"enum":[-99999999999999999999,1]}"#;
        assert_eq!(with_large_integers(schema.to_string()), text);
        for other in [json!({"default": "\0int:x"}), json!(["\0int:", "\0int:007", "int:5", "\\u0000int:5"])]
        {
            assert_eq!(with_large_integers(other.to_string()), other.to_string());
        }
    }
}
