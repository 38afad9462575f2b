//! What is known of one setting, and the macro that makes of the table in `settings.rs` all that depends on it.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction};

use super::value::Value;

/// A setting: the long flag `--NAME`, the variable `FORKPOOL_NAME`, the file's member `name`. What is `pub` from
/// `default` on is what an entry of the table may say in braces.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The file's member: small letters, `_` between words.
    pub name: &'static str,
    /// The heading that it stands under, in help and file.
    pub section: &'static str,
    pub(super) help: &'static str,
    pub(super) parser: fn() -> ValueParser,
    pub(super) type_range: fn() -> String,
    pub(super) is_list: bool,
    /// The default, as it is written or in words; `None` for what is served, which has none.
    pub default: Option<&'static str>,
    /// The default where it depends on the machine.
    pub machine_default: Option<fn() -> String>,
    /// Stands for the value in the help.
    pub placeholder: &'static str,
    /// Which values there are, where the type doesn't tell.
    pub range: &'static str,
    /// What is too long for the help: another sentence in file and book.
    pub more: &'static str,
    /// A page of the book with more about it: a link in Markdown, from the page of settings.
    pub see: &'static str,
    /// What the example of a file shows where there is no default to show.
    pub example: &'static str,
    /// Between several in a variable.
    pub separator: Option<char>,
    /// Whether its values stand on the command line without the flag.
    pub is_positional: bool,
    /// Whether the flag alone means `on`.
    pub may_be_bare: bool,
}

impl Setting {
    /// What the type tells; `help` is one line, or several that begin with a blank each.
    pub(super) const fn of<T: Value>(name: &'static str, section: &'static str, help: &'static str) -> Self {
        Self {
            name,
            section,
            help,
            parser: T::parser,
            type_range: T::range,
            is_list: T::IS_LIST,
            default: None,
            machine_default: None,
            placeholder: T::PLACEHOLDER,
            range: "",
            more: "",
            see: "",
            example: "",
            separator: if T::IS_LIST { Some(T::SEPARATOR) } else { None },
            is_positional: false,
            may_be_bare: false,
        }
    }

    /// Its flag, less the dashes before it.
    pub fn flag_name(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Its variable in the environment.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_uppercase())
    }

    /// What it is for, without a full stop.
    pub fn help(&self) -> &'static str {
        self.help.trim_start()
    }

    /// Which values there are, in words.
    pub fn range(&self) -> String {
        if self.range.is_empty() { (self.type_range)() } else { self.range.to_owned() }
    }

    pub(super) fn flag(&self) -> Arg {
        let help = match self.default {
            Some(default) => format!("{} [default: {default}]", self.help()),
            None => self.help().to_owned(),
        };
        let mut arg = Arg::new(self.name)
            .env(self.variable())
            .help(help)
            .value_name(self.placeholder)
            .value_parser((self.parser)())
            .value_delimiter(self.separator)
            .hide_possible_values(true);
        if self.is_list {
            arg = arg.action(ArgAction::Append);
        }
        if self.may_be_bare {
            arg = arg.num_args(0..=1).require_equals(true).default_missing_value("on");
        }
        if self.is_positional {
            arg.num_args(1..)
        } else {
            // Below every range; but then the range is told.
            arg.long(self.flag_name()).help_heading(self.section).allow_negative_numbers(true)
        }
    }
}

/// The prefix of every variable that is read.
pub const VARIABLE_PREFIX: &str = "FORKPOOL_";

/// A setting and the value that holds.
#[derive(Debug, Clone)]
pub struct SettingValue {
    /// The setting.
    pub setting: &'static Setting,
    /// In the syntax that is read.
    pub value: String,
}

impl SettingValue {
    /// Of what was given for a setting; `None` for one without a default.
    pub(super) fn of(setting: &'static Setting, given: Option<String>) -> Option<Self> {
        let default = setting.default?;
        let value =
            given.unwrap_or_else(|| setting.machine_default.map_or_else(|| default.to_owned(), |get| get()));
        Some(Self { setting, value })
    }

    /// Whether the operator changed it.
    pub fn differs(&self) -> bool {
        match self.setting.machine_default {
            Some(default) => self.value != default(),
            None => self.setting.default.is_some_and(|default| self.value != default),
        }
    }
}

/// Makes of the table of settings: [`super::ServeFlags`] with its flags, its file and its layers; [`super::Limits`];
/// the functions of `default`, by the settings' names; and `SETTINGS`.
///
/// An entry is `name as limit: Type = "default" { key: value, … };`. A setting with `as` is a limit. What stands in
/// braces are members of [`Setting`].
macro_rules! settings {
    ($($section:literal {$(
        $(#[doc = $help:literal])+
        $(#[serde($($serde:tt)*)])?
        $name:ident $(as $limit:ident)? : $type:ty $(= $default:literal)? $({ $($key:ident: $value:expr),* })?;
    )*})*) => {
        /// Every setting, in the order of help, file and book.
        pub static SETTINGS: &[Setting] = &[$($(
            Setting {
                $(default: Some($default),)?
                $($($key: $value,)*)?
                ..Setting::of::<$type>(stringify!($name), $section, concat!($($help),+))
            },
        )*)*];

        /// What an operator may set: the flags of `serve`, `check-config` and `openapi`; each is also a variable and a
        /// member of the file. `None` is what was not given.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct ServeFlags {
            $($(
                $(#[doc = $help])+
                $(#[serde($($serde)*)])?
                pub $name: Option<$type>,
            )*)*
            /// `[commands.NAME]`: in the file alone.
            pub commands: Option<BTreeMap<String, CommandEntry>>,
            /// `[pools.NAME]`: in the file alone.
            pub pools: Option<PoolTables>,
            /// `[functions."NAME"]`: in the file alone.
            pub functions: Option<FunctionTables>,
            /// Whether the program itself has functions; no flag says so.
            #[serde(skip)]
            pub own_functions: bool,
        }

        impl ServeFlags {
            /// Lays these over others. A list that is given replaces the list below it.
            pub(super) fn over(self, under: Self) -> Self {
                Self {
                    $($($name: self.$name.or(under.$name),)*)*
                    commands: self.commands.or(under.commands),
                    pools: self.pools.or(under.pools),
                    functions: self.functions.or(under.functions),
                    own_functions: self.own_functions,
                }
            }

            /// The settings that have a default, with the values that hold.
            pub(super) fn values(&self) -> Vec<SettingValue> {
                let given = [$($(self.$name.as_ref().map(Value::show),)*)*];
                SETTINGS.iter().zip(given).filter_map(|(setting, given)| SettingValue::of(setting, given)).collect()
            }
        }

        impl clap::FromArgMatches for ServeFlags {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Self::from_arg_matches_mut(&mut matches.clone())
            }

            fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self { $($($name: Value::take(matches, stringify!($name)),)*)* ..Self::default() })
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        /// Every bound of the server. Sizes in bytes, durations as such.
        #[derive(Debug, Clone)]
        pub struct Limits {
            $($($(
                #[doc = concat!("See [`ServeFlags::", stringify!($name), "`].")]
                pub $limit: <$type as Limit>::Amount,
            )?)*)*
            /// Largest duration that a request may name; no flag sets it.
            pub timeout_max: Duration,
        }

        impl From<&ServeFlags> for Limits {
            /// What the flags leave open is at its default.
            fn from(flags: &ServeFlags) -> Self {
                Self {
                    $($($($limit: flags.$name.unwrap_or_else(default::$name).amount(),)?)*)*
                    timeout_max: TIMEOUT_MAX,
                }
            }
        }

        /// The settings' defaults.
        pub(super) mod default {
            use super::*;

            $($($(
                pub fn $name() -> $type {
                    $default.parse().expect(concat!("the default of ", stringify!($name), " is a value of it"))
                }
            )?)*)*
        }
    };
}
pub(super) use settings;

#[cfg(test)]
mod tests {
    use super::SettingValue;
    use crate::config::quantity::Switch;
    use crate::config::{Bind, ServeFlags};

    fn values(flags: ServeFlags) -> Vec<SettingValue> {
        let flags = ServeFlags { builtin: Some(Switch(true)), ..flags };
        flags.resolve().expect("good").settings
    }

    fn differing(flags: ServeFlags) -> Vec<(&'static str, String)> {
        let differing = values(flags).into_iter().filter(SettingValue::differs);
        differing.map(|value| (value.setting.name, value.value)).collect()
    }

    #[test]
    fn nothing_differs_at_first() {
        assert_eq!(differing(ServeFlags::default()), []);
        assert_eq!(values(ServeFlags::default()).first().map(|value| value.setting.name), Some("bind"));
        let bind = Some(Bind::Unix("/run/a.sock".into()));
        let flags = ServeFlags { bind, ..ServeFlags::default() };
        assert_eq!(differing(flags), [("bind", "unix:/run/a.sock".to_owned())]);
    }

    #[test]
    fn folders_are_told_as_a_variable_has_them() {
        let flags = ServeFlags {
            targets: Some(vec!["json".to_owned()]),
            python_path: Some(vec!["/".into(), "/tmp".into(), "/".into()]),
            ..ServeFlags::default()
        };
        assert_eq!(differing(flags), [("python_path", "/:/tmp".to_owned())]);
    }

    #[test]
    fn a_list_that_is_empty_is_none() {
        let flags = ServeFlags { allow_host: Some(Vec::new()), ..ServeFlags::default() };
        assert_eq!(differing(flags), []);
    }
}
