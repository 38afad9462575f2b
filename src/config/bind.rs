//! Where the server listens, as it is written and read.
//!
//! Whether an address that other machines can reach may be listened on is decided where tokens are known.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Bind;
use super::settings::default;

/// What the kernel keeps of a Unix socket's path, less the closing zero byte (man 7 unix).
const UNIX_PATH_MAX: usize = 107;

impl Default for Bind {
    fn default() -> Self {
        default::bind()
    }
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => unix(path),
            None => tcp(text),
        }
    }
}

fn unix(path: &str) -> Result<Bind, String> {
    if !Path::new(path).is_absolute() {
        return Err("give the socket's absolute path, like unix:/run/forkpool.sock".to_owned());
    }
    if path.len() > UNIX_PATH_MAX || path.contains('\0') {
        return Err(format!("a Unix socket's path has at most {UNIX_PATH_MAX} bytes and no zero byte"));
    }
    Ok(Bind::Unix(PathBuf::from(path)))
}

fn tcp(text: &str) -> Result<Bind, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        let like = "127.0.0.1:8080, [::1]:8080 or unix:/path";
        format!("give an address in numbers and a port, or a Unix socket's path: {like}")
    })?;
    Ok(Bind::Tcp(address))
}

impl Bind {
    /// Whether other machines can't reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Why it is not listened on without tokens, and what to do.
    pub(super) fn refusal(&self) -> String {
        let port = match self {
            Self::Tcp(address) => address.port(),
            Self::Unix(_) => 0,
        };
        format!(
            "--bind (FORKPOOL_BIND): {self} is refused: other machines could reach it, and without tokens whoever \
             reaches it could run your functions. Give --token-file FILE; or bind 127.0.0.1:{port} or unix:/path; \
             or say --insecure-no-auth where something before the server checks who asks"
        )
    }
}

impl TryFrom<String> for Bind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_unix_sockets_are_taken() {
        for text in [
            "127.0.0.1:8080",
            "127.9.9.9:0",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:80",
            "unix:/run/forkpool.sock",
        ] {
            let bind = text.parse::<Bind>().expect(text);
            assert_eq!((bind.to_string(), bind.is_local()), (text.to_owned(), true));
        }
        assert_eq!("localhost:8080".parse(), Ok(Bind::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))));
    }

    #[test]
    fn what_other_machines_reach_is_known_with_the_reason_to_refuse() {
        for text in ["0.0.0.0:8080", "[::]:8080", "192.168.1.7:80", "[::ffff:10.0.0.1]:80"] {
            let bind = text.parse::<Bind>().expect(text);
            let reason = bind.refusal();
            assert!(!bind.is_local(), "{text}");
            assert!(
                reason.contains("other machines could reach") && reason.contains("127.0.0.1"),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("unix:/{}", "x".repeat(UNIX_PATH_MAX));
        for text in [
            "",
            "8080",
            ":8080",
            "127.0.0.1",
            "127.0.0.1:99999",
            "example.org:80",
            "unix:",
            "unix:a.sock",
            &long,
        ] {
            assert!(text.parse::<Bind>().is_err(), "{text}");
        }
    }
}
