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
    /// The registry cannot be reached, or breaks off.
    Unreachable(String),
    /// It took the connection and says nothing.
    Silent {
        /// Who, to stand before the words; empty for the registry itself.
        whose: &'static str,
        /// How long it was waited for, each time.
        seconds: u64,
        /// How often it was asked.
        times: u32,
    },
    /// Wrong credentials.
    Unauthorized(String),
    /// It wants to know who asks, and there is nothing to tell.
    Anonymous {
        /// The registry.
        host: String,
        /// Its words.
        reason: String,
    },
    /// Whoever asks may not do it.
    Forbidden(String),
    /// It may not be done by anybody: read-only, or no room left.
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
            Self::Silent {
                whose,
                seconds,
                times,
            } => {
                write!(f, "{whose}no answer within {seconds} s")?;
                match times {
                    0 | 1 => Ok(()),
                    2 => f.write_str(", asked twice"),
                    more => write!(f, ", asked {more} times"),
                }
            }
            Self::Unauthorized(reason) => write!(f, "not allowed with these credentials: {reason}"),
            Self::Anonymous { host, reason } => write!(
                f,
                "{reason}; no credentials are known for `{host}`, `docker login {host}` asks for them"
            ),
            Self::Forbidden(reason) | Self::Denied(reason) => write!(f, "denied: {reason}"),
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
            405 | 413 | 507 => Self::Denied(reason),
            403 => Self::Forbidden(reason),
            404 => Self::NotFound,
            _ => Self::Refused { status, reason },
        }
    }

    /// What it is for somebody with no credentials at all.
    pub(super) fn of_nobody(self, host: &str) -> Self {
        match self {
            Self::Unauthorized(reason) => Self::Anonymous {
                host: host.to_owned(),
                reason,
            },
            Self::Forbidden(_) => Self::Anonymous {
                host: host.to_owned(),
                reason: self.to_string(),
            },
            other => other,
        }
    }

    /// Whether trying again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Silent { .. } => true,
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
