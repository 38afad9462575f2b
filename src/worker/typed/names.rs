//! The names of types, for people.

/// A type's name without the paths to it: `Option<Vec<f64>>`.
pub fn short(full: &str) -> String {
    let mut name = String::with_capacity(full.len());
    let (mut rest, mut path) = (full, 0);
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("::") {
            // What came before was no type but where it is.
            name.truncate(path);
            rest = after;
            continue;
        }
        name.push(next);
        if !next.is_alphanumeric() && next != '_' {
            path = name.len();
        }
        rest = &rest[next.len_utf8()..];
    }
    name
}

/// What an error is called: its type's own name, `Error` where that says nothing.
pub fn of_error(full: &str) -> String {
    let name = short(full.trim_start_matches('&'));
    let name = name.split('<').next().unwrap_or_default();
    let says_nothing = matches!(name, "" | "Box") || name.contains(' ');
    if says_nothing { "Error".into() } else { name.into() }
}

/// The error's part of a `Result`'s name.
pub fn error_part(result: &str) -> &str {
    let inside = result.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or_default();
    let mut depth = 0_i32;
    let comma = inside.char_indices().find(|&(_, c)| {
        depth += i32::from(matches!(c, '<' | '(' | '[')) - i32::from(matches!(c, '>' | ')' | ']'));
        c == ',' && depth == 0
    });
    comma.map_or("", |(at, _)| inside[at + 1..].trim_start())
}

#[cfg(test)]
mod tests {
    use std::any::type_name;
    use std::collections::HashMap;
    use std::num::ParseIntError;

    use super::*;

    #[test]
    fn paths_are_left_out() {
        assert_eq!(short(type_name::<Option<Vec<f64>>>()), "Option<Vec<f64>>");
        assert_eq!(short(type_name::<HashMap<String, (u8, [i64; 2])>>()), "HashMap<String, (u8, [i64; 2])>");
        assert_eq!(short(type_name::<&'static str>()), "&str");
        assert_eq!(short(type_name::<std::io::Result<()>>()), "Result<(), Error>");
        assert_eq!(short(type_name::<Box<dyn std::error::Error>>()), "Box<dyn Error>");
    }

    #[test]
    fn errors_have_a_name_of_one_word() {
        let of = |result: &str| of_error(error_part(result));
        assert_eq!(of(type_name::<Result<HashMap<u8, u8>, ParseIntError>>()), "ParseIntError");
        assert_eq!(of(type_name::<Result<(u8, u8), String>>()), "String");
        assert_eq!(of(type_name::<Result<[u8; 2], &str>>()), "str");
        assert_eq!(of(type_name::<Result<u8, HashMap<u8, u8>>>()), "HashMap");
        assert_eq!(of(type_name::<Result<u8, Box<dyn std::error::Error + Send + Sync>>>()), "Error");
        assert_eq!(of(""), "Error");
    }
}
