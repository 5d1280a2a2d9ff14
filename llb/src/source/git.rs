//! Git repositories.

use super::SourceSpec;
use crate::caps::cap;
use crate::meta::{Meta, metadata_methods};
use crate::path;
use crate::state::State;

/// See [`Source::git`](crate::Source::git).
#[derive(Clone, Debug)]
pub struct GitSource {
    remote: Remote,
    reference: String,
    subdir: String,
    ssh: String,
    known_hosts: String,
    spec: SourceSpec,
    meta: Meta,
}

metadata_methods!(GitSource);

/// A repository's address. The identifier leaves the scheme out, so that one repository has one key however it is
/// reached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Remote {
    /// Host and path; the whole address if it is none that git knows.
    identifier: String,
    /// The address without query and fragment.
    url: String,
    ssh: bool,
}

impl GitSource {
    pub(super) fn new(remote: &str, reference: String) -> Self {
        let mut spec = SourceSpec::new(String::new(), cap::SOURCE_GIT);
        spec.set("git.authtokensecret", "GIT_AUTH_TOKEN");
        spec.set("git.authheadersecret", "GIT_AUTH_HEADER");
        Self {
            remote: Remote::parse(remote),
            reference,
            subdir: String::new(),
            ssh: "default".to_owned(),
            known_hosts: String::new(),
            spec,
            meta: Meta::default(),
        }
    }

    /// Takes this directory of the repository only.
    pub fn subdir(mut self, dir: impl AsRef<str>) -> Self {
        path::absolute(dir.as_ref())
            .trim_start_matches('/')
            .clone_into(&mut self.subdir);
        self.spec
            .caps
            .check_if(!self.subdir.is_empty(), cap::SOURCE_GIT_SUBDIR);
        self
    }

    /// Keeps the `.git` directory.
    pub fn keep_git_dir(mut self) -> Self {
        self.spec
            .set_with("git.keepgitdir", "true", cap::SOURCE_GIT_KEEP_DIR);
        self
    }

    /// Fails unless the reference is this commit.
    pub fn checksum(mut self, commit: impl Into<String>) -> Self {
        self.spec
            .set_with("git.checksum", commit, cap::SOURCE_GIT_CHECKSUM);
        self
    }

    /// The secret that is the token; `GIT_AUTH_TOKEN` by default.
    pub fn auth_token_secret(mut self, id: impl Into<String>) -> Self {
        self.spec
            .set_with("git.authtokensecret", id, cap::SOURCE_GIT_HTTP_AUTH);
        self
    }

    /// The secret that is the `Authorization` header; `GIT_AUTH_HEADER` by default.
    pub fn auth_header_secret(mut self, id: impl Into<String>) -> Self {
        self.spec
            .set_with("git.authheadersecret", id, cap::SOURCE_GIT_HTTP_AUTH);
        self
    }

    /// A line of `known_hosts`, for a repository that is reached over SSH. Adds to earlier ones.
    pub fn known_ssh_hosts(mut self, line: impl AsRef<str>) -> Self {
        self.known_hosts.push_str(line.as_ref().trim_end_matches('\n'));
        self.known_hosts.push('\n');
        self
    }

    /// The SSH agent of the client for a repository that is reached over SSH; `default` by default.
    pub fn ssh(mut self, id: impl Into<String>) -> Self {
        self.ssh = id.into();
        self
    }

    /// Leaves submodules out.
    pub fn skip_submodules(mut self) -> Self {
        self.spec
            .set_with("git.skipsubmodules", "true", cap::SOURCE_GIT_SKIP_SUBMODULES);
        self
    }

    /// Gives files the time of the commit instead of that of the checkout.
    pub fn mtime_commit(mut self) -> Self {
        self.spec.set_with("git.mtime", "commit", cap::SOURCE_GIT_MTIME);
        self
    }

    /// The checkout's tree.
    pub fn build(mut self) -> State {
        let mut identifier = format!("git://{}", self.remote.identifier);
        if !self.reference.is_empty() || !self.subdir.is_empty() {
            identifier.push('#');
            identifier.push_str(&self.reference);
            if !self.subdir.is_empty() {
                identifier.push(':');
                identifier.push_str(&self.subdir);
            }
        }
        self.spec.identifier = identifier;
        self.spec
            .set_with("git.fullurl", self.remote.url, cap::SOURCE_GIT_FULL_URL);
        if self.remote.ssh {
            self.spec.set("git.knownsshhosts", self.known_hosts);
            self.spec.caps.list(cap::SOURCE_GIT_KNOWN_SSH_HOSTS);
            self.spec
                .set_with("git.mountsshsock", self.ssh, cap::SOURCE_GIT_MOUNT_SSH_SOCK);
        }
        self.spec.build(self.meta, None)
    }
}

impl Remote {
    /// Without a scheme `user@host:path` is SSH and anything else HTTPS.
    fn parse(text: &str) -> Self {
        match text.split_once("://") {
            Some((scheme, rest)) => {
                let scheme = scheme.to_lowercase();
                if matches!(scheme.as_str(), "http" | "https" | "ssh" | "git") {
                    Self::from_url(&scheme, rest)
                } else {
                    Self {
                        identifier: text.to_owned(),
                        url: text.to_owned(),
                        ssh: false,
                    }
                }
            }
            None => Self::from_scp(text).unwrap_or_else(|| Self::from_url("https", text)),
        }
    }

    fn from_url(scheme: &str, rest: &str) -> Self {
        let rest = without_options(rest);
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Self {
            identifier: format!("{host}{}", path::absolute(path)),
            url: format!("{scheme}://{rest}"),
            ssh: scheme == "ssh",
        }
    }

    fn from_scp(text: &str) -> Option<Self> {
        let text = without_options(text);
        let (user, rest) = text.split_once('@')?;
        let (host, path) = rest.split_once(':')?;
        let word = |text: &str, extra: &[char]| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || extra.contains(&c))
        };
        let known = word(user, &['_']) && word(host, &['.']);
        known.then(|| Self {
            identifier: format!("{host}{}", path::absolute(path)),
            url: text.to_owned(),
            ssh: true,
        })
    }
}

/// Without query and fragment.
fn without_options(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}
