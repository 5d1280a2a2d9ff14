//! One request to a registry, tried as often as it makes sense, with what the registry wants to see of the user.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::sync::Mutex;

use super::auth::{self, Challenge};
use super::dockerconfig::DockerConfig;
use super::error::Cause;
use super::remote::Remote;
use crate::http::{Client, SILENCE, builder, why};
use crate::manifest::Repository;

/// How often a request is sent before it has failed.
const ATTEMPTS: u32 = 5;
/// The pause after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(300);
/// No registry is waited for longer than this, whatever it asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// All registries: connections and credentials.
#[derive(Debug, Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    /// For this machine's own registries, which no proxy knows.
    local: Client,
    config: Arc<DockerConfig>,
    insecure: BTreeSet<String>,
    /// `Authorization` by repository, once the registry has asked for it.
    granted: Mutex<BTreeMap<String, HeaderValue>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Registry {
    /// Registries with the user's credentials; those in `insecure` speak plain HTTP, as this machine's own do.
    pub fn new(config: Arc<DockerConfig>, insecure: impl IntoIterator<Item = String>) -> Result<Self, Cause> {
        let build =
            |builder: reqwest::ClientBuilder| builder.build().map_err(|error| Cause::Local(why(&error)));
        Ok(Self {
            shared: Arc::new(Shared {
                client: build(builder(SILENCE))?,
                local: build(builder(SILENCE).no_proxy())?,
                config,
                insecure: insecure.into_iter().collect(),
                granted: Mutex::default(),
            }),
        })
    }

    /// A repository of one of them.
    pub fn repository(&self, repository: &Repository) -> Remote {
        Remote::new(self.clone(), repository.clone())
    }

    /// `https://host/v2/path`.
    pub(super) fn base(&self, repository: &Repository) -> String {
        let host = match repository.host() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let plain = is_local(host) || self.shared.insecure.contains(host);
        let scheme = if plain { "http" } else { "https" };
        format!("{scheme}://{host}/v2/{}", repository.path())
    }

    /// The client for a repository's registry.
    pub(super) fn client(&self, repository: &Repository) -> &Client {
        if is_local(repository.host()) {
            &self.shared.local
        } else {
            &self.shared.client
        }
    }

    /// Sends what `request` makes until the answer is one that is expected or that trying again will not change. `from` is
    /// another repository of the registry that is read too.
    pub(super) async fn send(
        &self,
        repository: &Repository,
        from: Option<&Repository>,
        expected: &[StatusCode],
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Cause> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let failure = match self.once(repository, from, &request).await {
                Ok(response) if expected.contains(&response.status()) => return Ok(response),
                Ok(response) => {
                    if let Some(asked) = retry_after(&response) {
                        pause = asked.min(LONGEST_PAUSE);
                    }
                    let status = response.status().as_u16();
                    Cause::of(status, &response.bytes().await.unwrap_or_default())
                }
                Err(cause) => cause,
            };
            if attempt == ATTEMPTS || !failure.is_passing() {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable!("the last attempt returns")
    }

    /// Sends a request whose body is a stream: once, since it cannot be sent again. A token that is refused is forgotten.
    pub(super) async fn send_stream(
        &self,
        repository: &Repository,
        request: RequestBuilder,
    ) -> Result<Response, Cause> {
        let name = granted_name(repository, None);
        let granted = self.shared.granted.lock().await.get(&name).cloned();
        let request = match &granted {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let sent = request.send().await;
        let response = sent.map_err(|error| Cause::Unreachable(why(&error)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            let mut known = self.shared.granted.lock().await;
            if known.get(&name) == granted.as_ref() {
                known.remove(&name);
            }
        }
        let status = response.status().as_u16();
        Err(Cause::of(status, &response.bytes().await.unwrap_or_default()))
    }

    /// Sends it once, or twice when the registry wants to know who asks.
    async fn once(
        &self,
        repository: &Repository,
        from: Option<&Repository>,
        request: &impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Cause> {
        let client = self.client(repository);
        let send = async |granted: Option<&HeaderValue>| {
            let request = request(client);
            let request = match granted {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            };
            let unreachable = |error: reqwest::Error| Cause::Unreachable(why(&error));
            request.send().await.map_err(unreachable)
        };
        let name = granted_name(repository, from);
        let known = self.shared.granted.lock().await.get(&name).cloned();
        let response = send(known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let mut headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = headers.find_map(|value| Challenge::parse(value.to_str().ok()?));
        let Some(challenge) = challenge else {
            return Ok(response);
        };
        // One question at a time: the others wait here and find the answer.
        let mut granted = self.shared.granted.lock().await;
        let now = granted.get(&name).cloned();
        let value = match now {
            Some(value) if known.as_ref() != Some(&value) => value,
            _ => {
                let value = self.authorize(repository, from, &challenge).await?;
                granted.insert(name, value.clone());
                value
            }
        };
        drop(granted);
        send(Some(&value)).await
    }

    async fn authorize(
        &self,
        repository: &Repository,
        from: Option<&Repository>,
        challenge: &Challenge,
    ) -> Result<HeaderValue, Cause> {
        let found = self.shared.config.credentials(repository.host()).await;
        let credentials = found.map_err(|error| Cause::Unauthorized(error.to_string()))?;
        let mut scopes = Vec::new();
        if !credentials.secret.is_empty() {
            scopes.push(format!("repository:{}:pull,push,delete", repository.path()));
        }
        scopes.extend(from.map(|from| format!("repository:{}:pull", from.path())));
        let value = auth::answer(self.client(repository), challenge, &credentials, &scopes).await?;
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| Cause::Unauthorized("the credentials cannot be sent".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn granted_name(repository: &Repository, from: Option<&Repository>) -> String {
    match from {
        Some(from) => format!("{repository} {from}"),
        None => repository.to_string(),
    }
}

/// Registries of this machine, as Docker knows them.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machines_registries_are_local() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]:5000",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in ["registry.example", "10.0.0.1:5000", "localhost.example:5000"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
