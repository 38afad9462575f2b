//! What a setting needs of its type: how a flag is parsed, which values there are, how one is written.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{EnumValueParser, ValueParser};
use clap::{ArgMatches, ValueEnum};

use super::quantity::{Bytes, Count, Preload, Seconds, Switch, show_duration, show_size};
use super::{Bind, HostName, LogFormat, LogJobs, PageOrigin, PublicUrl, WorkerOutput};

/// A type that a setting may have.
pub trait Value: Clone + Send + Sync + 'static {
    /// Stands for the value in the help, where the setting has no better word.
    const PLACEHOLDER: &'static str;
    /// Between several in a variable.
    const SEPARATOR: char = ',';
    /// Whether there may be several.
    const IS_LIST: bool = false;

    /// Reads the word of a flag or variable.
    fn parser() -> ValueParser;

    /// Which values there are; empty where each setting says so itself.
    fn range() -> String {
        String::new()
    }

    /// In the syntax that is read.
    fn show(&self) -> String;

    /// Takes what was given for the setting of this name.
    fn take(matches: &mut ArgMatches, name: &str) -> Option<Self> {
        matches.remove_one(name)
    }
}

/// A type that a limit may have.
pub trait Limit: Value {
    /// Bytes or a number, as the machine counts, or a duration.
    type Amount;

    /// Without its range.
    fn amount(self) -> Self::Amount;
}

/// A type that is read by `FromStr` and shown by `Display`.
macro_rules! value {
    ($type:ty $([$($parameter:tt)*])?, $placeholder:literal, $range:expr) => {
        impl$(<$($parameter)*>)? Value for $type {
            const PLACEHOLDER: &'static str = $placeholder;

            fn parser() -> ValueParser {
                ValueParser::new(|text: &str| text.parse::<Self>())
            }

            fn range() -> String {
                $range.to_string()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}

value!(Seconds<MIN, MAX> [const MIN: u64, const MAX: u64], "TIME", range_of(MIN, MAX, |millis| {
    show_duration(Duration::from_millis(millis))
}));
value!(Bytes<MIN, MAX> [const MIN: u64, const MAX: u64], "SIZE", range_of(MIN, MAX, show_size));
value!(Count<MIN, MAX> [const MIN: u64, const MAX: u64], "N", range_of(MIN, MAX, |count| count.to_string()));
value!(Switch, "on|off", "on, off");
value!(Preload, "auto|on|off", "auto, on, off");
value!(Bind, "ADDRESS", "an address in numbers, `unix:/path`");
value!(HostName, "NAME", "names, up to 253 characters");
value!(PageOrigin, "ORIGIN", "`http://` or `https://`, host, maybe port");
value!(PublicUrl, "URL", "`http://` or `https://`, host, maybe port and path");

fn range_of(least: u64, most: u64, show: impl Fn(u64) -> String) -> String {
    format!("{} to {}", show(least), show(most))
}

/// A type that is one of some words, which clap reads off its variants.
macro_rules! words {
    ($type:ty, $placeholder:literal) => {
        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                ValueEnum::from_str(text, false)
            }
        }

        impl Value for $type {
            const PLACEHOLDER: &'static str = $placeholder;

            fn parser() -> ValueParser {
                EnumValueParser::<Self>::new().into()
            }

            fn range() -> String {
                <Self as ValueEnum>::value_variants().iter().map(Value::show).collect::<Vec<_>>().join(", ")
            }

            fn show(&self) -> String {
                self.to_possible_value().map_or_else(String::new, |word| word.get_name().to_owned())
            }
        }
    };
}

words!(WorkerOutput, "stderr|job");
words!(LogFormat, "text|json");
words!(LogJobs, "failed|all|none");

impl Value for PathBuf {
    const PLACEHOLDER: &'static str = "FILE";
    const SEPARATOR: char = ':';

    fn parser() -> ValueParser {
        ValueParser::path_buf()
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for String {
    const PLACEHOLDER: &'static str = "NAME";

    fn parser() -> ValueParser {
        ValueParser::string()
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl<T: Value> Value for Vec<T> {
    const PLACEHOLDER: &'static str = T::PLACEHOLDER;
    const SEPARATOR: char = T::SEPARATOR;
    const IS_LIST: bool = true;

    fn parser() -> ValueParser {
        T::parser()
    }

    fn range() -> String {
        T::range()
    }

    fn show(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        self.iter().map(T::show).collect::<Vec<_>>().join(&T::SEPARATOR.to_string())
    }

    fn take(matches: &mut ArgMatches, name: &str) -> Option<Self> {
        matches.remove_many(name).map(Iterator::collect)
    }
}

impl<const MIN: u64, const MAX: u64> Limit for Seconds<MIN, MAX> {
    type Amount = Duration;

    fn amount(self) -> Duration {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> Limit for Bytes<MIN, MAX> {
    type Amount = usize;

    fn amount(self) -> usize {
        self.get()
    }
}

impl<const MIN: u64, const MAX: u64> Limit for Count<MIN, MAX> {
    type Amount = usize;

    fn amount(self) -> usize {
        self.get()
    }
}
