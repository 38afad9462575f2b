//! Where the server listens, as it is written and read.
//!
//! An address that other machines can reach is refused here, before anything listens: this version
//! knows no tokens, so whoever reaches the server may run what it offers.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Bind;

/// What the kernel keeps of a Unix socket's path, less the closing zero byte (man 7 unix).
const UNIX_PATH_MAX: usize = 107;

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
    if !address.ip().to_canonical().is_loopback() {
        return Err(format!(
            "refused: other machines could reach {address}, and as this version checks no tokens, \
             whoever reaches it could run your functions. Bind 127.0.0.1:{port} or unix:/path, \
             and put a proxy or a tunnel that checks who asks in front",
            port = address.port()
        ));
    }
    Ok(Bind::Tcp(address))
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
            assert_eq!(text.parse::<Bind>().map(|bind| bind.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("localhost:8080".parse(), Ok(Bind::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))));
    }

    #[test]
    fn what_other_machines_reach_is_refused_with_the_reason() {
        for text in ["0.0.0.0:8080", "[::]:8080", "192.168.1.7:80", "[::ffff:10.0.0.1]:80"] {
            let reason = text.parse::<Bind>().expect_err(text);
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
