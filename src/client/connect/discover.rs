//! Finding an engine when none is named.
//!
//! In this order: the address given (`--addr`, `BUILDKIT_HOST`), the buildx builder given (`--builder`,
//! `BUILDX_BUILDER`); with neither, the current buildx builder, buildkitd's usual sockets, `DOCKER_HOST`, Docker's
//! usual sockets, and at last a private buildkitd. The first that answers is taken. What was named and does not
//! answer is an error: nobody wants a build on another machine than the one they named.

use std::env;
use std::fmt;
use std::path::PathBuf;

use super::private;
use super::{Engine, TlsFiles};
use crate::client::address::Address;

/// Which engine is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// This address.
    pub address: Option<Address>,
    /// This buildx builder.
    pub builder: Option<String>,
    /// Certificates for `tcp://`.
    pub tls: TlsFiles,
}

/// A place that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The place.
    pub place: String,
    /// Why there is no engine.
    pub reason: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.place, self.reason)
    }
}

/// Finds an engine, or says what was tried.
pub async fn discover(wanted: &Wanted) -> Result<Engine, Vec<Attempt>> {
    let named = wanted.address.clone();
    if let Some(address) =
        named.or_else(|| wanted.builder.as_deref().map(|name| Address::builder(Some(name))))
    {
        return attempt(&address, &wanted.tls)
            .await
            .map_err(|attempt| vec![attempt]);
    }
    let mut attempts = match look(&wanted.tls).await {
        Ok(engine) => return Ok(engine),
        Err(attempts) => attempts,
    };
    match private::start().await {
        Ok((lease, address)) => match attempt(&address, &TlsFiles::default()).await {
            Ok(engine) => return Ok(engine.with_lease(lease)),
            Err(attempt) => {
                lease.end().await;
                attempts.push(attempt);
            }
        },
        Err(reason) => attempts.push(Attempt {
            place: "a private buildkitd".to_owned(),
            reason,
        }),
    }
    Err(attempts)
}

/// The first that runs at one of the usual places; nobody starts one.
pub async fn running(tls: &TlsFiles) -> Option<Engine> {
    look(tls).await.ok()
}

async fn look(tls: &TlsFiles) -> Result<Engine, Vec<Attempt>> {
    let mut attempts = Vec::new();
    for candidate in candidates() {
        let tried = match candidate {
            Ok(address) => attempt(&address, tls).await,
            Err(attempt) => Err(attempt),
        };
        match tried {
            Ok(engine) => return Ok(engine),
            Err(attempt) => attempts.push(attempt),
        }
    }
    Err(attempts)
}

async fn attempt(address: &Address, tls: &TlsFiles) -> Result<Engine, Attempt> {
    let failed = |error: super::ConnectError| Attempt {
        place: address.to_string(),
        reason: error.to_string(),
    };
    Engine::connect(address, tls).await.map_err(failed)
}

fn candidates() -> Vec<Result<Address, Attempt>> {
    let run_dir = env::var_os("XDG_RUNTIME_DIR")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    let in_run_dir = |path: &str| run_dir.as_ref().map(|dir| Ok(Address::Unix(dir.join(path))));
    let mut found = vec![
        Ok(Address::builder(None)),
        Ok(Address::Unix("/run/buildkit/buildkitd.sock".into())),
    ];
    found.extend(in_run_dir("buildkit/buildkitd.sock"));
    if let Some(host) = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        let place = format!("DOCKER_HOST={host}");
        let address = Address::docker_host(&host);
        found.push(address.map_err(|error| Attempt {
            place,
            reason: error.to_string(),
        }));
    } else {
        found.push(Ok(Address::Unix("/var/run/docker.sock".into())));
        found.extend(in_run_dir("docker.sock"));
    }
    found
}
