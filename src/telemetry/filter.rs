//! Which events become lines: by level and part of the program, as `RUST_LOG` asks, and jobs as `--log-jobs` does.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};

use crate::config::LogJobs;
use crate::jobs::LOG_TARGET;

/// The name of the whole.
const PROGRAM: &str = "forkpool";

/// What becomes a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// Parts of the program by their paths, the longest first.
    parts: Vec<(String, LevelFilter)>,
    /// All that no part is named for.
    others: LevelFilter,
    jobs: LogJobs,
}

impl Filter {
    /// What is asked for, and what is wrong with that, if anything is. An unknown word is no part's name: then nothing
    /// would be logged.
    pub fn read(asked: &str, jobs: LogJobs) -> (Self, Option<String>) {
        let by_default = Self { parts: Vec::new(), others: LevelFilter::INFO, jobs };
        let level = |word: &str| {
            let word = word.trim();
            // The crate takes no word at all for `error`.
            let level = if word.is_empty() { None } else { word.parse::<LevelFilter>().ok() };
            level.ok_or_else(|| word.to_owned())
        };
        let mut read = Self { others: LevelFilter::OFF, ..by_default.clone() };
        let mut words = asked.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() {
            return (by_default, None);
        }
        let read_all = words.try_for_each(|word| {
            match word.split_once('=') {
                Some((part, word)) => read.parts.push((part.trim().to_owned(), level(word)?)),
                None => read.others = level(word)?,
            }
            Ok::<(), String>(())
        });
        if let Err(word) = read_all {
            let problem = format!(
                "RUST_LOG={asked:?} is no filter: {word:?} is none of off, error, warn, info, debug, trace; \
                 a part of the program is named as in forkpool::pool=debug"
            );
            return (by_default, Some(problem));
        }
        // Of two for the same part the later counts.
        read.parts.reverse();
        read.parts.sort_by_key(|(part, _)| std::cmp::Reverse(part.len()));
        let is_about_us = read.parts.is_empty()
            || read.others > LevelFilter::OFF
            || read.parts.iter().any(|(part, _)| is_within(part, PROGRAM));
        let problem = format!(
            "RUST_LOG={asked:?} names no part of the server, which logs nothing more: its parts begin with \
             {PROGRAM}, as in {PROGRAM}=info"
        );
        (read, (!is_about_us).then_some(problem))
    }

    /// The lowest level that anything is logged at.
    pub fn most(&self) -> LevelFilter {
        self.parts.iter().map(|(_, level)| *level).chain([self.others]).max().unwrap_or(self.others)
    }

    /// Whether what is described so becomes a line.
    pub fn lets_pass(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && self.lets(metadata.target(), *metadata.level())
    }

    fn lets(&self, target: &str, level: Level) -> bool {
        let named = self.parts.iter().find(|(part, _)| is_within(target, part));
        let most = named.map_or(self.others, |(_, level)| *level);
        let is_wanted = match self.jobs {
            LogJobs::All => true,
            // What failed is told as a warning, the rest is not.
            LogJobs::Failed => target != LOG_TARGET || level <= Level::WARN,
            LogJobs::None => target != LOG_TARGET,
        };
        level <= most && is_wanted
    }
}

/// Whether one path is the other or below it.
fn is_within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(asked: &str) -> (Filter, Option<String>) {
        Filter::read(asked, LogJobs::Failed)
    }

    #[test]
    fn levels_count_for_the_whole_or_a_part() {
        let (filter, problem) = read(" warn, forkpool::pool = debug,forkpool::pool::actor=off,");
        assert_eq!(problem, None);
        assert_eq!(filter.most(), LevelFilter::DEBUG);
        for (target, level, passes) in [
            ("forkpool::http", Level::WARN, true),
            ("forkpool::http", Level::INFO, false),
            ("forkpool::pool", Level::DEBUG, true),
            ("forkpool::pool::life", Level::DEBUG, true),
            ("forkpool::pool::life", Level::TRACE, false),
            ("forkpool::pool::actor", Level::ERROR, false),
            ("forkpool::pools", Level::INFO, false),
        ] {
            assert_eq!(filter.lets(target, level), passes, "{target} {level}");
        }
        assert!(read("info,info=debug,forkpool=error,forkpool=trace").0.lets("forkpool", Level::TRACE));
        for empty in ["", " , "] {
            let (filter, problem) = read(empty);
            assert!(filter.lets("forkpool", Level::INFO) && !filter.lets("forkpool", Level::DEBUG));
            assert_eq!(problem, None);
        }
        assert_eq!((read("off").1, read("off").0.most()), (None, LevelFilter::OFF));
    }

    #[test]
    fn what_is_no_filter_is_told() {
        for (asked, word) in
            [("debgu", "debgu"), ("info,a=loud", "loud"), ("foo=bar=baz", "bar=baz"), ("a=", "")]
        {
            let (filter, problem) = read(asked);
            assert!(problem.is_some_and(|said| said.contains(&format!("{word:?} is none of"))), "{asked}");
            assert!(filter.lets("forkpool", Level::INFO), "as if nothing were asked");
        }
        for (asked, is_told) in
            [("pool=debug", true), ("other=info,forkpool::pool=info", false), ("info,x=debug", false)]
        {
            assert_eq!(read(asked).1.is_some_and(|said| said.contains("names no part")), is_told, "{asked}");
        }
    }

    #[test]
    fn jobs_are_told_as_asked() {
        for (jobs, failed, rest) in
            [(LogJobs::Failed, true, false), (LogJobs::All, true, true), (LogJobs::None, false, false)]
        {
            let (filter, _) = Filter::read("trace", jobs);
            assert_eq!(filter.lets(LOG_TARGET, Level::WARN), failed, "{jobs:?}");
            assert_eq!(filter.lets(LOG_TARGET, Level::INFO), rest, "{jobs:?}");
            assert!(filter.lets("forkpool::workers", Level::INFO));
        }
    }
}
