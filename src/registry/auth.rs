//! What a registry wants to see: nothing, a user with a password, or a token from somewhere else.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::dockerconfig::Credentials;
use super::error::Cause;
use crate::http::{Client, Url, why};

/// A registry's `WWW-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token that somebody else hands out.
    Bearer {
        /// Who.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what, as the registry has it.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the header's value.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        Some(Self::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        })
    }
}

/// `name="value",…`; a comma inside of quotes belongs to the value.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        let name = name.trim_matches(|c: char| c == ',' || c.is_whitespace());
        found.insert(name.to_ascii_lowercase(), value.to_owned());
        rest = next;
    }
    found
}

/// The value of the `Authorization` header that answers a challenge. Who hands out tokens may be silent for `silence`.
pub(super) async fn answer(
    (client, silence): (&Client, Duration),
    challenge: &Challenge,
    credentials: &Credentials,
    scopes: &[String],
) -> Result<String, Cause> {
    match challenge {
        Challenge::Basic if credentials.username.is_empty() => Err(Cause::Unauthorized(
            "it asks for a user with a password".to_owned(),
        )),
        Challenge::Basic => Ok(basic(credentials)),
        Challenge::Bearer {
            realm,
            service,
            scope,
        } => {
            let mut wanted = scopes.to_vec();
            if let Some(scope) = scope.as_ref().filter(|scope| !wanted.contains(scope)) {
                wanted.push(scope.clone());
            }
            let token = token((client, silence), realm, service.as_deref(), &wanted, credentials).await?;
            Ok(format!("Bearer {token}"))
        }
    }
}

fn basic(credentials: &Credentials) -> String {
    let pair = format!("{}:{}", credentials.username, credentials.secret);
    format!("Basic {}", STANDARD.encode(pair))
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Asks for a token: with an identity token by OAuth, else with user and password or as nobody.
async fn token(
    (client, silence): (&Client, Duration),
    realm: &str,
    service: Option<&str>,
    scopes: &[String],
    credentials: &Credentials,
) -> Result<String, Cause> {
    let mut url = Url::parse(realm)
        .map_err(|_| Cause::Unauthorized("it names no address to get a token from".to_owned()))?;
    let identity = credentials.username.is_empty() && !credentials.secret.is_empty();
    let request = if identity {
        let form = form_urlencoded(&[
            ("grant_type", "refresh_token"),
            ("client_id", "wheelwright"),
            ("refresh_token", &credentials.secret),
            ("service", service.unwrap_or_default()),
            ("scope", &scopes.join(" ")),
        ]);
        client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    } else {
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            for scope in scopes {
                query.append_pair("scope", scope);
            }
        }
        let request = client.get(url);
        if credentials.username.is_empty() {
            request
        } else {
            request.header("authorization", basic(credentials))
        }
    };
    let answered = async {
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?))
    };
    let answered = tokio::time::timeout(silence, answered).await;
    let answered = answered.map_err(|_| Cause::Silent {
        whose: "its token service: ",
        seconds: silence.as_secs(),
        times: 1,
    })?;
    let (status, body) = answered.map_err(|error: reqwest::Error| {
        Cause::Unreachable(format!("its token service does not answer: {}", why(&error)))
    })?;
    if !status.is_success() {
        return Err(match Cause::of(status.as_u16(), &body) {
            Cause::Refused { reason, .. } | Cause::Forbidden(reason) => Cause::Unauthorized(reason),
            other => other,
        });
    }
    // The body holds the token: the parser's error would quote it.
    let token: Token = serde_json::from_slice(&body)
        .map_err(|_| Cause::Unauthorized("its token service does not answer with a token".to_owned()))?;
    let token = if token.token.is_empty() {
        token.access_token
    } else {
        token.token
    };
    Ok(token)
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    // The query of an address is a form.
    let mut url = Url::parse("http://form.example").unwrap_or_else(|_| unreachable!("a fixed address"));
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_as_registries_write_them() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        assert_eq!(
            Challenge::parse(header),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".to_owned(),
                service: Some("r.example".to_owned()),
                scope: Some("repository:a/b:pull,push".to_owned()),
            })
        );
        assert_eq!(Challenge::parse("basic realm=x"), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate"), None);
    }
}
