//! Who may download from where.

use std::fmt::Debug;

use base64::Engine as _;
use netrc::Netrc;
use reqwest::header::HeaderValue;

use crate::http::Url;

/// Knows credentials for addresses.
pub trait Credentials: Send + Sync + Debug {
    /// The Authorization header for a request to `url`, marked as sensitive.
    fn authorization(&self, url: &Url) -> Option<HeaderValue>;
}

/// The header for a user and a password.
pub fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a netrc file says of hosts. Users and passwords in addresses need nobody: the client sends them.
pub struct NetrcFile(Netrc);

impl NetrcFile {
    /// The file that `NETRC` names, or `~/.netrc`; none where there is none. One that cannot be read is told.
    pub fn load() -> Result<Option<Self>, String> {
        match Netrc::new() {
            Ok(file) => Ok(Some(Self(file))),
            Err(netrc::Error::Io(_)) => Ok(None),
            // The parser's message quotes the file.
            Err(netrc::Error::Parsing { filename, .. }) => Err(format!("`{filename}` is no netrc file")),
        }
    }
}

impl NetrcFile {
    /// A file's text; None where it is no netrc file.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl Debug for NetrcFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetrcFile").finish_non_exhaustive()
    }
}

impl Credentials for NetrcFile {
    fn authorization(&self, url: &Url) -> Option<HeaderValue> {
        if !url.username().is_empty() {
            return None;
        }
        let host = url.host_str()?;
        let entry = self.0.hosts.get(host).or_else(|| self.0.hosts.get("default"))?;
        basic(&entry.login, &entry.password)
    }
}
