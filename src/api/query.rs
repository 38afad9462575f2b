//! The reading of query strings: unknown, repeated and wrong parameters are refused by name.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::options::is_list;

/// Items of a page whose `limit` is not given, and the most that it may be.
const PAGE_ITEMS: usize = 100;
const PAGE_ITEMS_MAX: usize = 1_000;

/// A member or parameter that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Its name.
    pub member: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Invalid {
    /// This member is wrong.
    pub fn new(member: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { member: member.into(), detail: detail.into() }
    }
}

/// A query string's parameters.
#[derive(Debug)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads a query string in which only these parameters may stand, each once, unless it is a list.
    pub fn parse(query: Option<&'a str>, allowed: &[&str]) -> Result<Self, Invalid> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(Self(Vec::new())) };
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !allowed.contains(&&*name) {
                let known = if allowed.is_empty() {
                    "none, options go in the body".to_owned()
                } else {
                    allowed.join(", ")
                };
                let shown: String = name.chars().take(100).collect();
                let detail = format!("unknown query parameter {shown:?}; known here: {known}");
                return Err(Invalid::new(name, detail));
            }
            match pairs.iter_mut().find(|(other, _)| *other == name) {
                None => pairs.push((name, value)),
                // Many clients send a list so, whatever the document says.
                Some((_, items)) if is_list(&name) => *items = Cow::Owned(format!("{items},{value}")),
                Some(_) => return Err(Invalid::new(name, "the query parameter is given twice")),
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter as it stands.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// A parameter in seconds.
    pub fn seconds(&self, name: &str, most: Duration) -> Result<Option<Duration>, Invalid> {
        let Some(text) = self.text(name) else { return Ok(None) };
        seconds(text, most).map(Some).ok_or_else(|| {
            let most = most.as_secs();
            Invalid::new(name, format!("{name} must be a number of seconds from 0 to {most}, not {text:?}"))
        })
    }

    /// A parameter that is a whole number.
    pub fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>, Invalid> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            Invalid::new(name, format!("{name} must be a whole number from {least} to {most}, not {text:?}"))
        })
    }

    /// The parameter `limit` of a list: how many items a page has at most.
    pub fn page_limit(&self) -> Result<usize, Invalid> {
        Ok(self.number("limit", 1..=PAGE_ITEMS_MAX)?.unwrap_or(PAGE_ITEMS))
    }
}

/// A number of seconds from 0 to `most`, as JSON or a query has it.
pub(super) fn seconds(text: &str, most: Duration) -> Option<Duration> {
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let seconds = text.parse().ok().filter(|seconds| numeric && *seconds <= most.as_secs_f64())?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Invalid> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    // The decoder leaves a broken escape as it is.
    let is_broken =
        |rest: &str| !rest.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if text.split('%').skip(1).any(is_broken) {
        return Err(Invalid::new(text, "a broken percent escape in the query"));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.map_err(|_| Invalid::new(text, "the query is not UTF-8"))?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn seconds_are_finite_and_in_range() {
        for (text, want) in [("0", 0.0), ("1.5", 1.5), ("86400", 86_400.0), ("1e1", 10.0)] {
            let query = format!("timeout={text}");
            let query = Query::parse(Some(&query), &["timeout"]).unwrap();
            assert_eq!(query.seconds("timeout", DAY), Ok(Some(Duration::from_secs_f64(want))), "{text}");
        }
        for text in ["NaN", "-1", "1e308", "x", "%225%22", "", "inf", "86400.1", "1e400", "0x10"] {
            let query = format!("timeout={text}");
            let query = Query::parse(Some(&query), &["timeout"]).unwrap();
            assert_eq!(query.seconds("timeout", DAY).unwrap_err().member, "timeout", "{text}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert_eq!(Query::parse(Some("wiat=1"), &["wait"]).unwrap_err().member, "wiat");
        assert_eq!(Query::parse(Some("wait=1&wait=1"), &["wait"]).unwrap_err().member, "wait");
        let tags = Query::parse(Some("tags=a,b&key=k&tags=c"), &["key", "tags"]).unwrap();
        assert_eq!((tags.text("tags"), tags.text("key")), (Some("a,b,c"), Some("k")));
        for broken in ["a=%zz", "a=%", "a=%2", "a=1%f", "a=%2ä", "a=%ff", "%a=1"] {
            assert!(Query::parse(Some(broken), &["a"]).is_err(), "{broken}");
        }
        assert_eq!(Query::parse(Some("a=%2F+x"), &["a"]).unwrap().text("a"), Some("/ x"));
    }
}
