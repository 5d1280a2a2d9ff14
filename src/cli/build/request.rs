//! The requests of a run: what all services share, and the frontend's options of each.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{BuildArgs, tools};
use crate::cli::Failure;
use crate::client::spec::{Cache, Output, SERVICE, SecretSource, Ssh};
use crate::client::{BuildRequest, Source, cache};
use crate::frontend;
use crate::registry::dockerconfig::DockerConfig;

/// The name of the source that holds `unwheel`.
const TOOLS: &str = "wheelwright-tools";

/// BuildKit's name of the right to the host's network (util/entitlements).
const HOST_NETWORK: &str = "network.host";

/// Options as a frontend gets them.
pub(super) type Opts = BTreeMap<String, String>;

/// What all services of a run share.
#[derive(Debug)]
pub(in crate::cli) struct Shared {
    request: BuildRequest,
    options: Opts,
    context: PathBuf,
    /// The manifest's.
    folder: PathBuf,
}

impl Shared {
    pub(in crate::cli) fn new(args: &BuildArgs) -> Result<Self, Failure> {
        let local = |error: std::io::Error| Failure::Local(error.to_string());
        let context = fs_err::canonicalize(&args.project.context).map_err(local)?;
        let manifest = context.join(&args.project.file);
        let folder = manifest.parent().unwrap_or(&context).to_owned();
        let unwheel = BTreeMap::from([(tools::NAME.to_owned(), tools::find()?)]);
        let request = BuildRequest {
            shared_key: shared_key(&context),
            sources: BTreeMap::from([
                ("context".to_owned(), Source::Directory(context.clone())),
                ("dockerfile".to_owned(), Source::Directory(folder.clone())),
                (TOOLS.to_owned(), Source::Executables(unwheel)),
            ]),
            cache_imports: caches(&args.cache_from, "cache import")?,
            cache_exports: caches(&args.cache_to, "cache export")?,
            secrets: secrets(&args.secrets)?,
            ssh: agents(&args.ssh)?,
            entitlements: entitlements(args),
            docker_config: docker_config()?,
            ..BuildRequest::default()
        };
        if let Some(cache) = request
            .cache_exports
            .iter()
            .find(|cache| args.services.len() != 1 && overwrites(cache))
        {
            let text = format!(
                "every service would overwrite the {} cache: put `{SERVICE}` into its name, or name the one service to build",
                cache.kind
            );
            return Err(Failure::Usage(text));
        }
        Ok(Self {
            request,
            options: options(args, &manifest)?,
            context,
            folder,
        })
    }

    /// Where the frontend finds `unwheel`.
    pub(super) fn tools() -> frontend::Tools {
        frontend::Tools::Local(TOOLS.to_owned())
    }

    /// Where the frontend reads the project for one build: the folders that the session serves are this machine's own.
    pub(super) fn origin(&self) -> frontend::Origin {
        frontend::Origin::Disk {
            context: self.context.clone(),
            manifest: self.folder.clone(),
            read: Arc::default(),
        }
    }

    /// The folders of `services` that local caches are to be read from and that hold none, as in the first build of a
    /// machine.
    pub(super) fn absent_caches(&self, services: &[String]) -> BTreeSet<String> {
        let caches = services.iter().flat_map(|service| {
            let imports = self.request.cache_imports.iter();
            imports.map(move |cache| cache.for_service(service))
        });
        caches
            .filter_map(|cache| cache::absent(&cache).map(str::to_owned))
            .collect()
    }

    /// What taking trees out of the engine shares with it.
    pub(in crate::cli) fn exports(&self) -> BuildRequest {
        BuildRequest {
            cache_exports: Vec::new(),
            cache_imports: self
                .request
                .cache_imports
                .iter()
                .filter(|cache| !cache.attributes.values().any(|value| value.contains(SERVICE)))
                .cloned()
                .collect(),
            ..self.request.clone()
        }
    }

    /// The request and the frontend's options of one service.
    pub(super) fn request(
        &self,
        args: &BuildArgs,
        service: &str,
        outputs: Vec<Output>,
    ) -> (BuildRequest, Opts) {
        let mut options = self.options.clone();
        options.insert("target".to_owned(), service.to_owned());
        if args.no_cache {
            options.insert("no-cache".to_owned(), String::new());
        }
        let request = BuildRequest {
            outputs,
            cache_imports: self
                .request
                .cache_imports
                .iter()
                .map(|cache| cache.for_service(service))
                .collect(),
            cache_exports: self
                .request
                .cache_exports
                .iter()
                .map(|cache| cache.for_service(service))
                .collect(),
            options: options.clone(),
            ..self.request.clone()
        };
        (request, options)
    }
}

/// The options that do not depend on the service.
fn options(args: &BuildArgs, manifest: &Path) -> Result<Opts, Failure> {
    let mut options = Opts::new();
    let mut set = |key: &str, value: String| drop(options.insert(key.to_owned(), value));
    set(
        "filename",
        manifest
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    );
    if !args.platforms.is_empty() {
        set("platform", args.platforms.join(","));
    }
    if args.pull {
        set("image-resolve-mode", "pull".to_owned());
    }
    if let Some(network) = &args.network {
        set("force-network-mode", network.clone());
    }
    if !args.hosts.is_empty() {
        set("add-hosts", args.hosts.join(","));
    }
    for argument in &args.arguments {
        // Without a value it is passed on, if there is one.
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), std::env::var(argument).ok()),
        };
        if let Some(value) = value {
            set(&format!("build-arg:{name}"), value);
        }
    }
    if !args.mirrors.is_empty() {
        set("build-arg:WHEELWRIGHT_MIRRORS", args.mirrors.join(" "));
    }
    for label in &args.labels {
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        if name.is_empty() {
            return Err(Failure::Usage(format!("label `{label}` has no name")));
        }
        set(&format!("label:{name}"), value.to_owned());
    }
    Ok(options)
}

fn caches(texts: &[String], what: &'static str) -> Result<Vec<Cache>, Failure> {
    Ok(texts
        .iter()
        .map(|text| Cache::parse(text, what))
        .collect::<Result<_, _>>()?)
}

/// Caches that hold one build's results at one place.
fn overwrites(cache: &Cache) -> bool {
    let place = match cache.kind.as_str() {
        "registry" => cache.attributes.get("ref"),
        "local" => cache.attributes.get("dest"),
        _ => None,
    };
    place.is_some_and(|place| !place.contains(SERVICE))
}

/// Reads the secrets' sources; a file that is not there is better told now than by a step in the middle of the build.
pub(in crate::cli) fn secrets(texts: &[String]) -> Result<BTreeMap<String, SecretSource>, Failure> {
    let mut secrets = BTreeMap::new();
    for text in texts {
        let (id, source) = SecretSource::parse(text)?;
        let found = match &source {
            SecretSource::File(path) => path.is_file(),
            SecretSource::Env(name) => std::env::var_os(name).is_some(),
        };
        if !found {
            let place = match &source {
                SecretSource::File(path) => format!("there is no file `{}`", path.display()),
                SecretSource::Env(name) => format!("the variable `{name}` is not set"),
            };
            return Err(Failure::Usage(format!("secret `{id}`: {place}")));
        }
        secrets.insert(id, source);
    }
    Ok(secrets)
}

/// What the engine is asked to allow. Whoever asks for the host's network has allowed it, as with `docker buildx build`.
fn entitlements(args: &BuildArgs) -> Vec<String> {
    let host = (args.network.as_deref() == Some("host")).then(|| HOST_NETWORK.to_owned());
    args.allow.iter().cloned().chain(host).collect()
}

/// Reads the agents; one that cannot be there is told now, too.
fn agents(texts: &[String]) -> Result<Vec<Ssh>, Failure> {
    let mut agents = Vec::new();
    for text in texts {
        let agent = Ssh::parse(text)?;
        if let Some(reason) = unusable(agent.place().as_deref()) {
            return Err(Failure::Usage(format!("ssh agent `{}`: {reason}", agent.id)));
        }
        agents.push(agent);
    }
    Ok(agents)
}

/// Why no agent can be asked at `socket`.
fn unusable(socket: Option<&Path>) -> Option<String> {
    let Some(socket) = socket.filter(|socket| !socket.as_os_str().is_empty()) else {
        return Some("`SSH_AUTH_SOCK` is not set; `ID=SOCKET` names the socket of an agent".to_owned());
    };
    let place = socket.display();
    match socket.metadata() {
        Ok(found) if found.file_type().is_socket() => None,
        Ok(found) if found.is_file() => Some(format!(
            "`{place}` is a file and not the socket of an agent; `ssh-add {place}` gives a key to an agent"
        )),
        Ok(_) => Some(format!("`{place}` is not the socket of an agent")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("there is no socket `{place}`"))
        }
        Err(error) => Some(format!("failed to look at `{place}`: {error}")),
    }
}

fn docker_config() -> Result<Arc<DockerConfig>, Failure> {
    DockerConfig::load()
        .map(Arc::new)
        .map_err(|error| Failure::Local(error.to_string()))
}

/// The same for one directory of one machine, so that the engine is sent what changed there, and telling nothing about
/// either.
fn shared_key(context: &Path) -> String {
    let machine = fs_err::read(PathBuf::from("/etc/machine-id")).unwrap_or_default();
    let digest = Sha256::new()
        .chain_update(context.as_os_str().as_encoded_bytes())
        .chain_update(machine)
        .finalize();
    crate::client::hex(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_cannot_be_asked_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let _agent = std::os::unix::net::UnixListener::bind(path("agent")).unwrap();
        fs_err::write(path("key"), "").unwrap();
        let reason = |name: &str| unusable(Some(&path(name))).unwrap_or_default();
        assert_eq!(reason("agent"), "");
        assert!(reason("key").contains("ssh-add"), "{}", reason("key"));
        assert!(
            reason("gone").contains("there is no socket"),
            "{}",
            reason("gone")
        );
        assert!(unusable(None).unwrap().contains("SSH_AUTH_SOCK"));

        let refused = agents(&[format!("default={}", path("gone").display())]).unwrap_err();
        assert_eq!(refused.code(), 2);
    }
}
