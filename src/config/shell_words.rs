//! Command lines cut into words, as a shell cuts them. Cuts alone: nothing is expanded, no variable, no
//! pattern, and `|`, `>`, `;`, `&` and `#` are letters.
//!
//! The crate of this name drops what follows a `#`, knows no lines, takes a backslash at the end for a letter and
//! doesn't say which quote is open.

/// The words of each line. A line ends at a newline outside of quotes; empty ones are left out. The error
/// says what is not closed.
pub fn lines(text: &str) -> Result<Vec<Vec<String>>, &'static str> {
    let (mut lines, mut words) = (Vec::new(), Vec::new());
    // `None` between words: an empty pair of quotes is a word.
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' => {
                words.extend(word.take());
                if letter == '\n' && !words.is_empty() {
                    lines.push(std::mem::take(&mut words));
                }
            }
            '\'' => {
                let (quoted, rest) = letters.as_str().split_once('\'').ok_or("a ' is not closed")?;
                word.get_or_insert_default().push_str(quoted);
                letters = rest.chars();
            }
            '"' => double_quoted(&mut letters, word.get_or_insert_default())?,
            '\\' => match letters.next() {
                // A line that goes on.
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err("it ends in a backslash"),
            },
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if !words.is_empty() {
        lines.push(words);
    }
    Ok(lines)
}

/// What follows an opening `"`, with its end. A backslash escapes only what would mean something in a shell.
fn double_quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a \" is not closed";
    loop {
        match letters.next().ok_or(OPEN)? {
            '"' => return Ok(()),
            '\\' => match letters.next().ok_or(OPEN)? {
                '\n' => {}
                escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            letter => word.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_shells() {
        for (line, words) in [
            ("wc -w", &["wc", "-w"][..]),
            ("  a\t b  ", &["a", "b"]),
            ("a''b '' \"\"", &["ab", "", ""]),
            ("'a b'\"c d\"e\\ f", &["a bc de f"]),
            ("\"a \\\"q\\\" \\$x \\n\"", &["a \"q\" $x \\n"]),
            ("'a\\b' a\\\\b", &["a\\b", "a\\b"]),
            ("a \\\n b", &["a", "b"]),
            ("a|b > c # d $HOME *", &["a|b", ">", "c", "#", "d", "$HOME", "*"]),
            ("sh -c 'a\nb' é", &["sh", "-c", "a\nb", "é"]),
        ] {
            assert_eq!(lines(line), Ok(vec![words.iter().map(ToString::to_string).collect()]), "{line}");
        }
        let two = vec![vec!["a=b".to_owned(), "c".to_owned()], vec!["d=e".to_owned()]];
        assert_eq!(lines("\n a=b c\r\n\n  d=e\n"), Ok(two));
        assert_eq!(lines(" \n "), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        assert_eq!(lines("a 'b"), Err("a ' is not closed"));
        assert_eq!(lines("a \"b\\\""), Err("a \" is not closed"));
        assert_eq!(lines("a \"b\\"), Err("a \" is not closed"));
        assert_eq!(lines("a \\"), Err("it ends in a backslash"));
    }
}
