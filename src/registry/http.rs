//! One request to a registry, tried as often as it makes sense, with what the registry wants to see of the user.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::sync::Mutex;

use super::auth::{self, Challenge};
use super::dockerconfig::{Credentials, DockerConfig};
use super::error::Cause;
use super::remote::Remote;
use super::taken::Taken;
use crate::http::{Client, LazyClient, SILENCE, patient, why};
use crate::manifest::Repository;

/// How often a request is sent before it has failed.
const ATTEMPTS: u32 = 5;
/// The same for a registry that says nothing.
const SILENT_ATTEMPTS: u32 = 2;
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
    client: LazyClient,
    /// For this machine's own registries, which no proxy knows.
    local: LazyClient,
    config: Arc<DockerConfig>,
    insecure: BTreeSet<String>,
    /// How long a registry may say nothing.
    silence: Duration,
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
    pub fn new(config: Arc<DockerConfig>, insecure: impl IntoIterator<Item = String>) -> Self {
        Self::patient(config, insecure, SILENCE)
    }

    /// The same; they may say nothing for `silence`.
    pub(super) fn patient(
        config: Arc<DockerConfig>,
        insecure: impl IntoIterator<Item = String>,
        silence: Duration,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                client: LazyClient::new(patient()),
                local: LazyClient::new(patient().no_proxy()),
                config,
                insecure: insecure.into_iter().collect(),
                silence,
                granted: Mutex::default(),
            }),
        }
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
    pub(super) fn client(&self, repository: &Repository) -> Result<&Client, Cause> {
        let client = if is_local(repository.host()) {
            &self.shared.local
        } else {
            &self.shared.client
        };
        client.get().map_err(Cause::Local)
    }

    /// How long a registry may say nothing.
    pub(super) fn silence(&self) -> Duration {
        self.shared.silence
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
        self.send_within(self.silence(), repository, from, expected, request)
            .await
    }

    /// The same for a request that takes the registry longer to answer.
    pub(super) async fn send_within(
        &self,
        patience: Duration,
        repository: &Repository,
        from: Option<&Repository>,
        expected: &[StatusCode],
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Cause> {
        let mut pause = PAUSE;
        let mut silent = 0;
        for attempt in 1.. {
            let mut failure = match self.once(patience, repository, from, &request).await {
                Ok(response) if expected.contains(&response.status()) => return Ok(response),
                Ok(response) => {
                    if let Some(asked) = retry_after(&response) {
                        pause = asked.min(LONGEST_PAUSE);
                    }
                    self.refusal(repository, response).await
                }
                Err(cause) => self.of_nobody(repository, cause).await,
            };
            if let Cause::Silent { times, .. } = &mut failure {
                silent += 1;
                *times = silent;
            }
            if attempt == ATTEMPTS || silent == SILENT_ATTEMPTS || !failure.is_passing() {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable!("the last attempt returns")
    }

    /// Why an answer is not the one that was hoped for.
    async fn refusal(&self, repository: &Repository, response: Response) -> Cause {
        let status = response.status().as_u16();
        let body = tokio::time::timeout(self.silence(), response.bytes()).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        self.of_nobody(repository, Cause::of(status, &body)).await
    }

    /// The same failure, told to somebody without credentials as such.
    async fn of_nobody(&self, repository: &Repository, cause: Cause) -> Cause {
        if !matches!(cause, Cause::Unauthorized(_) | Cause::Forbidden(_)) {
            return cause;
        }
        let host = repository.host();
        match self.shared.config.credentials(host).await {
            Ok(known) if known == Credentials::default() => cause.of_nobody(host),
            _ => cause,
        }
    }

    /// Sends a request whose body is a stream: once, since it cannot be sent again. A token that is refused is forgotten.
    /// It ends when the registry neither takes what is sent nor answers for twice the time that others are waited for.
    pub(super) async fn send_stream(
        &self,
        repository: &Repository,
        request: RequestBuilder,
        taken: &Taken,
    ) -> Result<Response, Cause> {
        let name = granted_name(repository, None);
        let granted = self.shared.granted.lock().await.get(&name).cloned();
        let request = match &granted {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let patience = self.silence() * 2;
        let sent = tokio::select! {
            sent = request.send() => sent,
            () = taken.stops(patience) => {
                let seconds = patience.as_secs();
                return Err(Cause::Silent { whose: "", seconds, times: 1 });
            }
        };
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
        Err(self.refusal(repository, response).await)
    }

    /// Sends it once, or twice when the registry wants to know who asks.
    async fn once(
        &self,
        patience: Duration,
        repository: &Repository,
        from: Option<&Repository>,
        request: &impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Cause> {
        let client = self.client(repository)?;
        let send = async |granted: Option<&HeaderValue>| {
            let request = request(client);
            let request = match granted {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            };
            let sent = tokio::time::timeout(patience, request.send()).await;
            let sent = sent.map_err(|_| Cause::Silent {
                whose: "",
                seconds: patience.as_secs(),
                times: 1,
            })?;
            sent.map_err(|error| Cause::Unreachable(why(&error)))
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
        let client = self.client(repository)?;
        let value = auth::answer((client, self.silence()), challenge, &credentials, &scopes).await?;
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
