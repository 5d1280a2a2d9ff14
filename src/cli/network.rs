//! Indexes as this machine reaches them: mirrors, credentials and authorities, as the manifest and the command line say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use reqwest::header::HeaderValue;
use serde_json::Value;

use crate::client::spec::SecretSource;
use crate::http::{self, LazyClient, Url};
use crate::layers::local::{Credentials, Fetch, NetrcFile, basic};
use crate::manifest::{Auth, Manifest};
use crate::plan::Indexes;

/// What downloads wheels. `mirrors` are more than the manifest's, as `FROM=TO` with blanks between them.
pub(super) fn fetch(
    manifest: &Manifest,
    mirrors: &str,
    secrets: &BTreeMap<String, SecretSource>,
) -> Result<Fetch, String> {
    let given = mirrors
        .split_whitespace()
        .filter_map(|entry| entry.split_once('='));
    let given = given.map(|(from, to)| (from.to_owned(), to.to_owned()));
    let indexes = Indexes::of(manifest, given.collect());
    let mut builder = http::builder(http::SILENCE);
    if let Some(bundle) = indexes.ca_certificates.as_ref().and_then(|id| read(secrets, id)) {
        let authorities = reqwest::Certificate::from_pem_bundle(bundle.as_bytes())
            .map_err(|_| "the secret of `ca_certificates` holds no certificates".to_owned())?;
        builder = builder.tls_certs_merge(authorities);
    }
    let client = LazyClient::new(builder);
    let mut credentials: Vec<Arc<dyn Credentials>> = Vec::new();
    for index in &indexes.list {
        let Some(auth) = &index.auth else { continue };
        let Some(secret) = read(secrets, &auth.secret().value) else {
            continue;
        };
        let at = indexes.mirrored(&index.url);
        credentials.extend(login(auth, &secret, &at).map(|login| Arc::new(login) as Arc<dyn Credentials>));
    }
    credentials.extend(NetrcFile::load()?.map(|file| Arc::new(file) as Arc<dyn Credentials>));
    Ok(Fetch::new(client, credentials).with_mirrors(indexes.mirrors))
}

/// The text of a secret; nothing where the build is not given it, as the engine has it.
fn read(secrets: &BTreeMap<String, SecretSource>, id: &str) -> Option<String> {
    let text = match secrets.get(id)? {
        SecretSource::File(path) => fs_err::read_to_string(path).ok()?,
        SecretSource::Env(name) => std::env::var(name).ok()?,
    };
    Some(text.trim().to_owned())
}

/// A login for the host of one index. It is sent to no other.
struct Login {
    scheme: String,
    host: String,
    port: Option<u16>,
    value: HeaderValue,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Credentials for Login {
    fn authorization(&self, url: &Url) -> Option<HeaderValue> {
        let same = url.scheme() == self.scheme
            && url.host_str() == Some(&self.host)
            && url.port_or_known_default() == self.port;
        same.then(|| self.value.clone())
    }
}

/// The login that a secret holds; nothing where it holds none, which the index will say.
fn login(auth: &Auth, secret: &str, index: &str) -> Option<Login> {
    let url = Url::parse(index).ok()?;
    let host = url.host_str()?;
    let value = match auth {
        Auth::Password { username, .. } => match (username, secret.split_once(':')) {
            (Some(user), _) => basic(&user.value, secret),
            (None, Some((user, password))) => basic(user, password),
            (None, None) => basic("__token__", secret),
        },
        Auth::Netrc { .. } => NetrcFile::parse(secret)?.authorization(&url),
        Auth::DockerConfig { .. } => {
            let config: Value = serde_json::from_str(secret).ok()?;
            let server = url
                .port()
                .map_or(host.to_owned(), |port| format!("{host}:{port}"));
            let names = [
                index.to_owned(),
                format!("https://{server}"),
                server,
                format!("https://{host}"),
                host.to_owned(),
            ];
            let found = names
                .iter()
                .find_map(|name| config["auths"][name]["auth"].as_str())?;
            let pair = base64::engine::general_purpose::STANDARD.decode(found).ok()?;
            let pair = String::from_utf8(pair).ok()?;
            let (user, password) = pair.split_once(':')?;
            basic(user, password)
        }
        Auth::Header { .. } => HeaderValue::try_from(secret).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        }),
    };
    Some(Login {
        scheme: url.scheme().to_owned(),
        host: host.to_owned(),
        port: url.port_or_known_default(),
        value: value?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Span, Spanned};

    fn spanned(text: &str) -> Spanned<String> {
        Spanned::new(text.to_owned(), Span::default())
    }

    #[test]
    fn every_kind_of_secret_is_a_login_for_its_host_alone() {
        let secret = spanned("id");
        let password = |username: Option<&str>| Auth::Password {
            secret: secret.clone(),
            username: username.map(spanned),
        };
        let netrc = "machine files.example login user password pass";
        let docker = r#"{"auths": {"files.example": {"auth": "dXNlcjpwYXNz"}}}"#;
        let cases = [
            (password(None), "user:pass"),
            (password(Some("user")), "pass"),
            (
                Auth::Netrc {
                    netrc: secret.clone(),
                },
                netrc,
            ),
            (
                Auth::DockerConfig {
                    docker_config: secret.clone(),
                },
                docker,
            ),
            (
                Auth::Header {
                    header: secret.clone(),
                },
                "Basic dXNlcjpwYXNz",
            ),
        ];
        for (auth, text) in cases {
            let login = login(&auth, text, "https://files.example/simple").unwrap();
            let of = |url: &str| login.authorization(&Url::parse(url).unwrap());
            assert_eq!(of("https://files.example/a.whl").unwrap(), "Basic dXNlcjpwYXNz");
            assert_eq!(of("https://other.example/a.whl"), None);
            assert_eq!(of("http://files.example/a.whl"), None);
            assert!(!format!("{login:?}").contains("dXNl"));
        }
    }
}
