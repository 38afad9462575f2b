//! Names: the nearest to one that is unknown, and environment variables that mean nothing.

use super::setting::{Setting, VARIABLE_PREFIX};
use super::settings::SETTINGS;

/// What to tell about variables that look like ours but are not read: a setting that silently does
/// nothing is a trap.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let unknown = names.into_iter().filter(|name| name.starts_with(VARIABLE_PREFIX) && !known.contains(name));
    unknown
        .map(|name| match nearest(&name, known.iter().map(String::as_str)) {
            Some(near) => {
                format!("the environment variable {name} means nothing; did you mean {near}?")
            }
            None => format!("the environment variable {name} means nothing"),
        })
        .collect()
}

/// The candidate with the fewest changed letters, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (strsim::osa_distance(word, candidate), candidate)).min()?;
    let word = word.strip_prefix(VARIABLE_PREFIX).unwrap_or(word);
    (near.0 <= 1.max(word.chars().count() / 3)).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Vec<String> {
        unknown_variables([name.to_owned()])
    }

    #[test]
    fn variables_that_mean_nothing_are_told_with_what_is_near() {
        assert_eq!(told("FORKPOOL_WORKERS"), Vec::<String>::new());
        assert_eq!(told("PATH"), Vec::<String>::new());
        assert_eq!(
            told("FORKPOOL_WORKRES"),
            ["the environment variable FORKPOOL_WORKRES means nothing; did you mean FORKPOOL_WORKERS?"]
        );
        assert_eq!(told("FORKPOOL_XYZZY"), ["the environment variable FORKPOOL_XYZZY means nothing"]);
    }

    #[test]
    fn swapped_letters_are_one_step() {
        assert_eq!(nearest("dpeht", ["depth", "objects"].into_iter()), None);
        assert_eq!(nearest("dpeth", ["objects", "depth"].into_iter()), Some("depth"));
    }
}
