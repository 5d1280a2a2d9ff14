//! Why a file could not be had, in words that name package, file and cause.

use std::io;

use reqwest::StatusCode;

use crate::http::{Shown, why};

/// A file that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("failed to download `{file}` of {package} from {url}: {cause}")]
pub struct FetchError {
    /// The package and its version.
    pub package: String,
    /// The file's name.
    pub file: String,
    /// Where it should be.
    pub url: Shown,
    /// What happened.
    pub cause: Cause,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The address is neither http nor https.
    #[error("the address is neither http nor https")]
    Scheme,
    /// The server answered, but not with the file.
    #[error("the server answered {}", answer(*.0))]
    Status(StatusCode),
    /// No answer, or a connection that broke.
    #[error("{0}")]
    Connection(String),
    /// It sends, but hardly anything.
    #[error("the server sends less than {} KiB a second", .0 >> 10)]
    Slow(u64),
    /// The server ended too early.
    #[error("the server sent {got} bytes of {expected}")]
    Truncated {
        /// Bytes that came.
        got: u64,
        /// Bytes that the lock says.
        expected: u64,
    },
    /// The server sent more than the file.
    #[error("the server sends more than the {expected} bytes that the lock says")]
    TooLong {
        /// Bytes that the lock says.
        expected: u64,
    },
    /// It is another file.
    #[error("its sha256 is {found}, the lock says {expected}")]
    WrongHash {
        /// As locked.
        expected: String,
        /// As received.
        found: String,
    },
    /// The file could not be written.
    #[error("it cannot be kept: {0}")]
    Disk(io::Error),
}

impl Cause {
    /// Whether the same request may succeed a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT
                            | StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::PARTIAL_CONTENT
                            | StatusCode::RANGE_NOT_SATISFIABLE
                    )
            }
            Self::Connection(_) | Self::Truncated { .. } => true,
            // It would be as slow from where it stopped, for as long as the file lasts.
            Self::Slow(_) | Self::Scheme | Self::TooLong { .. } | Self::WrongHash { .. } | Self::Disk(_) => {
                false
            }
        }
    }
}

impl FetchError {
    /// Whether another machine, with other credentials or another network, may have more luck with the same file.
    pub fn is_of_this_machine(&self) -> bool {
        !matches!(self.cause, Cause::WrongHash { .. } | Cause::TooLong { .. })
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match &self.cause {
            Cause::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Some(
                "credentials come from ~/.netrc (or the file that NETRC names) or from the address itself",
            ),
            Cause::Status(StatusCode::NOT_FOUND | StatusCode::GONE) => {
                Some("the index does not have the file any more; lock again")
            }
            Cause::WrongHash { .. } | Cause::TooLong { .. } => Some(
                "the file was replaced after it was locked, or something on the way changes it; nothing was kept",
            ),
            _ => None,
        }
    }
}

impl From<&reqwest::Error> for Cause {
    fn from(error: &reqwest::Error) -> Self {
        Self::Connection(why(error))
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn answer(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
