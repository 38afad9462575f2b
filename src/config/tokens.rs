//! The file of tokens (`--token-file`): who may call, by a secret that each sends along.
//!
//! A token is kept as its SHA-256 alone, and compared in constant time: neither a dump of memory nor the time
//! that a comparison takes tells one. The file is TOML, a `[[token]]` table for each, or a token a line.

use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::{ConfigError, file};

/// Bytes of the file.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Tokens in it: each request is compared with all of them.
const TOKENS_MAX: usize = 1_000;
const NAME_CHARS_MAX: usize = 128;
/// A shorter one can be guessed.
const TOKEN_CHARS_WISE: usize = 16;
/// What a token is made of (RFC 6750, `b64token`).
const ALPHABET: &str = "letters, digits and - . _ ~ + / =";
const HASH_FORM: &str = "write hash = \"sha256:\" and the 64 hexadecimal digits of the token's SHA-256 \
                         (printf %s TOKEN | sha256sum)";

/// The tokens that are known.
#[derive(Clone, Default)]
pub struct Tokens {
    known: Vec<Token>,
}

#[derive(Clone)]
struct Token {
    name: Arc<str>,
    digest: [u8; 32],
}

/// A table of the file. A member that means nothing is refused: it may be meant as a restriction.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Option<String>,
    token: Option<String>,
    hash: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    token: Vec<toml::Spanned<Table>>,
}

impl Tokens {
    /// The name of this one, if it is known. The time that it takes says nothing about which it is, or how nearly.
    pub fn identify(&self, presented: &[u8]) -> Option<&Arc<str>> {
        let digest = digest(presented);
        let mut found = self.known.len() as u64;
        for (at, token) in (0..).zip(&self.known) {
            found.conditional_assign(&at, token.digest.ct_eq(&digest));
        }
        usize::try_from(found).ok().and_then(|at| self.known.get(at)).map(|token| &token.name)
    }

    /// Their names, in the file's order; a token of the plain form has the number of its line.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|token| &*token.name)
    }

    /// The error begins with the line's number.
    fn add(&mut self, line: usize, name: String, digest: [u8; 32]) -> Result<(), String> {
        if self.known.len() >= TOKENS_MAX {
            return Err(format!("{line}: more than {TOKENS_MAX} tokens"));
        }
        if self.known.iter().any(|known| *known.name == *name) {
            return Err(format!("{line}: the name {name:?} is there twice"));
        }
        if let Some(known) = self.known.iter().find(|known| known.digest == digest) {
            return Err(format!("{line}: it is the token of {:?} once more", known.name));
        }
        self.known.push(Token { name: name.into(), digest });
        Ok(())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What a file says, and what its owner should know of it.
#[derive(Debug)]
pub(super) struct Read {
    pub tokens: Tokens,
    pub warnings: Vec<String>,
}

/// Reads and checks the file.
pub(super) fn read(path: &Path) -> Result<Read, ConfigError> {
    let shown = path.display();
    let unread =
        |error: &dyn fmt::Display| ConfigError(format!("--token-file: cannot read {shown}: {error}"));
    let found = fs::metadata(path).map_err(|error| unread(&error))?;
    let refused = |detail: &str| Err(ConfigError(format!("--token-file: {shown} is refused: {detail}")));
    if !found.is_file() {
        return refused("it is not a regular file");
    }
    let mode = found.permissions().mode();
    if mode & 0o022 != 0 {
        return refused("others than its owner can write to it, and so let themselves in; chmod go-w it");
    }
    let text = fs::read_to_string(path).map_err(|error| unread(&error))?;
    if text.len() > FILE_BYTES_MAX {
        return Err(unread(&format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let parsed = parse(&text).map_err(|error| ConfigError(format!("--token-file: {shown}:{error}")))?;
    let mut warnings = Vec::new();
    if found.uid() != 0 && found.uid() != nix::unistd::geteuid().as_raw() {
        let detail = "its owner is another user, who can let himself in; chown it to the server's user";
        warnings.push(format!("--token-file: {shown}: {detail}"));
    }
    if parsed.has_secrets && mode & 0o004 != 0 {
        let detail = "anyone on this machine can read its tokens; chmod o-r it, or keep hashes in it";
        warnings.push(format!("--token-file: {shown}: {detail}"));
    }
    if let Some(name) = parsed.short {
        let detail = format!("has fewer than {TOKEN_CHARS_WISE} characters and can be guessed");
        warnings.push(format!(
            "--token-file: {shown}: the token {name:?} {detail}; openssl rand -hex 32 makes one"
        ));
    }
    Ok(Read { tokens: parsed.tokens, warnings })
}

#[derive(Default)]
struct Parsed {
    tokens: Tokens,
    /// Whether tokens themselves stand in it.
    has_secrets: bool,
    /// The name of one that is short.
    short: Option<String>,
}

impl Parsed {
    fn add_secret(&mut self, line: usize, name: String, token: &str) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if token.is_empty() || !token.chars().all(fits) {
            return Err(format!("{line}: a token is made of {ALPHABET}; a TOML file has [[token]] tables"));
        }
        self.has_secrets = true;
        if token.len() < TOKEN_CHARS_WISE {
            self.short.get_or_insert_with(|| name.clone());
        }
        self.tokens.add(line, name, digest(token.as_bytes()))
    }
}

/// A line that opens a table makes the file TOML: no token begins so. The error begins with the line's number.
fn parse(text: &str) -> Result<Parsed, String> {
    let is_toml = text.lines().any(|line| line.trim_start().starts_with('['));
    let parsed = if is_toml { tables(text)? } else { lines(text)? };
    if parsed.tokens.known.is_empty() {
        return Err("1: there is no token in it; write one a line, or [[token]] tables".to_owned());
    }
    Ok(parsed)
}

fn lines(text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            parsed.add_secret(number, format!("line {number}"), line)?;
        }
    }
    Ok(parsed)
}

fn tables(text: &str) -> Result<Parsed, String> {
    let read: Tables = toml::from_str(text).map_err(|error| file::told(&error, text))?;
    let mut parsed = Parsed::default();
    for table in read.token {
        let line = file::line_of(text, table.span().start);
        let Table { name, token, hash } = table.into_inner();
        let name = name.ok_or_else(|| format!("{line}: a [[token]] table needs a name"))?;
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(format!("{line}: a name has 1 to {NAME_CHARS_MAX} characters that can be printed"));
        }
        match (token, hash) {
            (Some(token), None) => parsed.add_secret(line, name, &token)?,
            (None, Some(hash)) => {
                let digest = hashed(&hash).ok_or_else(|| format!("{line}: hash of {name:?}: {HASH_FORM}"))?;
                parsed.tokens.add(line, name, digest)?;
            }
            (Some(_), Some(_)) => {
                return Err(format!("{line}: {name:?} has both hash and token; keep the hash"));
            }
            (None, None) => return Err(format!("{line}: {name:?} has neither hash nor token; {HASH_FORM}")),
        }
    }
    Ok(parsed)
}

/// `sha256:` and 64 hexadecimal digits.
fn hashed(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?;
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    // The hash of nothing is what a broken command line leaves.
    (digest != self::digest(b"")).then_some(digest)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH_OF_ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn refused(text: &str) -> String {
        parse(text).map(|parsed| parsed.tokens).expect_err(text)
    }

    #[test]
    fn plain_lines_are_tokens() {
        let parsed = parse("# who may call\n\n  abc-._~+/=  # a client\nlonger-than-sixteen-characters\n")
            .expect("good");
        assert_eq!(parsed.tokens.names().collect::<Vec<_>>(), ["line 3", "line 4"]);
        assert!(
            parsed.tokens.identify(b"abc-._~+/=").is_some()
                && parsed.tokens.identify(b"longer-than-sixteen-characters").is_some()
        );
        for other in ["", "abc", "abc-._~+/= ", "#", "line 3"] {
            assert!(parsed.tokens.identify(other.as_bytes()).is_none(), "{other}");
        }
        assert!(parsed.has_secrets);
        assert_eq!(parsed.short.as_deref(), Some("line 3"));
    }

    #[test]
    fn tables_have_a_hash_or_a_token() {
        let text = format!("[[token]]\nname = \"a\"\nhash = \"{HASH_OF_ABC}\"\n");
        let parsed = parse(&text).expect("good");
        assert!(
            parsed.tokens.identify(b"abc").is_some()
                && parsed.tokens.identify(HASH_OF_ABC.as_bytes()).is_none()
        );
        assert!(!parsed.has_secrets && parsed.short.is_none());
        let both = format!("{text}\n[[token]]\nname = \"b\"\ntoken = \"0123456789abcdef\"\n");
        let parsed = parse(&both).expect("good");
        assert!(
            parsed.tokens.identify(b"abc").is_some() && parsed.tokens.identify(b"0123456789abcdef").is_some()
        );
        assert_eq!(format!("{:?}", parsed.tokens), "[\"a\", \"b\"]");
        assert!(parsed.has_secrets && parsed.short.is_none());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, word) in [
            ("", "1: ", "no token"),
            ("# nothing\n", "1: ", "no token"),
            ("good-token\nwith blank\n", "2: ", "letters, digits"),
            ("name = \"a\"\n", "1: ", "[[token]] tables"),
            ("t\u{f6}ken\n", "1: ", "letters, digits"),
            ("same\nsame\n", "2: ", "\"line 1\" once more"),
            ("\n[[token]]\nname = \"a\"\n", "2: ", "neither hash nor token"),
            ("[[token]]\ntoken = \"a\"\n", "1: ", "needs a name"),
            ("[[token]]\nname = \"\"\ntoken = \"a\"\n", "1: ", "1 to 128"),
            ("[[token]]\nname = \"a\"\ntoken = \"x\"\nhash = \"y\"\n", "1: ", "both"),
            ("[[token]]\nname = \"a\"\nhash = \"abc\"\n", "1: ", "sha256:"),
            ("[[token]]\nname = \"a\"\nhash = \"sha512:00\"\n", "1: ", "sha256sum"),
            ("[[token]]\nname = \"a\"\ntoken = \"x\"\nscopes = [\"map\"]\n", "4: ", "unknown member scopes"),
            ("[[tokens]]\nname = \"a\"\n", "1: ", "unknown member tokens; did you mean token?"),
            (
                "[[token]]\nname = \"a\"\ntoken = \"x\"\n[[token]]\nname = \"a\"\ntoken = \"y\"\n",
                "4: ",
                "twice",
            ),
            ("[[token]]\nname = \n", "2: ", ""),
        ] {
            let said = refused(text);
            assert!(said.starts_with(line) && said.contains(word), "{text:?}: {said}");
            assert!(!said.contains("\"x\""), "no token is told: {said}");
        }
        let many: String = (0..=TOKENS_MAX).map(|number| format!("token-{number}\n")).collect();
        assert!(refused(&many).contains("more than 1000"));
    }

    #[test]
    fn the_hash_of_nothing_is_no_hash() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hashed(empty), None);
        assert_eq!(hashed(&HASH_OF_ABC.to_uppercase()), None, "the word is in small letters");
        assert!(hashed(&HASH_OF_ABC.replace("ba78", "BA78")).is_some());
        assert_eq!(hashed(&format!("{HASH_OF_ABC}0")), None);
    }

    #[test]
    fn rights_of_the_file_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        let with_mode = |text: &str, mode: u32| {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            read(&path)
        };
        let plain = "0123456789abcdef\n";
        let hash = format!("[[token]]\nname = \"a\"\nhash = \"{HASH_OF_ABC}\"\n");
        assert!(with_mode(plain, 0o600).expect("good").warnings.is_empty());
        let warnings = with_mode(plain, 0o644).expect("good").warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("chmod o-r"), "{warnings:?}");
        assert!(with_mode(&hash, 0o644).expect("good").warnings.is_empty(), "a hash is no secret");
        for text in [plain, &hash] {
            for mode in [0o602, 0o620, 0o664] {
                let refused = with_mode(text, mode).expect_err("refused").to_string();
                assert!(refused.contains("chmod go-w"), "{refused}");
            }
        }
        assert!(with_mode("short\n", 0o600).expect("good").warnings[0].contains("guessed"));
        let missing = read(&folder.path().join("none")).expect_err("missing").to_string();
        assert!(missing.starts_with("--token-file: cannot read "), "{missing}");
        assert!(read(folder.path()).is_err(), "a folder");
    }
}
