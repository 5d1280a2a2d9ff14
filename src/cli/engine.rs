//! Which engine: the options that commands share, and `wheelwright engine`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::client::connect::TlsFiles;
use crate::client::{Address, Engine, Wanted, discover, running};

/// Which engine to use.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// The engine's address: unix://, tcp://, docker-container://, kube-pod://, ssh://
    ///
    /// Without it: the current buildx builder, buildkitd's usual sockets, DOCKER_HOST, Docker's socket, and at
    /// last a private buildkitd if one is installed. A private one keeps its cache in ~/.local/state/wheelwright and ends with the
    /// command.
    #[arg(long, env = "BUILDKIT_HOST", value_name = "ADDRESS")]
    addr: Option<String>,
    /// A buildx builder, by name
    #[arg(long, env = "BUILDX_BUILDER", value_name = "NAME")]
    builder: Option<String>,
    /// The authority that signed a tcp:// engine's certificate; switches TLS on
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// This client's certificate
    #[arg(long, value_name = "FILE", requires = "tlskey")]
    tlscert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "tlscert")]
    tlskey: Option<PathBuf>,
    /// The name in the engine's certificate, if it is not the host's
    #[arg(long, value_name = "NAME")]
    tlsservername: Option<String>,
}

impl EngineArgs {
    /// Finds the engine. A builder named on the command line wins over an address from the environment.
    pub(super) async fn connect(&self) -> Result<Engine, Failure> {
        discover(&self.wanted()?).await.map_err(Failure::NoEngine)
    }

    /// Finds an engine that runs, if there is one. One that was named has to answer.
    pub(super) async fn connect_if_any(&self) -> Result<Option<Engine>, Failure> {
        let wanted = self.wanted()?;
        if wanted.address.is_some() || wanted.builder.is_some() {
            return discover(&wanted).await.map(Some).map_err(Failure::NoEngine);
        }
        Ok(running(&wanted.tls).await)
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        let builder_named = self.builder.is_some() && std::env::var_os("BUILDX_BUILDER").is_none();
        let address = self
            .addr
            .as_deref()
            .filter(|address| !address.is_empty() && !builder_named);
        let address = address.map(str::parse::<Address>).transpose();
        Ok(Wanted {
            address: address.map_err(|error| Failure::Usage(error.to_string()))?,
            builder: self.builder.clone().filter(|name| !name.is_empty()),
            tls: TlsFiles {
                ca: self.tlscacert.clone(),
                cert: self.tlscert.clone(),
                key: self.tlskey.clone(),
                server_name: self.tlsservername.clone(),
            },
        })
    }
}

/// Show which engine is found and what it can do
#[derive(Debug, Clone, Args)]
pub struct EngineCommand {
    #[command(flatten)]
    engine: EngineArgs,
}

/// The text to print.
pub(super) async fn run(args: &EngineCommand) -> Result<String, Failure> {
    let engine = args.engine.connect().await?;
    let info = engine.info();
    let kind = match (info.is_docker(), info.is_graph_driver()) {
        (_, true) => "dockerd without the containerd image store (no merged layers, see the documentation)",
        (true, false) => "dockerd with the containerd image store",
        (false, _) => "buildkitd",
    };
    let mut text = format!("address:    {}\nengine:     {kind}\n", engine.address());
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "buildkit:   {}",
        info.version.as_deref().unwrap_or("older than v0.11")
    );
    for worker in &info.workers {
        let _ = writeln!(text, "platforms:  {}", worker.platforms.join(" "));
    }
    engine.close().await;
    Ok(text)
}
