//! Names: the nearest to one that is unknown, and environment variables that mean nothing.

use clap::Args;

use super::ServeFlags;

/// The prefix of every variable that is read.
const PREFIX: &str = "FORKPOOL_";

/// What to tell about variables that look like ours but are not read: a knob that silently does
/// nothing is a trap.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let command = ServeFlags::augment_args(clap::Command::new("serve"));
    let known: Vec<&str> = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    let unknown =
        names.into_iter().filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()));
    unknown
        .map(|name| match nearest(&name, known.iter().copied()) {
            Some(near) => {
                format!("the environment variable {name} means nothing; did you mean {near}?")
            }
            None => format!("the environment variable {name} means nothing"),
        })
        .collect()
}

/// The candidate with the fewest changed letters, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (distance(word, candidate), candidate)).min()?;
    let word = word.strip_prefix(PREFIX).unwrap_or(word);
    (near.0 <= 1.max(word.chars().count() / 3)).then_some(near.1)
}

/// Letters to insert, drop, change or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
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
        assert_eq!(distance("max_wiat", "max_wait"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
