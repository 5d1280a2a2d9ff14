//! Where packages come from: indexes, who may use them, mirrors, and how far back to look.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::fields::Cx;
use super::types::{List, Manifest, items};
use super::yaml::Node;
use crate::diag::{Diagnostic, Spanned};

/// A package index.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Index {
    /// Its name in messages and locks.
    pub name: Spanned<String>,
    /// Its simple-API address.
    pub url: Spanned<String>,
    /// The only packages that come from here; nothing else does, and they come from nowhere else.
    pub only: Option<List<String>>,
    /// Use this index in place of the default one.
    pub default: Option<Spanned<bool>>,
    /// Who may read it.
    pub auth: Option<Auth>,
}

/// Credentials of an index, by the id of a secret; their values are never written down.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(untagged)]
pub enum Auth {
    /// A password or token, or `USER:PASSWORD` where no `username` is given.
    Password {
        /// Id of the secret.
        secret: Spanned<String>,
        /// The user.
        username: Option<Spanned<String>>,
    },
    /// A netrc file.
    Netrc {
        /// Id of the secret.
        netrc: Spanned<String>,
    },
    /// A file in the format of Docker's `config.json`.
    DockerConfig {
        /// Id of the secret.
        docker_config: Spanned<String>,
    },
    /// The value of the Authorization header, which the engine sends itself.
    Header {
        /// Id of the secret.
        header: Spanned<String>,
    },
}

impl Auth {
    /// The id of the secret.
    pub fn secret(&self) -> &Spanned<String> {
        match self {
            Self::Password { secret, .. } => secret,
            Self::Netrc { netrc } => netrc,
            Self::DockerConfig { docker_config } => docker_config,
            Self::Header { header } => header,
        }
    }
}

/// Addresses that are fetched from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Mirror {
    /// What an address begins with.
    pub from: Spanned<String>,
    /// What it begins with instead.
    pub to: Spanned<String>,
}

/// A build of PyTorch and its kin: `cpu`, `cu128`, `rocm6.3`, `xpu`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Torch(String);

impl FromStr for Torch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbered = |prefix: &str, dots: bool| {
            text.strip_prefix(prefix).is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_digit())
                    && rest.chars().all(|c| c.is_ascii_digit() || (dots && c == '.'))
            })
        };
        if matches!(text, "cpu" | "xpu") || numbered("cu", false) || numbered("rocm", true) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected `cpu`, `xpu`, a CUDA version such as `cu128`, or `rocm6.3`".to_owned())
    }
}

impl fmt::Display for Torch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Torch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A day, or a time of a day in UTC, such as `2026-11-01` or `2026-11-01T12:00:00Z`. Nothing relative: a lock made
/// tomorrow from equal files is equal.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Moment(String);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let matches = |pattern: &str, text: &str| {
            pattern.len() == text.len()
                && pattern.chars().zip(text.chars()).all(|(expected, found)| {
                    if expected == '0' {
                        found.is_ascii_digit()
                    } else {
                        expected == found
                    }
                })
        };
        if matches("0000-00-00", text) || matches("0000-00-00T00:00:00Z", text) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected a day such as `2026-11-01`, or a time such as `2026-11-01T12:00:00Z`".to_owned())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads an index.
pub(super) fn index(cx: &mut Cx<'_>, node: &Node) -> Option<Index> {
    let mut f = cx.fields("an index", node)?;
    let name = f.take("name").and_then(|n| cx.text("name", n));
    let url = f.take("url").and_then(|n| cx.text("url", n));
    let only = f.take("only").and_then(|n| cx.list("only", n));
    let default = f.take("default").and_then(|n| cx.boolean("default", n));
    let auth = f.take("auth").and_then(|n| auth(cx, n));
    let name = super::decode::required(cx, "an index", "name", node, name);
    let url = super::decode::required(cx, "an index", "url", node, url);
    f.finish(cx);
    Some(Index {
        name: name?,
        url: url?,
        only,
        default,
        auth,
    })
}

fn auth(cx: &mut Cx<'_>, node: &Node) -> Option<Auth> {
    let mut f = cx.fields("an index's auth", node)?;
    let mut take = |cx: &mut Cx<'_>, key| f.take(key).and_then(|n| cx.text(key, n));
    let (secret, username) = (take(cx, "secret"), take(cx, "username"));
    let (netrc, docker_config, header) = (take(cx, "netrc"), take(cx, "docker_config"), take(cx, "header"));
    f.finish(cx);
    let auth = match (secret, netrc, docker_config, header) {
        (Some(secret), None, None, None) => Auth::Password { secret, username },
        (None, Some(netrc), None, None) if username.is_none() => Auth::Netrc { netrc },
        (None, None, Some(docker_config), None) if username.is_none() => Auth::DockerConfig { docker_config },
        (None, None, None, Some(header)) if username.is_none() => Auth::Header { header },
        _ => {
            cx.push(
                Diagnostic::error("`auth` names one secret")
                    .at(cx.file, node.span)
                    .help("`secret: ID` with or without `username: NAME`, or `netrc: ID`, `docker_config: ID`, `header: ID`"),
            );
            return None;
        }
    };
    Some(auth)
}

/// Reads a mirror.
pub(super) fn mirror(cx: &mut Cx<'_>, node: &Node) -> Option<Mirror> {
    let mut f = cx.fields("a mirror", node)?;
    let from = f.take("from").and_then(|n| cx.text("from", n));
    let to = f.take("to").and_then(|n| cx.text("to", n));
    let from = super::decode::required(cx, "a mirror", "from", node, from);
    let to = super::decode::required(cx, "a mirror", "to", node, to);
    f.finish(cx);
    Some(Mirror { from: from?, to: to? })
}

/// What single indexes cannot tell: names given twice, packages claimed twice, credentials in the open.
pub(super) fn check(cx: &mut Cx<'_>, manifest: &Manifest) {
    let indexes = || manifest.indexes.iter().flatten();
    for (n, index) in indexes().enumerate() {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if index.name.is_empty() || !index.name.chars().all(allowed) {
            cx.push(
                Diagnostic::error(format!("`{}` cannot be the name of an index", index.name.value))
                    .at(cx.file, index.name.span)
                    .help("names hold letters, digits, `.`, `_` and `-`"),
            );
        }
        address(cx, &index.url);
        if let Some(first) = indexes()
            .take(n)
            .find(|other| other.name.value == index.name.value)
        {
            cx.push(
                Diagnostic::error(format!("two indexes are called `{}`", index.name.value))
                    .at(cx.file, index.name.span)
                    .related(first.name.span, "the first one"),
            );
        }
        let default = |index: &Index| index.default.as_ref().is_some_and(|default| default.value);
        if let (true, Some(only)) = (default(index), &index.only) {
            cx.push(
                Diagnostic::error(format!(
                    "`{}` is the default index and for some packages only",
                    index.name.value
                ))
                .at(cx.file, only.span)
                .help("keep `default`, or keep `only`"),
            );
        }
        if let (true, Some(first)) = (default(index), indexes().take(n).find(|other| default(other))) {
            cx.push(
                Diagnostic::error("two indexes are the default one")
                    .at(cx.file, index.name.span)
                    .related(first.name.span, "the first one"),
            );
        }
        for name in items(index.only.as_ref()) {
            let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || !name.chars().all(inside) {
                cx.push(
                    Diagnostic::error(format!("`{}` is not a package name", name.value))
                        .at(cx.file, name.span)
                        .help("`only` lists names without versions"),
                );
            }
            let same = |other: &&Spanned<String>| folded(other) == folded(name);
            let claims = |other: &Index| items(other.only.as_ref()).iter().find(same).map(|n| n.span);
            if let Some(first) = indexes().take(n).find_map(claims) {
                cx.push(
                    Diagnostic::error(format!("`{}` is to come from two indexes only", name.value))
                        .at(cx.file, name.span)
                        .related(first, "from this one")
                        .help("keep it in one of them"),
                );
            }
        }
    }
    for mirror in manifest.mirrors.iter().flatten() {
        address(cx, &mirror.from);
        address(cx, &mirror.to);
    }
}

/// A package name as names are compared (PEP 503).
fn folded(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn address(cx: &mut Cx<'_>, url: &Spanned<String>) {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or(rest));
    match host {
        Some(host) if host.contains('@') => cx.push(
            // The message must not repeat what it is about.
            Diagnostic::error("this address has a user or password in it")
                .at(cx.file, url.span)
                .help("take it out, and name a secret: `auth: {secret: ID}`; see docs/indexes.md"),
        ),
        Some(host) if !host.is_empty() && !url.contains(char::is_whitespace) => {}
        _ => cx.push(
            Diagnostic::error(format!("`{}` is not the address of an index", url.value))
                .at(cx.file, url.span)
                .help("expected something like `https://packages.example/simple`"),
        ),
    }
}
