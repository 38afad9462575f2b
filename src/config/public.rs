//! By which names the server is reached from outside, and from whose pages: `--allow-host`, `--public-url`,
//! `--allow-origin`.

use std::fmt;
use std::str::FromStr;

/// A name that Host may be, without a port.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

/// Where clients reach the server: what its links begin with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    text: String,
    /// Of `text`: the origin's end.
    origin_end: usize,
}

/// Whose pages may call: scheme, host and port, as browsers send them in Origin.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PageOrigin(String);

impl PageOrigin {
    /// In small letters, the scheme's own port left out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PageOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: Option<PublicUrl> = text.parse().ok();
        let url = url.filter(|url| url.origin() == url.as_str() && !text.contains('*'));
        let hint = "give http:// or https://, a host, and a port if need be, like https://app.example; there are no \
                    wildcards";
        url.map(|url| Self(url.text)).ok_or_else(|| hint.to_owned())
    }
}

impl TryFrom<String> for PageOrigin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PageOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HostName {
    /// In small letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(fits)
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err("give a host's name without scheme, port and wildcard, like pool.example".to_owned());
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl PublicUrl {
    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as browsers send them in Origin: in small letters, the scheme's own port left out.
    pub fn origin(&self) -> &str {
        &self.text[..self.origin_end]
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = || "give http:// or https://, a host, and a port and a path if need be, like https://pool.example";
        let (scheme, rest) = text.split_once("://").ok_or_else(hint)?;
        let scheme = scheme.to_ascii_lowercase();
        let own_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(hint().to_owned()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(own_port).unwrap_or(&authority);
        let parsed: http::uri::Authority = authority.parse().map_err(|_| hint())?;
        let port = authority.get(parsed.host().len()..).and_then(|rest| rest.strip_prefix(':'));
        let is_port_wrong = port.is_some_and(|port| port.parse::<u16>().is_err());
        let path_fits =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>' | b'\\');
        if authority.contains('@')
            || parsed.host().is_empty()
            || is_port_wrong
            || !path.bytes().all(path_fits)
        {
            return Err(hint().to_owned());
        }
        let origin = format!("{scheme}://{authority}");
        Ok(Self { origin_end: origin.len(), text: format!("{origin}{}", path.trim_end_matches('/')) })
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare() {
        for (text, name) in
            [("Pool.Example.", "pool.example"), ("forkpool", "forkpool"), ("a_b-c.d", "a_b-c.d")]
        {
            assert_eq!(text.parse::<HostName>().as_ref().map(HostName::as_str), Ok(name));
        }
        for text in [
            "",
            ".",
            "a..b",
            "pool.example:80",
            "http://pool.example",
            "*.example",
            "a b",
            "p\u{f6}ol",
            "[::1]",
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        for (text, origin) in [
            ("https://App.Example", "https://app.example"),
            ("https://app.example:443/", "https://app.example"),
            ("http://localhost:5173", "http://localhost:5173"),
        ] {
            assert_eq!(text.parse::<PageOrigin>().expect(text).as_str(), origin);
        }
        for text in ["", "*", "null", "app.example", "https://app.example/a", "https://*.app.example"] {
            assert!(text.parse::<PageOrigin>().is_err(), "{text}");
        }
    }

    #[test]
    fn urls_have_an_origin_and_maybe_a_path() {
        for (text, url, origin) in [
            ("https://pool.example", "https://pool.example", "https://pool.example"),
            ("HTTPS://Pool.Example:443/", "https://pool.example", "https://pool.example"),
            ("http://pool.example:80/Fork/Pool/", "http://pool.example/Fork/Pool", "http://pool.example"),
            ("http://10.0.0.1:8080/a", "http://10.0.0.1:8080/a", "http://10.0.0.1:8080"),
            ("https://[::1]:8443", "https://[::1]:8443", "https://[::1]:8443"),
        ] {
            let parsed: PublicUrl = text.parse().expect(text);
            assert_eq!((parsed.as_str(), parsed.origin()), (url, origin));
        }
        for text in [
            "",
            "pool.example",
            "ftp://pool.example",
            "http://",
            "https:///path",
            "https://user@pool.example",
            "https://pool.example:",
            "https://pool.example:99999",
            "https://pool.example?x=1",
            "https://pool.example/#top",
            "https://pool example",
            "https://pool.example/a b",
            "https://pool.example/\r\nx: y",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
