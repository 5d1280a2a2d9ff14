//! What to try when a registry refuses a push: the engine's words do not say whether it was sent credentials.

use super::error::{Error, Failure};
use crate::registry::dockerconfig::{Credentials, DockerConfig};

/// What registries, and engines for them, say to those who may not push.
const REFUSALS: [&str; 9] = [
    "401 Unauthorized",
    "403 Forbidden",
    "authorization failed",
    "insufficient_scope",
    "no basic auth credentials",
    "push access denied",
    "access to the resource is denied",
    "authentication required",
    "unauthorized:",
];

/// The same error, with advice if it is a push that was refused.
pub(super) async fn advised(error: Error, config: &DockerConfig) -> Error {
    let Error::Failed(mut failure) = error else {
        return error;
    };
    if let Some(host) = refused_by(&failure) {
        // What is wrong with credentials that cannot be had is told by the failure itself.
        let known = config.credentials(&host).await.ok();
        failure.help = known.map(|known| advice(&host, &known));
    }
    Error::Failed(failure)
}

/// The registry that refused a push.
fn refused_by(failure: &Failure) -> Option<String> {
    let (_, pushed) = failure.message.split_once("failed to push ")?;
    if !REFUSALS.iter().any(|text| pushed.contains(text)) {
        return None;
    }
    let name = pushed.trim_start_matches('`').split([' ', '`']).next()?;
    let host = name.split_once('/').map(|(host, _)| host);
    let host = host.filter(|host| host.contains(['.', ':']) || *host == "localhost");
    Some(host.unwrap_or("docker.io").to_owned())
}

fn advice(host: &str, known: &Credentials) -> String {
    if *known == Credentials::default() {
        return format!("no credentials are known for `{host}`; `docker login {host}` asks for them");
    }
    let whose = match known.username.as_str() {
        "" => "the identity token".to_owned(),
        name => format!("the credentials of `{name}`"),
    };
    format!(
        "`{host}` was sent {whose} and refused them: they are wrong or out of date, or do not allow this push; \
         `docker login {host}` replaces them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn help(message: &str, config: &str) -> Option<String> {
        let failure = Failure {
            message: message.to_owned(),
            ..Failure::default()
        };
        let config = serde_json::from_str(config).unwrap();
        match advised(Error::Failed(Box::new(failure)), &config).await {
            Error::Failed(failure) => failure.help,
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn who_is_not_logged_in_is_told_how() {
        let refused = "failed to push r.example:5000/a/b:1: push access denied, repository does not exist or may require \
                       authorization: authorization failed: no basic auth credentials";
        let told = help(refused, "{}").await.unwrap();
        assert!(told.contains("`docker login r.example:5000`"), "{told}");
        let told = help(
            "failed to push `me/app`: unauthorized: access token has insufficient scopes",
            "{}",
        )
        .await;
        assert!(told.unwrap().contains("`docker login docker.io`"));
    }

    #[tokio::test]
    async fn refused_credentials_are_told_without_the_secret() {
        let config = r#"{"auths": {"r.example": {"username": "me", "password": "hidden"}}}"#;
        let told = help(
            "failed to push r.example/a: unexpected status: 403 Forbidden",
            config,
        )
        .await;
        let told = told.unwrap();
        assert!(
            told.contains("sent the credentials of `me` and refused"),
            "{told}"
        );
        assert!(!told.contains("hidden"), "{told}");
    }

    #[tokio::test]
    async fn other_failures_are_left_alone() {
        assert_eq!(
            help("failed to push r.example/a: 500 Internal Server Error", "{}").await,
            None
        );
        assert_eq!(
            help("failed to fetch r.example/a: 403 Forbidden", "{}").await,
            None
        );
    }
}
