//! How a command ends when it does not end well: one type, one table of exit codes.

use std::process::ExitCode;

use crate::client::connect::Attempt;
use crate::client::{self, FailureKind};
use crate::diag;
use crate::frontend;
use crate::registry;

/// Why a command failed, sorted by who can act.
#[derive(Debug)]
pub enum Failure {
    /// A build failed; its report has been shown.
    Build,
    /// The command line asks for what cannot be.
    Usage(String),
    /// The manifest, a lock or a file they name is wrong, rendered; empty if it has been shown.
    Manifest(String),
    /// Locks are missing, stale or do not agree, rendered.
    Stale(String),
    /// No engine answers.
    NoEngine(Vec<Attempt>),
    /// The engine went away; its report has been shown.
    EngineGone,
    /// A registry refused, in words; empty if they have been shown.
    Registry(String),
    /// Something on this machine, such as a file that cannot be written.
    Local(String),
    /// The user ended it.
    Interrupted,
}

/// The table in `--help`. The codes are those of [`Failure::code`].
pub const EXIT_CODES: &str = "\
Exit status:
  0    everything asked for is done
  1    a build failed
  2    the command line is wrong
  3    the manifest, a lock or a file they name is wrong
  4    no engine was found, or it went away
  5    a registry refused or cannot be reached
  6    a lock is missing or stale (`wheelwright lock --check`)
  130  interrupted";

impl Failure {
    /// The exit status.
    pub fn code(&self) -> u8 {
        match self {
            Self::Build | Self::Local(_) => 1,
            Self::Usage(_) => 2,
            Self::Manifest(_) => 3,
            Self::NoEngine(_) | Self::EngineGone => 4,
            Self::Registry(_) => 5,
            Self::Stale(_) => 6,
            Self::Interrupted => 130,
        }
    }

    /// The exit status of the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// What is left to be said; nothing where a report said it.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Build | Self::EngineGone | Self::Interrupted => None,
            Self::Manifest(text) | Self::Stale(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Self::Registry(text) => Some(format!("error: {text}")).filter(|_| !text.is_empty()),
            Self::Usage(text) | Self::Local(text) => Some(format!("error: {text}")),
            Self::NoEngine(attempts) => Some(no_engine(attempts)),
        }
    }

    /// The gravest of what became of several services; None if all is well.
    pub fn of_run(ran: &[crate::run::Ran]) -> Option<Self> {
        let failures = ran.iter().filter_map(|ran| match &ran.outcome {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(Self::of_build(error)),
            None => Some(Self::Interrupted),
        });
        // A service that was not built because another one failed is no news beside that failure.
        failures.min_by_key(|failure| match failure {
            Self::EngineGone => 0,
            Self::Manifest(_) => 1,
            Self::Registry(_) => 2,
            Self::Interrupted => 4,
            _ => 3,
        })
    }

    fn of_build(error: &client::Error) -> Self {
        match error {
            client::Error::NoEngine(attempts) => Self::NoEngine(attempts.clone()),
            client::Error::Gone { .. } => Self::EngineGone,
            client::Error::Cancelled => Self::Interrupted,
            client::Error::Local(_) => Self::Build,
            client::Error::Failed(failure) => match failure.kind {
                FailureKind::Manifest => Self::Manifest(String::new()),
                FailureKind::Registry => Self::Registry(String::new()),
                FailureKind::Build | FailureKind::Permission => Self::Build,
            },
        }
    }
}

impl From<frontend::Failure> for Failure {
    fn from(failure: frontend::Failure) -> Self {
        match failure {
            frontend::Failure::Mistakes(mistakes) => Self::Manifest(diag::render_all(&mistakes, true)),
            other => Self::Local(other.to_string()),
        }
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::Registry(error.to_string())
    }
}

impl From<client::spec::BadSpec> for Failure {
    fn from(bad: client::spec::BadSpec) -> Self {
        Self::Usage(bad.to_string())
    }
}

fn no_engine(attempts: &[Attempt]) -> String {
    let mut lines = vec![
        "error: no BuildKit engine found".to_owned(),
        String::new(),
        "  tried:".to_owned(),
    ];
    lines.extend(attempts.iter().map(|attempt| format!("    {attempt}")));
    lines.push(String::new());
    lines.push(
        "  help: start Docker 23 or newer, or run `buildkitd` 0.11 or newer and point `BUILDKIT_HOST` at it"
            .to_owned(),
    );
    lines.push("  help: with `buildkitd` on PATH, Wheelwright starts a private one by itself".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Ran;

    fn ran(outcome: Option<Result<client::BuildResult, client::Error>>) -> Ran {
        Ran {
            service: "s".into(),
            outcome,
        }
    }

    #[test]
    fn the_gravest_failure_decides() {
        let failed = |kind| {
            let failure = client::Failure {
                kind,
                ..client::Failure::default()
            };
            ran(Some(Err(client::Error::Failed(Box::new(failure)))))
        };
        let code = |all: &[Ran]| Failure::of_run(all).map_or(0, |failure| failure.code());
        assert_eq!(code(&[ran(Some(Ok(client::BuildResult::default())))]), 0);
        assert_eq!(code(&[ran(None), failed(FailureKind::Build)]), 1);
        assert_eq!(
            code(&[failed(FailureKind::Build), failed(FailureKind::Registry)]),
            5
        );
        assert_eq!(
            code(&[failed(FailureKind::Registry), failed(FailureKind::Manifest)]),
            3
        );
        assert_eq!(code(&[ran(None)]), 130);
    }

    #[test]
    fn help_names_every_code() {
        for failure in [
            Failure::Build,
            Failure::Usage(String::new()),
            Failure::Manifest(String::new()),
            Failure::EngineGone,
            Failure::Registry(String::new()),
            Failure::Stale(String::new()),
            Failure::Interrupted,
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {} ", failure.code())));
        }
    }
}
