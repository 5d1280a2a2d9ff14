//! Registry credentials as Docker keeps them: `config.json` and the credential helpers it names.
//!
//! For a registry the helper in `credHelpers` is asked, else the one in `credsStore`, else `auths` is read; this is
//! the order of the Docker command. The file is `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, and
//! `DOCKER_AUTH_CONFIG` may hold the same JSON, which wins. Nothing is written or cached.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Docker Hub is known by this key and not by its host.
const HUB_KEY: &str = "https://index.docker.io/v1/";
const HUB_HOSTS: [&str; 3] = ["registry-1.docker.io", "docker.io", "index.docker.io"];

/// A user name and its secret; both empty where the registry is not known. With an identity token the name is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or the identity token.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What is used of Docker's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DockerConfig {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
    /// The context that the Docker command uses when nothing else is said.
    pub(crate) current_context: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(rename = "auth")]
    encoded: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// Credentials that should be there and cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not the JSON that Docker writes.
    #[error("failed to parse `{path}`: {source}")]
    Parse {
        /// The file, or `DOCKER_AUTH_CONFIG`.
        path: PathBuf,
        /// Where it ends to make sense.
        source: serde_json::Error,
    },
    /// A credential helper did not run, or said no.
    #[error("credential helper `{helper}` failed for `{host}`: {reason}")]
    Helper {
        /// The program.
        helper: String,
        /// The registry asked for.
        host: String,
        /// What went wrong.
        reason: String,
    },
    /// The `auth` of a registry is not base64 of `name:password`.
    #[error("the `auth` of `{0}` in Docker's configuration is not base64 of `name:password`")]
    Auth(String),
}

impl DockerConfig {
    /// Reads the user's configuration; an absent file is an empty one.
    pub fn load() -> Result<Self, ConfigError> {
        let mut config = match directory() {
            Some(dir) => Self::read(&dir.join("config.json"))?,
            None => Self::default(),
        };
        if let Ok(text) = std::env::var("DOCKER_AUTH_CONFIG") {
            let inline = Self::parse(text.as_bytes(), Path::new("DOCKER_AUTH_CONFIG"))?;
            for host in inline.auths.keys() {
                config.cred_helpers.remove(host);
            }
            if !inline.auths.is_empty() {
                config.creds_store.clear();
            }
            config.auths.extend(inline.auths);
        }
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs_err::read(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, ConfigError> {
        serde_json::from_slice(text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source,
        })
    }

    /// What is known of the registry at `host` (`name[:port]`).
    pub async fn credentials(&self, host: &str) -> Result<Credentials, ConfigError> {
        let key = if HUB_HOSTS.contains(&host) { HUB_KEY } else { host };
        let named = self.cred_helpers.get(key).or_else(|| self.cred_helpers.get(host));
        match named
            .or(Some(&self.creds_store))
            .filter(|helper| !helper.is_empty())
        {
            Some(helper) => ask(helper, key).await,
            None => self.plain(key),
        }
    }

    fn plain(&self, key: &str) -> Result<Credentials, ConfigError> {
        let same_host = || {
            self.auths
                .iter()
                .find(|(name, _)| host_of(name) == host_of(key))
                .map(|(_, auth)| auth)
        };
        let Some(auth) = self.auths.get(key).or_else(same_host) else {
            return Ok(Credentials::default());
        };
        if !auth.identitytoken.is_empty() {
            return Ok(Credentials {
                username: String::new(),
                secret: auth.identitytoken.clone(),
            });
        }
        if auth.encoded.is_empty() {
            return Ok(Credentials {
                username: auth.username.clone(),
                secret: auth.password.clone(),
            });
        }
        decode(&auth.encoded).ok_or_else(|| ConfigError::Auth(key.to_owned()))
    }
}

/// Where Docker keeps its configuration.
pub(crate) fn directory() -> Option<PathBuf> {
    let own = std::env::var_os("DOCKER_CONFIG")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    own.or_else(|| Some(std::env::home_dir()?.join(".docker")))
}

/// Old configurations have URLs as keys.
fn host_of(key: &str) -> &str {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    key.split_once('/').map_or(key, |(host, _)| host)
}

fn decode(auth: &str) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (username, secret) = text.split_once(':')?;
    Some(Credentials {
        username: username.to_owned(),
        secret: secret.trim_end_matches('\0').to_owned(),
    })
}

/// Asks `docker-credential-<helper> get`, which reads a host and answers with JSON.
async fn ask(helper: &str, key: &str) -> Result<Credentials, ConfigError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        username: String,
        #[serde(default)]
        secret: String,
    }
    let program = format!("docker-credential-{helper}");
    let fail = |reason: String| ConfigError::Helper {
        helper: program.clone(),
        host: key.to_owned(),
        reason,
    };
    let output = run(&program, key)
        .await
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // The protocol's own way to say that there are none.
        if said.contains("credentials not found") {
            return Ok(Credentials::default());
        }
        return Err(fail(if said.is_empty() {
            output.status.to_string()
        } else {
            said
        }));
    }
    // The answer holds the secret: the parser's error would quote it, so it is not passed on.
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|_| fail("not the JSON expected".into()))?;
    let is_token = answer.username == "<token>";
    Ok(Credentials {
        username: if is_token { String::new() } else { answer.username },
        secret: answer.secret,
    })
}

async fn run(program: &str, input: &str) -> io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DockerConfig {
        DockerConfig::parse(text.as_bytes(), Path::new("config.json")).unwrap()
    }

    fn pair(username: &str, secret: &str) -> Credentials {
        Credentials {
            username: username.to_owned(),
            secret: secret.to_owned(),
        }
    }

    #[tokio::test]
    async fn auths_are_found_by_host() {
        let config = config(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "aHViOnBhc3M6d29yZA=="},
                "https://old.example/v1/": {"username": "o", "password": "p"},
                "token.example:5000": {"identitytoken": "t"},
                "broken.example": {"auth": "?"}
            }}"#,
        );
        assert_eq!(
            config.credentials("registry-1.docker.io").await.unwrap(),
            pair("hub", "pass:word")
        );
        assert_eq!(config.credentials("old.example").await.unwrap(), pair("o", "p"));
        assert_eq!(
            config.credentials("token.example:5000").await.unwrap(),
            pair("", "t")
        );
        assert_eq!(
            config.credentials("unknown.example").await.unwrap(),
            Credentials::default()
        );
        let broken = config.credentials("broken.example").await.unwrap_err();
        assert!(broken.to_string().contains("`broken.example`"));
    }

    #[tokio::test]
    async fn helpers_come_first() {
        let config =
            config(r#"{"auths": {"x.example": {"username": "u"}}, "credsStore": "wheelwright-none"}"#);
        let error = config.credentials("x.example").await.unwrap_err().to_string();
        assert!(
            error.starts_with("credential helper `docker-credential-wheelwright-none` failed"),
            "{error}"
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", pair("u", "hidden")).contains("hidden"));
        assert!(!format!("{:?}", config(r#"{"auths": {"a": {"auth": "aGlkZGVu"}}}"#)).contains("aGlkZGVu"));
    }
}
