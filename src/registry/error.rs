//! What a registry said no to, and why.

use std::fmt;

use serde::Deserialize;

/// A request that failed for good.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to {doing} {at}: {cause}")]
pub struct Error {
    /// What was tried, to complete "failed to".
    pub doing: String,
    /// The repository.
    pub at: String,
    /// Why.
    pub cause: Cause,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The registry cannot be reached, or stopped answering.
    Unreachable(String),
    /// Wrong credentials, or none.
    Unauthorized(String),
    /// It may not be done: no permission, read-only, or no room left.
    Denied(String),
    /// It is not there.
    NotFound,
    /// What came is not what was asked for.
    Corrupt(String),
    /// Anything else the registry says.
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// Something on this machine, such as a file that cannot be read.
    Local(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) | Self::Local(reason) | Self::Corrupt(reason) => f.write_str(reason),
            Self::Unauthorized(reason) => write!(f, "not allowed with these credentials: {reason}"),
            Self::Denied(reason) => write!(f, "denied: {reason}"),
            Self::NotFound => f.write_str("not found"),
            Self::Refused { status, reason } => write!(f, "{reason} (HTTP {status})"),
        }
    }
}

impl Cause {
    /// From a status and a body as registries write them.
    pub(super) fn of(status: u16, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            errors: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let said = serde_json::from_slice::<Body>(body).ok();
        let said = said.and_then(|body| body.errors.into_iter().next());
        let reason = match said {
            Some(one) if one.message.is_empty() => one.code.to_lowercase(),
            Some(one) => one.message,
            None => words(status).to_owned(),
        };
        match status {
            401 => Self::Unauthorized(reason),
            // 405: a registry that is read-only or does not delete; 413 and 507: no room.
            403 | 405 | 413 | 507 => Self::Denied(reason),
            404 => Self::NotFound,
            _ => Self::Refused { status, reason },
        }
    }

    /// Whether trying again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            _ => false,
        }
    }
}

fn words(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("an answer without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_words_are_passed_on() {
        let body = br#"{"errors":[{"code":"DENIED","message":"quota exceeded"}]}"#;
        assert_eq!(Cause::of(403, body).to_string(), "denied: quota exceeded");
        assert_eq!(
            Cause::of(507, b"<html>").to_string(),
            "denied: Insufficient Storage"
        );
        assert_eq!(Cause::of(418, b"").to_string(), "I'm a teapot (HTTP 418)");
        assert!(Cause::of(503, b"").is_passing() && !Cause::of(403, body).is_passing());
    }
}
